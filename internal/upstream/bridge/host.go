package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// host runs the servers of one bridge, within its limits. It is safe for
// concurrent use.
type host struct {
	cfg     Config
	open    Opener
	log     *slog.Logger
	info    []byte // the bridge's own Implementation object
	breaker *breaker
	running sync.WaitGroup  // servers not yet gone
	life    context.Context // ends when no server may be started any more
	quit    context.CancelFunc

	mu       sync.Mutex
	closed   bool
	count    map[string]int // servers per principal
	children map[*child]struct{}
	slots    int
	modern   bool // the server was seen to need no handshake
	started  uint64
	crashed  uint64
}

// newHost returns a host; version is the gateway's, told to servers.
func newHost(cfg Config, open Opener, log *slog.Logger, version string) *host {
	if version == "" {
		version = "unknown"
	}
	info := append([]byte(`{"name":"portcullis","version":`), quote(version)...)
	h := &host{
		cfg: cfg, open: open, log: log, info: append(info, '}'),
		breaker:  newBreaker(cfg.BackoffMin, cfg.BackoffMax),
		count:    make(map[string]int),
		children: make(map[*child]struct{}),
	}
	h.life, h.quit = context.WithCancel(context.Background())
	return h
}

// spawn starts a server for a principal within the limits. Attach says, before
// anything is read, what happens with what the server says and when it dies.
func (h *host) spawn(ctx context.Context, principal string, attach func(*child)) (*child, error) {
	if err := h.reserve(principal); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.life, cancel)()
	conn, err := h.open(ctx)
	if err != nil {
		h.free(principal, nil)
		if h.refusing() {
			return nil, errBusy("shutting_down", "bridge is closing", time.Second)
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		h.breaker.failed("", time.Now())
		h.log.Error("starting the upstream", "error", err)
		if ctx.Err() != nil {
			return nil, errTimeout("upstream did not start in time")
		}
		return nil, errUnavailable("starting the upstream", err)
	}
	c := newChild(conn, h.log, h.cfg)
	c.crashed = func(cause error) { h.crash(principal, c, cause) }
	c.gone = func() { h.free(principal, c) }
	attach(c)
	h.mu.Lock()
	h.started++
	h.children[c] = struct{}{}
	closed := h.closed
	h.mu.Unlock()
	c.start()
	if closed {
		c.stop()
	}
	return c, nil
}

// crash counts a server that ended by itself. One that never worked will not
// work for others either; one that did is its principal's affair.
func (h *host) crash(principal string, c *child, cause error) {
	h.log.Warn("upstream ended", "error", cause, "principal", principal)
	key := ""
	if c.ready.Load() {
		key = principal
	}
	h.breaker.failed(key, time.Now())
	h.mu.Lock()
	h.crashed++
	h.mu.Unlock()
}

// reserve takes a place for a server.
func (h *host) reserve(principal string) error {
	if wait := h.breaker.pause(principal, time.Now()); wait > 0 {
		return errBusy("upstream_restarting", "upstream keeps failing, waiting before the next start", wait)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return errBusy("shutting_down", "bridge is closing", time.Second)
	case h.count[principal] >= h.cfg.MaxPerPrincipal:
		return errBusy("too_many_sessions", "principal has the maximum of servers", 10*time.Second)
	case h.slots >= h.cfg.MaxChildren:
		return errBusy("too_many_sessions", "maximum of servers reached", 10*time.Second)
	}
	h.slots++
	h.count[principal]++
	h.running.Add(1)
	return nil
}

func (h *host) free(principal string, c *child) {
	h.mu.Lock()
	h.slots--
	if h.count[principal]--; h.count[principal] == 0 {
		delete(h.count, principal)
	}
	if c != nil {
		delete(h.children, c)
	}
	h.mu.Unlock()
	h.running.Done()
}

// works is told that a handshake succeeded, and in which era.
func (h *host) works(c *child, stateless bool) {
	c.ready.Store(true)
	h.breaker.worked("")
	h.mu.Lock()
	h.modern = h.modern || stateless
	h.mu.Unlock()
}

// needsNoHandshake reports whether the server was seen to be stateless.
func (h *host) needsNoHandshake() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.modern
}

// refuse makes every further start fail.
func (h *host) refuse() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.quit()
}

func (h *host) refusing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// end stops every server and returns when all are gone; when ctx ends first,
// they are killed, and its error is returned.
func (h *host) end(ctx context.Context) error {
	h.refuse()
	h.mu.Lock()
	var rest []*child
	for c := range h.children {
		rest = append(rest, c)
	}
	h.mu.Unlock()
	for _, c := range rest {
		c.stop()
	}
	gone := make(chan struct{})
	go func() { h.running.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, c := range rest {
		_ = c.conn.Close(ctx) // ctx has ended: by force
	}
	<-gone
	return ctx.Err()
}

// counts is what of the statistics the host knows.
type counts struct {
	children, pending int
	started, crashed  uint64
}

func (h *host) counts() counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := counts{children: h.slots, started: h.started, crashed: h.crashed}
	for c := range h.children {
		n.pending += c.inFlight()
	}
	return n
}

// token returns 128 random bits in hexadecimal.
func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// asError returns err as the bridge's own error type.
func asError(err error) *portcullis.Error {
	var pe *portcullis.Error
	if errors.As(err, &pe) {
		return pe
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errTimeout("upstream did not answer in time")
	}
	return errUnavailable("calling the upstream", err)
}
