package link

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// Host runs the servers of one bridge, within its limits. It is safe for
// concurrent use.
type Host struct {
	Cfg     Config
	open    Opener
	Log     *slog.Logger
	info    []byte // the bridge's own Implementation object
	breaker *breaker
	running sync.WaitGroup  // servers not yet gone
	life    context.Context // ends when no server may be started any more
	quit    context.CancelFunc

	mu       sync.Mutex
	closed   bool
	count    map[string]int // servers per principal
	children map[*Child]struct{}
	slots    int
	modern   bool // the server was seen to need no handshake
	started  uint64
	crashed  uint64
}

// NewHost returns a host; version is the gateway's, told to servers.
func NewHost(cfg Config, open Opener, log *slog.Logger, version string) *Host {
	if version == "" {
		version = "unknown"
	}
	info := append([]byte(`{"name":"portcullis","version":`), wire.Quote(version)...)
	h := &Host{
		Cfg: cfg, open: open, Log: log, info: append(info, '}'),
		breaker:  newBreaker(cfg.BackoffMin, cfg.BackoffMax),
		count:    make(map[string]int),
		children: make(map[*Child]struct{}),
	}
	h.life, h.quit = context.WithCancel(context.Background())
	return h
}

// Spawn starts a server for a principal within the limits. Attach says, before
// anything is read, what happens with what the server says and when it dies.
func (h *Host) Spawn(ctx context.Context, principal string, attach func(*Child)) (*Child, error) {
	if err := h.reserve(principal); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.life, cancel)()
	conn, err := h.open(ctx)
	if err != nil {
		h.free(principal, nil)
		if h.Refusing() {
			return nil, ErrBusy("shutting_down", "bridge is closing", time.Second)
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		h.breaker.failed("", time.Now())
		h.Log.Error("starting the upstream", "error", err)
		if ctx.Err() != nil {
			return nil, ErrTimeout("upstream did not start in time")
		}
		return nil, ErrUnavailable("starting the upstream", err)
	}
	c := newChild(conn, h.Log, h.Cfg)
	c.crashed = func(cause error) { h.crash(principal, c, cause) }
	c.gone = func() {
		h.free(principal, c)
		close(c.left)
	}
	attach(c)
	h.mu.Lock()
	h.started++
	h.children[c] = struct{}{}
	closed := h.closed
	h.mu.Unlock()
	c.start()
	if closed {
		c.Stop()
	}
	return c, nil
}

// crash counts a server that ended by itself. One that never worked will not
// work for others either; one that did is its principal's affair.
func (h *Host) crash(principal string, c *Child, cause error) {
	h.Log.Warn("upstream ended", "error", cause)
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
func (h *Host) reserve(principal string) error {
	if wait := h.breaker.pause(principal, time.Now()); wait > 0 {
		return ErrBusy("upstream_restarting", "upstream keeps failing, waiting before the next start", wait)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return ErrBusy("shutting_down", "bridge is closing", time.Second)
	case h.count[principal] >= h.Cfg.MaxPerPrincipal:
		return ErrBusy(reasonFull, "principal has the maximum of servers", 10*time.Second)
	case h.slots >= h.Cfg.MaxChildren:
		return ErrBusy(reasonFull, "maximum of servers reached", 10*time.Second)
	}
	h.slots++
	h.count[principal]++
	h.running.Add(1)
	return nil
}

func (h *Host) free(principal string, c *Child) {
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

// Works is told that a handshake succeeded, and in which era.
func (h *Host) Works(c *Child, stateless bool) {
	c.ready.Store(true)
	h.breaker.worked("")
	h.mu.Lock()
	h.modern = h.modern || stateless
	h.mu.Unlock()
}

// NeedsNoHandshake reports whether the server was seen to be stateless.
func (h *Host) NeedsNoHandshake() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.modern
}

// StartFailed counts a server that never answered its handshake.
func (h *Host) StartFailed() { h.breaker.failed("", time.Now()) }

// Refuse makes every further start fail.
func (h *Host) Refuse() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.quit()
}

// Refusing reports whether [Host.Refuse] was called.
func (h *Host) Refusing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// End stops every server and returns when all are gone; when ctx ends first,
// they are killed, and its error is returned.
func (h *Host) End(ctx context.Context) error {
	h.Refuse()
	h.mu.Lock()
	var rest []*Child
	for c := range h.children {
		rest = append(rest, c)
	}
	h.mu.Unlock()
	for _, c := range rest {
		c.Stop()
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

// Counts is what of the statistics the host knows.
type Counts struct {
	Children, Pending int
	Started, Crashed  uint64
}

// Counts returns what goes on.
func (h *Host) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := Counts{Children: h.slots, Started: h.started, Crashed: h.crashed}
	for c := range h.children {
		n.Pending += c.inFlight()
	}
	return n
}

// Token returns 128 random bits in hexadecimal.
func Token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// AsError returns err as the bridge's own error type.
func AsError(err error) *portcullis.Error {
	var pe *portcullis.Error
	if errors.As(err, &pe) {
		return pe
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrTimeout("upstream did not answer in time")
	}
	return ErrUnavailable("calling the upstream", err)
}
