package bridge

import (
	"context"
	"net/http"
	"sync"

	"github.com/portcullis-dev/portcullis"
)

// registry holds the open sessions.
type registry struct {
	host *host

	mu   sync.Mutex
	open map[string]*session
}

func newRegistry(h *host) *registry {
	return &registry{host: h, open: make(map[string]*session)}
}

// forward serves one request of a client of 2025-11-25 or earlier.
func (r *registry) forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	if m.Session == "" {
		if m.Shape == portcullis.ShapeRequest && m.Method == "initialize" {
			return r.initialize(ctx, pc)
		}
		return nil, errInvalid(portcullis.CodeInvalidRequest, "session_required", "The request needs a session.")
	}
	s := r.find(m.Session, pc.Principal.ID)
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

// find returns a session of the principal. Whose it is otherwise, or whether
// it exists, is not told.
func (r *registry) find(id, principal string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.open[id]; s != nil && s.principal == principal {
		return s
	}
	return nil
}

func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// close ends every session.
func (r *registry) close() {
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
func (r *registry) initialize(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	s := &session{
		r: r, id: token(), principal: pc.Principal.ID,
		calls: make(map[string]*call), asked: make(map[string]asked),
	}
	s.box = newOutbox(r.host.cfg.ReplayBytes, s.lost)
	ctx, cancel := context.WithTimeout(ctx, r.host.cfg.StartTimeout)
	defer cancel()
	s.lease = newLease(r.host.cfg.IdleTimeout, func() { s.close("idle") })
	s.lease.hold()
	_, err := r.host.spawn(ctx, pc.Principal.ID, func(c *child) {
		s.child = c
		c.heard = s.heard
		c.died = func() { s.close("server ended") }
	})
	if err != nil {
		s.lease.end()
		return nil, err
	}
	reply, ok, err := s.greet(ctx, pc.Message)
	if err != nil || !ok {
		s.close("handshake")
		if err != nil {
			return nil, r.host.handshakeFailed(ctx, err)
		}
		return jsonReply(http.StatusOK, reply), nil
	}
	r.host.works(s.child, s.down.Load() != nil)
	if !r.register(s) {
		return nil, errUnavailable("upstream ended after its handshake", nil)
	}
	s.lease.release()
	out := jsonReply(http.StatusOK, reply)
	out.Header.Set("Mcp-Session-Id", s.id)
	return out, nil
}

// register makes a session known, unless its server has ended meanwhile.
func (r *registry) register(s *session) bool {
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
	raw := oneLine(m.Raw)
	reply, err := s.child.ask(ctx, func(id []byte) ([]byte, error) { return edit(raw, set("id", id)) })
	if err != nil {
		return nil, false, err
	}
	if reply.err != nil {
		found, err := s.child.ask(ctx, s.r.host.discover)
		if err == nil && speaksStateless(found) {
			d := newDown(s, m.Params, found.result)
			s.down.Store(d)
			return rpcResult(m.ID, d.initializeResult(m.Params)), true, nil
		}
	}
	out, err := edit(reply.raw, set("id", m.ID))
	return out, reply.err == nil, err
}
