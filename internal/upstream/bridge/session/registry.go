package session

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// Registry holds the open sessions.
type Registry struct {
	host *link.Host

	mu   sync.Mutex
	open map[string]*session
}

// NewRegistry returns a registry whose servers h runs.
func NewRegistry(h *link.Host) *Registry {
	return &Registry{host: h, open: make(map[string]*session)}
}

// Forward serves one request of a client of 2025-11-25 or earlier.
func (r *Registry) Forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	if m.Session == "" {
		if m.Shape == portcullis.ShapeRequest && m.Method == "initialize" {
			return r.initialize(ctx, pc)
		}
		return nil, link.ErrInvalid(portcullis.CodeInvalidRequest, "session_required", "The request needs a session: send initialize first, and its Mcp-Session-Id with every call.")
	}
	s := r.find(m.Session, pc.Principal.ID)
	if s == nil {
		return nil, link.ErrNoSession()
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
		return link.EmptyReply(http.StatusNoContent), nil
	}
	return nil, link.ErrInvalid(portcullis.CodeInvalidRequest, "malformed", "The message has no meaning here.")
}

// find returns a session of the principal. Whose it is otherwise, or whether
// it exists, is not told.
func (r *Registry) find(id, principal string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.open[id]; s != nil && s.principal == principal {
		return s
	}
	return nil
}

// Count returns the number of open sessions.
func (r *Registry) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// Close ends every session.
func (r *Registry) Close() {
	r.mu.Lock()
	var list []*session
	for _, s := range r.open {
		list = append(list, s)
	}
	r.mu.Unlock()
	for _, s := range list {
		s.close("gateway is closing")
	}
}

// initialize begins a session. The server gets the client's own handshake; only
// one that refuses it is asked whether it speaks the stateless protocol.
func (r *Registry) initialize(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	s := &session{
		r: r, id: link.Token(), principal: pc.Principal.ID,
		calls: make(map[string]*link.Call), asked: make(map[string]asked),
	}
	s.box = newOutbox(r.host.Cfg.ReplayBytes, s.lost)
	ctx, cancel := context.WithTimeout(ctx, r.host.Cfg.StartTimeout)
	defer cancel()
	s.lease = link.NewLease(r.host.Cfg.IdleTimeout, func() { s.close("idle") })
	s.lease.Hold()
	if err := r.spawn(ctx, s); err != nil {
		s.lease.End()
		return nil, err
	}
	reply, ok, err := s.greet(ctx, pc.Message)
	if err != nil || !ok {
		s.close("handshake")
		if err != nil {
			return nil, r.host.HandshakeFailed(ctx, err)
		}
		return link.JSONReply(http.StatusOK, reply), nil
	}
	r.host.Works(s.child, s.down.Load() != nil)
	if !r.register(s) {
		return nil, link.ErrUnavailable("upstream ended after its handshake", nil)
	}
	s.lease.Release()
	out := link.JSONReply(http.StatusOK, reply)
	out.Header.Set("Mcp-Session-Id", s.id)
	return out, nil
}

// spawn starts the server of a session. Many clients leave without a word: when
// there is no place, the session of the same principal that was longest unused
// makes one, if nobody waits for it or listens to it.
func (r *Registry) spawn(ctx context.Context, s *session) error {
	for {
		_, err := r.host.Spawn(ctx, s.principal, func(c *link.Child) {
			s.child = c
			c.Heard = s.heard
			c.Died = func() { s.close("server ended") }
		})
		if err == nil || !link.IsFull(err) {
			return err
		}
		left := r.makePlace(s.principal)
		if left == nil {
			return err
		}
		select {
		case <-left.child.Left():
		case <-ctx.Done():
			return err
		}
	}
}

// makePlace ends the longest unused session of a principal and returns it, or
// nil if all are in use.
func (r *Registry) makePlace(principal string) *session {
	for {
		var oldest *session
		var since time.Time
		r.mu.Lock()
		for _, s := range r.open {
			if t, unused := s.lease.Unused(); unused && s.principal == principal && (oldest == nil || t.Before(since)) {
				oldest, since = s, t
			}
		}
		r.mu.Unlock()
		if oldest == nil || oldest.lease.Expire() {
			return oldest
		}
	}
}

// register makes a session known, unless its server has ended meanwhile.
func (r *Registry) register(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		r.open[s.id] = s
	}
	return !s.ended
}

// greet does the handshake. It reports false with the server's own refusal.
func (s *session) greet(ctx context.Context, m *portcullis.Message) ([]byte, bool, error) {
	raw := wire.OneLine(m.Raw)
	reply, err := s.child.Ask(ctx, func(id []byte) ([]byte, error) { return wire.Edit(raw, wire.Set("id", id)) })
	if err != nil {
		return nil, false, err
	}
	if reply.Err != nil {
		found, err := s.child.Ask(ctx, s.r.host.Discover)
		if err == nil && link.SpeaksStateless(found) {
			d := newDown(s, m.Params, found.Result)
			s.down.Store(d)
			return wire.NewResult(m.ID, d.initializeResult(m.Params)), true, nil
		}
	}
	out, err := wire.Edit(reply.Raw, wire.Set("id", m.ID))
	return out, reply.Err == nil, err
}
