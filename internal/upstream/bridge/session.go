package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// session is a client of 2025-11-25 or earlier and the server of its own.
type session struct {
	r         *registry
	id        string
	principal string
	child     *child
	box       *outbox
	lease     *lease
	down      atomic.Pointer[down] // translates when the server has no sessions; else nil

	mu    sync.Mutex
	calls map[string]*call // in flight, by the client's id
	asked map[string]asked // requests the client has to answer, by their id
	ended bool
}

// asked is a request to the client.
type asked struct {
	id      []byte        // as the server wrote it
	x       *exchange     // on whose stream it went; nil = the GET stream
	resolve func(message) // takes the answer; nil = the server does
}

func (s *session) request(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	if m.Method == "initialize" {
		return nil, errInvalid(portcullis.CodeInvalidRequest, "already_initialized", "The session is initialized already.")
	}
	if !s.lease.hold() {
		return nil, errNoSession()
	}
	key := idKey(m.ID)
	cl := &call{method: m.Method, answer: s.answered, failed: refuse}
	cl.x = newExchange(pc, get(m.Params, "_meta", "progressToken"), false, s.r.host.cfg.QueueBytes, func() { s.settle(key, cl) })
	if err := s.admit(key, cl); err != nil {
		s.lease.release()
		return nil, err
	}
	var err error
	raw := oneLine(m.Raw)
	if d := s.down.Load(); d != nil {
		err = d.request(ctx, cl, m, raw)
	} else {
		err = s.child.submit(ctx, cl, func(id []byte) ([]byte, error) { return edit(raw, set("id", id)) })
	}
	if err != nil {
		cl.x.refuse(asError(err))
		return nil, err
	}
	return cl.x.wait(ctx, s.r.host.cfg.KeepAlive, func(cause error) {
		// A client that drops its connection has not cancelled its call; one
		// whose time is up gets nothing from it any more.
		if errors.Is(cause, context.DeadlineExceeded) && s.child.cancel(cl, "time limit") {
			cl.x.refuse(errTimeout("call exceeded its time limit"))
		}
	})
}

// admit registers a call unless its id is in use.
func (s *session) admit(key string, cl *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errNoSession()
	case s.calls[key] != nil:
		return errInvalid(portcullis.CodeInvalidRequest, "duplicate_id", "A request with this id is in flight.")
	case len(s.calls) >= s.r.host.cfg.MaxPending:
		return errBusy("too_many_calls", "too many calls in flight in one session", time.Second)
	}
	s.calls[key] = cl
	return nil
}

// settle forgets an answered call and the questions that were asked for it.
func (s *session) settle(key string, cl *call) {
	s.mu.Lock()
	delete(s.calls, key)
	for k, a := range s.asked {
		if a.resolve != nil && a.x == cl.x {
			delete(s.asked, k)
		}
	}
	s.mu.Unlock()
	s.lease.release()
}

// refuse is the failed function of a call whose exchange never changes.
func refuse(cl *call, err *portcullis.Error) { cl.x.refuse(err) }

func (s *session) answered(cl *call, m message) {
	raw, err := edit(m.raw, set("id", cl.x.id))
	if err != nil {
		cl.x.refuse(errUnavailable("reading the reply", err))
		return
	}
	cl.x.finish(raw)
}

func (s *session) notification(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if !s.lease.hold() {
		return nil, errNoSession()
	}
	defer s.lease.release()
	m := pc.Message
	raw := oneLine(m.Raw)
	switch {
	case m.Method == "notifications/cancelled":
		if err := s.cancelled(ctx, m, raw); err != nil {
			return nil, err
		}
	case s.down.Load() != nil:
		s.down.Load().notification(m)
	default:
		if err := s.child.send(ctx, raw); err != nil {
			return nil, err
		}
	}
	return emptyReply(http.StatusAccepted), nil
}

// cancelled passes on that the client withdraws a call, under the id by which
// the server knows it. A call that is not in flight needs no cancelling.
func (s *session) cancelled(ctx context.Context, m *portcullis.Message, raw []byte) error {
	s.mu.Lock()
	cl := s.calls[idKey(get(m.Params, "requestId"))]
	s.mu.Unlock()
	if cl == nil {
		return nil
	}
	if id, ok := s.child.drop(cl); ok {
		told, err := editAt(raw, []string{"params"}, set("requestId", appendInt(id)))
		if err == nil {
			err = s.child.send(ctx, told)
		}
		if err != nil {
			cl.x.refuse(asError(err))
			return err
		}
	}
	cl.x.finish(rpcError(cl.x.id, portcullis.CodeRefused, "The call was cancelled.", "cancelled"))
	return nil
}

// response delivers the client's answer to a request of the server, once.
func (s *session) response(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	a, ok := s.takeAsked(m.ID)
	if !ok {
		return nil, errInvalid(portcullis.CodeInvalidRequest, "unknown_response", "No request with this id is open.")
	}
	raw := oneLine(m.Raw)
	if a.resolve != nil {
		reply, err := parse(raw)
		if err != nil {
			reply = message{err: []byte("{}")}
		}
		a.resolve(reply)
		return emptyReply(http.StatusAccepted), nil
	}
	raw, err := edit(raw, set("id", a.id))
	if err == nil {
		err = s.child.send(ctx, raw)
	}
	if err != nil {
		return nil, err
	}
	return emptyReply(http.StatusAccepted), nil
}

func (s *session) takeAsked(id []byte) (asked, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := idKey(id)
	a, ok := s.asked[key]
	delete(s.asked, key)
	return a, ok
}

// stream opens the session's GET stream; an older one ends.
func (s *session) stream(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if !accepts(pc, "text/event-stream") {
		return nil, errAccept()
	}
	if !s.lease.hold() {
		return nil, errNoSession()
	}
	c := s.box.open(header(pc, "Last-Event-ID"))
	return streamReply(newBody(c, s.r.host.cfg.KeepAlive).until(ctx, func() {
		s.box.shut(c)
		s.lease.release()
	})), nil
}

// heard takes what the server says of itself.
func (s *session) heard(c *child, m message) {
	switch {
	case s.down.Load() != nil:
		s.down.Load().heard(c, m)
	case m.request():
		s.ask(c, m)
	case m.method == "notifications/cancelled":
		if a, ok := s.takeAsked(get(m.params, "requestId")); ok {
			s.deliver(m.raw, a.x, nil)
		}
	default:
		s.deliver(m.raw, s.route(c, m), nil)
	}
}

// ask passes a request of the server on to the client.
func (s *session) ask(c *child, m message) {
	x := s.route(c, m)
	key := idKey(m.id)
	s.mu.Lock()
	_, twice := s.asked[key]
	full := twice || s.ended || len(s.asked) >= s.r.host.cfg.MaxPending
	if !full {
		s.asked[key] = asked{id: m.id, x: x}
	}
	s.mu.Unlock()
	if full {
		c.post(rpcError(m.id, portcullis.CodeRefused, "Too many requests are open.", "too_many_requests"))
		return
	}
	s.deliver(m.raw, x, m.id)
}

// lost is told that a request for the client was dropped unread.
func (s *session) lost(id []byte) {
	a, ok := s.takeAsked(id)
	switch {
	case !ok:
	case a.resolve != nil:
		go a.resolve(message{err: []byte("{}")}) // it may wait for the server, which is being read
	default:
		s.child.post(rpcError(a.id, portcullis.CodeRefused, "The client does not listen.", "client_unreachable"))
	}
}

// deliver gives a message to the stream of a call, or to the GET stream.
func (s *session) deliver(msg []byte, x *exchange, id []byte) {
	if x == nil || !x.note(msg) {
		s.box.put(msg, id)
	}
}

// route finds the call that a message belongs to, or nil for the GET stream.
// Progress names its call. Changes of the server as a whole belong to none.
// Anything else belongs to the only call in flight; if there are several, it
// goes to the GET stream, or to the newest of them if nobody listens there.
func (s *session) route(c *child, m message) *exchange {
	fits := func(cl *call) bool { return cl.x != nil && cl.x.reachable() }
	switch m.method {
	case "notifications/progress":
		token := get(m.params, "progressToken")
		fits = func(cl *call) bool {
			return cl.x != nil && cl.x.token != nil && token != nil && idKey(cl.x.token) == idKey(token)
		}
	case "notifications/tools/list_changed", "notifications/prompts/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated":
		return nil
	}
	list := c.pending(fits)
	if len(list) == 0 || len(list) > 1 && s.box.live() {
		return nil
	}
	return list[0].x
}

// close ends the session and its server, and every call in it.
func (s *session) close(why string) {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	var open []*call
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
	s.r.host.log.Debug("session ended", "principal", s.principal, "why", why)
	s.lease.end()
	s.box.end()
	s.child.stop()
	for _, cl := range open {
		cl.x.refuse(errUnavailable("session ended during the call", nil))
	}
}
