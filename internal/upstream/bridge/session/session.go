package session

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// session is a client of 2025-11-25 or earlier and the server of its own.
type session struct {
	r         *Registry
	id        string
	principal string
	child     *link.Child
	box       *outbox
	lease     *link.Lease
	down      atomic.Pointer[down] // translates when the server has no sessions; else nil

	mu    sync.Mutex
	calls map[string]*link.Call // in flight, by the client's id
	asked map[string]asked      // requests the client has to answer, by their id
	ended bool
}

// asked is a request to the client.
type asked struct {
	id      []byte             // as the server wrote it
	x       *link.Exchange     // on whose stream it went; nil = the GET stream
	resolve func(wire.Message) // takes the answer; nil = the server does
}

func (s *session) request(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	if m.Method == "initialize" {
		return nil, link.ErrInvalid(portcullis.CodeInvalidRequest, "already_initialized", "The session is initialized already.")
	}
	if !s.lease.Hold() {
		return nil, link.ErrNoSession()
	}
	key := wire.IDKey(m.ID)
	cl := &link.Call{Method: m.Method, Answer: s.answered, Failed: link.Refuse}
	cl.X = link.NewExchange(pc, wire.Get(m.Params, "_meta", "progressToken"), false, s.r.host.Cfg.QueueBytes, func() { s.settle(key, cl) })
	if err := s.admit(key, cl); err != nil {
		s.lease.Release()
		return nil, err
	}
	var err error
	raw := wire.OneLine(m.Raw)
	if d := s.down.Load(); d != nil {
		err = d.request(ctx, cl, m, raw)
	} else {
		err = s.child.Submit(ctx, cl, func(id []byte) ([]byte, error) { return wire.Edit(raw, wire.Set("id", id)) })
	}
	if err != nil {
		cl.X.Refuse(link.AsError(err))
		return nil, err
	}
	return cl.X.Wait(ctx, s.r.host.Cfg.KeepAlive, func(cause error) {
		// A client that drops its connection has not cancelled its call; one
		// whose time is up gets nothing from it any more.
		if errors.Is(cause, context.DeadlineExceeded) && s.child.Cancel(cl, "time limit") {
			cl.X.Refuse(link.ErrTimeout("call exceeded its time limit"))
		}
	})
}

// admit registers a call unless its id is in use.
func (s *session) admit(key string, cl *link.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return link.ErrNoSession()
	case s.calls[key] != nil:
		return link.ErrInvalid(portcullis.CodeInvalidRequest, "duplicate_id", "A request with this id is in flight.")
	case len(s.calls) >= s.r.host.Cfg.MaxPending:
		return link.ErrBusy("too_many_calls", "too many calls in flight in one session", time.Second)
	}
	s.calls[key] = cl
	return nil
}

// settle forgets an answered call and the questions that were asked for it.
func (s *session) settle(key string, cl *link.Call) {
	s.mu.Lock()
	delete(s.calls, key)
	for k, a := range s.asked {
		if a.resolve != nil && a.x == cl.X {
			delete(s.asked, k)
		}
	}
	s.mu.Unlock()
	s.lease.Release()
}

func (s *session) answered(cl *link.Call, m wire.Message) {
	raw, err := wire.Edit(m.Raw, wire.Set("id", cl.X.ID))
	if err != nil {
		cl.X.Refuse(link.ErrUnavailable("reading the reply", err))
		return
	}
	cl.X.Finish(raw)
}

func (s *session) notification(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if !s.lease.Hold() {
		return nil, link.ErrNoSession()
	}
	defer s.lease.Release()
	m := pc.Message
	raw := wire.OneLine(m.Raw)
	switch {
	case m.Method == "notifications/cancelled":
		if err := s.cancelled(ctx, m, raw); err != nil {
			return nil, err
		}
	case s.down.Load() != nil:
		s.down.Load().notification(m)
	default:
		if err := s.child.Send(ctx, raw); err != nil {
			return nil, err
		}
	}
	return link.EmptyReply(http.StatusAccepted), nil
}

// cancelled passes on that the client withdraws a call, under the id by which
// the server knows it. A call that is not in flight needs no cancelling.
func (s *session) cancelled(ctx context.Context, m *portcullis.Message, raw []byte) error {
	s.mu.Lock()
	cl := s.calls[wire.IDKey(wire.Get(m.Params, "requestId"))]
	s.mu.Unlock()
	if cl == nil {
		return nil
	}
	if id, ok := s.child.Drop(cl); ok {
		told, err := wire.EditAt(raw, []string{"params"}, wire.Set("requestId", link.FormatInt(id)))
		if err == nil {
			err = s.child.Send(ctx, told)
		}
		if err != nil {
			cl.X.Refuse(link.AsError(err))
			return err
		}
	}
	cl.X.Finish(wire.NewError(cl.X.ID, portcullis.CodeRefused, "The call was cancelled.", "cancelled"))
	return nil
}

// response delivers the client's answer to a request of the server, once.
func (s *session) response(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	a, ok := s.takeAsked(m.ID)
	if !ok {
		return nil, link.ErrInvalid(portcullis.CodeInvalidRequest, "unknown_response", "No request with this id is open.")
	}
	raw := wire.OneLine(m.Raw)
	if a.resolve != nil {
		reply, err := wire.Parse(raw)
		if err != nil {
			reply = wire.Message{Err: []byte("{}")}
		}
		a.resolve(reply)
		return link.EmptyReply(http.StatusAccepted), nil
	}
	raw, err := wire.Edit(raw, wire.Set("id", a.id))
	if err == nil {
		err = s.child.Send(ctx, raw)
	}
	if err != nil {
		return nil, err
	}
	return link.EmptyReply(http.StatusAccepted), nil
}

func (s *session) takeAsked(id []byte) (asked, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := wire.IDKey(id)
	a, ok := s.asked[key]
	delete(s.asked, key)
	return a, ok
}

// stream opens the session's GET stream; an older one ends.
func (s *session) stream(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if !link.Accepts(pc, "text/event-stream") {
		return nil, link.ErrAccept()
	}
	if !s.lease.Hold() {
		return nil, link.ErrNoSession()
	}
	c := s.box.open(link.Header(pc, "Last-Event-ID"))
	return link.StreamReply(link.NewBody(c, s.r.host.Cfg.KeepAlive).Until(ctx, func() {
		s.box.shut(c)
		s.lease.Release()
	})), nil
}

// heard takes what the server says of itself.
func (s *session) heard(c *link.Child, m wire.Message) {
	switch {
	case s.down.Load() != nil:
		s.down.Load().heard(c, m)
	case m.Request():
		s.ask(c, m)
	case m.Method == "notifications/cancelled":
		if a, ok := s.takeAsked(wire.Get(m.Params, "requestId")); ok {
			s.deliver(m.Raw, a.x, nil)
		}
	default:
		s.deliver(m.Raw, s.route(c, m), nil)
	}
}

// ask passes a request of the server on to the client.
func (s *session) ask(c *link.Child, m wire.Message) {
	x := s.route(c, m)
	key := wire.IDKey(m.ID)
	s.mu.Lock()
	_, twice := s.asked[key]
	full := twice || s.ended || len(s.asked) >= s.r.host.Cfg.MaxPending
	if !full {
		s.asked[key] = asked{id: m.ID, x: x}
	}
	s.mu.Unlock()
	if full {
		c.Post(wire.NewError(m.ID, portcullis.CodeRefused, "Too many requests are open.", "too_many_requests"))
		return
	}
	s.deliver(m.Raw, x, m.ID)
}

// lost is told that a request for the client was dropped unread.
func (s *session) lost(id []byte) {
	a, ok := s.takeAsked(id)
	switch {
	case !ok:
	case a.resolve != nil:
		go a.resolve(wire.Message{Err: []byte("{}")}) // it may wait for the server, which is being read
	default:
		s.child.Post(wire.NewError(a.id, portcullis.CodeRefused, "The client does not listen.", "client_unreachable"))
	}
}

// deliver gives a message to the stream of a call, or to the GET stream.
func (s *session) deliver(msg []byte, x *link.Exchange, id []byte) {
	if x == nil || !x.Note(msg) {
		s.box.put(msg, id)
	}
}

// route finds the call that a message belongs to, or nil for the GET stream.
// Progress names its call. Changes of the server as a whole belong to none.
// Anything else belongs to the only call in flight; if there are several, it
// goes to the GET stream, or to the newest of them if nobody listens there.
func (s *session) route(c *link.Child, m wire.Message) *link.Exchange {
	fits := func(cl *link.Call) bool { return cl.X != nil && cl.X.Reachable() }
	switch m.Method {
	case "notifications/progress":
		token := wire.Get(m.Params, "progressToken")
		fits = func(cl *link.Call) bool {
			return cl.X != nil && cl.X.Token != nil && token != nil && wire.IDKey(cl.X.Token) == wire.IDKey(token)
		}
	case "notifications/tools/list_changed", "notifications/prompts/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated":
		return nil
	}
	list := c.Pending(fits)
	if len(list) == 0 || len(list) > 1 && s.box.live() {
		return nil
	}
	return list[0].X
}

// close ends the session and its server, and every call in it.
func (s *session) close(why string) {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	var open []*link.Call
	for _, cl := range s.calls {
		open = append(open, cl)
	}
	s.mu.Unlock()
	if !first {
		return
	}
	s.r.mu.Lock()
	delete(s.r.open, s.id)
	s.r.mu.Unlock()
	s.r.host.Log.Debug("session ended", "principal", s.principal, "why", why)
	s.lease.End()
	s.box.end()
	s.child.Stop()
	for _, cl := range open {
		cl.X.Refuse(link.ErrUnavailable("session ended during the call", nil))
	}
}
