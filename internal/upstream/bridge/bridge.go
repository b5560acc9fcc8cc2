package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// stateless is the first protocol revision without sessions.
const stateless = "2026-07-28"

// Options are what a bridge needs beside its configuration.
type Options struct {
	Open    Opener       // starts a server
	Log     *slog.Logger // never nil
	Version string       // of the gateway, told to servers in the handshake
}

// Bridge is the upstream of one route. It is safe for concurrent use.
type Bridge struct {
	cfg     Config
	open    Opener
	log     *slog.Logger
	info    []byte // the bridge's own Implementation object
	breaker *breaker
	running sync.WaitGroup // servers not yet gone

	mu       sync.Mutex
	closed   bool
	sessions map[string]*session
	shared   map[sharedKey]*shared
	count    map[string]int // servers per principal
	children map[*child]struct{}
	slots    int
	modern   bool // the server was seen to speak 2026-07-28
	started  uint64
	crashed  uint64
}

var _ portcullis.Upstream = (*Bridge)(nil)

// New returns a bridge that starts servers with opt.Open, or the error of
// [Config.Validate].
func New(cfg Config, opt Options) (*Bridge, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	version := opt.Version
	if version == "" {
		version = "unknown"
	}
	info := append([]byte(`{"name":"portcullis","version":`), quote(version)...)
	return &Bridge{
		cfg:      cfg,
		open:     opt.Open,
		log:      opt.Log,
		info:     append(info, '}'),
		breaker:  newBreaker(cfg.BackoffMin, cfg.BackoffMax),
		sessions: make(map[string]*session),
		shared:   make(map[sharedKey]*shared),
		count:    make(map[string]int),
		children: make(map[*child]struct{}),
	}, nil
}

// Forward implements [portcullis.Upstream]. Its errors are *portcullis.Error,
// or the context's when the caller has gone.
func (b *Bridge) Forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if pc.Principal.IsZero() {
		return nil, &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden",
			Detail: "bridge called for nobody"}
	}
	m := pc.Message
	if m.Version >= stateless && m.Method != "initialize" {
		return b.forwardStateless(ctx, pc)
	}
	if m.Session == "" {
		if m.Shape == portcullis.ShapeRequest && m.Method == "initialize" {
			return b.initialize(ctx, pc)
		}
		return nil, errInvalid(portcullis.CodeInvalidRequest, "session_required", "The request needs a session.")
	}
	s := b.session(m.Session, pc.Principal.ID)
	if s == nil {
		return nil, errNoSession()
	}
	switch m.Shape {
	case portcullis.ShapeRequest:
		return s.request(ctx, pc)
	case portcullis.ShapeNotification:
		return s.notification(ctx, pc)
	case portcullis.ShapeResult, portcullis.ShapeError:
		return s.response(ctx, pc)
	case portcullis.ShapeStream:
		return s.stream(ctx, pc)
	case portcullis.ShapeClose:
		s.close("ended by the client")
		return emptyReply(http.StatusNoContent), nil
	}
	return nil, errInvalid(portcullis.CodeInvalidRequest, "malformed", "The message has no meaning here.")
}

// session finds a session of the principal. Whose it is otherwise, or whether
// it exists, is not told.
func (b *Bridge) session(id, principal string) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[id]; s != nil && s.principal == principal {
		return s
	}
	return nil
}

// spawn starts a server for a principal within the limits. Attach says, before
// anything is read, what happens with what the server says and when it dies.
func (b *Bridge) spawn(ctx context.Context, principal string, attach func(*child)) (*child, error) {
	if err := b.reserve(principal); err != nil {
		return nil, err
	}
	conn, err := b.open(ctx)
	if err != nil {
		b.free(principal, nil)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		b.breaker.failed("", time.Now())
		b.log.Error("starting the upstream", "error", err)
		if ctx.Err() != nil {
			return nil, errTimeout("upstream did not start in time")
		}
		return nil, errUnavailable("starting the upstream", err)
	}
	c := newChild(conn, b.log, b.cfg)
	c.crashed = func(cause error) { b.crash(principal, c, cause) }
	c.gone = func() { b.free(principal, c) }
	attach(c)
	b.mu.Lock()
	b.started++
	b.children[c] = struct{}{}
	closed := b.closed
	b.mu.Unlock()
	c.start()
	if closed {
		c.stop()
	}
	return c, nil
}

// crash counts a server that ended by itself. One that never worked will not
// work for others either; one that did is its principal's affair.
func (b *Bridge) crash(principal string, c *child, cause error) {
	b.log.Warn("upstream ended", "error", cause, "principal", principal)
	key := ""
	if c.ready.Load() {
		key = principal
	}
	b.breaker.failed(key, time.Now())
	b.mu.Lock()
	b.crashed++
	b.mu.Unlock()
}

// reserve takes a place for a server.
func (b *Bridge) reserve(principal string) error {
	if wait := b.breaker.pause(principal, time.Now()); wait > 0 {
		return errBusy("upstream_restarting", "upstream keeps failing, waiting before the next start", wait)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return errBusy("shutting_down", "bridge is closing", time.Second)
	case b.count[principal] >= b.cfg.MaxPerPrincipal:
		return errBusy("too_many_sessions", "principal has the maximum of servers", 10*time.Second)
	case b.slots >= b.cfg.MaxChildren:
		return errBusy("too_many_sessions", "maximum of servers reached", 10*time.Second)
	}
	b.slots++
	b.count[principal]++
	b.running.Add(1)
	return nil
}

func (b *Bridge) free(principal string, c *child) {
	b.mu.Lock()
	b.slots--
	if b.count[principal]--; b.count[principal] == 0 {
		delete(b.count, principal)
	}
	if c != nil {
		delete(b.children, c)
	}
	b.mu.Unlock()
	b.running.Done()
}

// Stats is a snapshot for metrics.
type Stats struct {
	Children int    // servers running, those ending included
	Sessions int    // open sessions
	Shared   int    // servers shared by the stateless clients of a principal
	Pending  int    // calls in flight
	Started  uint64 // servers started so far
	Crashed  uint64 // of these, ended by themselves
}

// Stats returns how much is going on.
func (b *Bridge) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := Stats{Children: b.slots, Sessions: len(b.sessions), Shared: len(b.shared), Started: b.started, Crashed: b.crashed}
	for c := range b.children {
		st.Pending += c.inFlight()
	}
	return st
}

// Close ends every session and server. It returns when all are gone, or, when
// ctx ends first, with its error: the servers are then being killed.
func (b *Bridge) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	var sessions []*session
	for _, s := range b.sessions {
		sessions = append(sessions, s)
	}
	var pools []*shared
	for _, s := range b.shared {
		pools = append(pools, s)
	}
	var rest []*child
	for c := range b.children {
		rest = append(rest, c)
	}
	b.mu.Unlock()
	for _, s := range sessions {
		s.close("gateway is closing")
	}
	for _, s := range pools {
		s.close()
	}
	for _, c := range rest {
		c.stop()
	}
	gone := make(chan struct{})
	go func() { b.running.Wait(); close(gone) }()
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
