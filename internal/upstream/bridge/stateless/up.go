package stateless

import (
	"context"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// up translates for clients without sessions and a server with a handshake,
// which the bridge has done. What clients say with each request is taken out;
// what they expect in each result is put in.
type up struct {
	sh   *shared
	init []byte // the server's answer to initialize

	mu        sync.Mutex
	parked    map[string]*parked     // calls that wait for input, by requestState
	asked     map[*link.Call]*parked // calls in flight that have waited for input
	listeners map[*listener]struct{}
	watched   map[string]int // subscriptions per resource
	level     int            // the log level the server was set to; 0 = not set
	closed    bool
}

func newUp(sh *shared, init []byte) *up {
	return &up{
		sh: sh, init: init,
		parked:    make(map[string]*parked),
		asked:     make(map[*link.Call]*parked),
		listeners: make(map[*listener]struct{}),
		watched:   make(map[string]int),
	}
}

// request serves one request, whose lease its exchange gives back.
func (u *up) request(ctx context.Context, cl *link.Call, m *portcullis.Message) (*portcullis.Reply, error) {
	x, keep := cl.X, u.sh.p.host.Cfg.KeepAlive
	var err error
	gone := func(error) { u.abandon(cl, x) }
	switch cl.Method {
	case "server/discover":
		x.Finish(wire.NewResult(x.ID, u.discovered()))
	case "subscriptions/listen":
		if gone, err = u.listen(ctx, x, m); err != nil {
			x.Refuse(link.AsError(err))
			return nil, err
		}
	case "ping", "initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		x.Finish(wire.NewError(x.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
	default:
		if state := wire.Get(m.Params, "requestState"); state != nil {
			if cl, err = u.resume(ctx, x, m, wire.Text(state)); err == nil {
				gone = func(error) { u.abandon(cl, x) }
			}
		} else {
			err = u.forward(ctx, cl, m)
		}
		if err != nil {
			x.Refuse(link.AsError(err))
			return nil, err
		}
	}
	return x.Wait(ctx, keep, gone)
}

// forward sends a request without what only a stateless server understands.
func (u *up) forward(ctx context.Context, cl *link.Call, m *portcullis.Message) error {
	changes := []wire.Change{wire.Drop(link.MetaVersion), wire.Drop(link.MetaClient), wire.Drop(link.MetaCapabilities), wire.Drop(link.MetaLogLevel)}
	raw, err := wire.EditAt(wire.OneLine(m.Raw), []string{"params", "_meta"}, changes...)
	if err == nil {
		raw, err = wire.EditAt(raw, []string{"params"}, wire.Drop("inputResponses"))
	}
	if err != nil {
		return link.ErrInvalid(portcullis.CodeInvalidRequest, "malformed", "The message cannot be forwarded.")
	}
	u.verbose(ctx, cl.Level)
	cl.Answer, cl.Failed = u.answered, u.failed
	return u.sh.child.Submit(ctx, cl, func(id []byte) ([]byte, error) { return u.sh.renamed(raw, id, cl.X) })
}

// verbose lowers the server's log level to what a call wants, if it has one.
func (u *up) verbose(ctx context.Context, level int) {
	if level == 0 || wire.Get(u.init, "capabilities", "logging") == nil {
		return
	}
	u.mu.Lock()
	lower := u.level == 0 || level < u.level
	if lower {
		u.level = level
	}
	u.mu.Unlock()
	if lower {
		u.tell(ctx, "logging/setLevel", wire.Set("level", wire.Quote(link.LevelName(level))))
	}
}

// tell sends a request whose answer does not matter.
func (u *up) tell(ctx context.Context, method string, params ...wire.Change) {
	object, err := wire.Edit([]byte("{}"), params...)
	if err != nil {
		return
	}
	cl := &link.Call{
		Method: method,
		Answer: func(*link.Call, wire.Message) {}, Failed: func(*link.Call, *portcullis.Error) {},
	}
	err = u.sh.child.Submit(ctx, cl, func(id []byte) ([]byte, error) { return wire.NewRequest(id, method, object), nil })
	if err != nil {
		u.sh.p.host.Log.Debug("telling the upstream", "method", method, "error", err)
	}
}

// discovered answers server/discover from what the server told at its
// handshake. Its tasks are of a form that this protocol version does not know.
func (u *up) discovered() []byte {
	capabilities, err := wire.Edit(wire.Get(u.init, "capabilities"), wire.Drop("tasks"))
	if err != nil {
		capabilities = []byte("{}")
	}
	changes := []wire.Change{
		wire.Set("resultType", wire.Quote("complete")),
		wire.Set("supportedVersions", []byte(`["2026-07-28","2025-11-25","2025-06-18","2025-03-26"]`)),
		wire.Set("capabilities", capabilities),
		wire.Set("instructions", wire.Get(u.init, "instructions")),
		wire.Set("ttlMs", []byte("0")),
		wire.Set("cacheScope", wire.Quote("private")),
	}
	if info := wire.Get(u.init, "serverInfo"); info != nil {
		meta, _ := wire.Edit([]byte("{}"), wire.Set(link.MetaServer, info)) // of valid parts
		changes = append(changes, wire.Set("_meta", meta))
	}
	out, _ := wire.Edit([]byte("{}"), changes...) // of valid parts
	return out
}

// cacheable are the methods whose results carry ttlMs and cacheScope.
func cacheable(method string) bool {
	switch method {
	case "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read":
		return true
	}
	return false
}

// codeNoResource is "resource not found" up to 2025-11-25; later versions use
// the code for invalid parameters.
const codeNoResource = -32002

// complete is the server's reply as a stateless client expects it, under the
// client's id.
func complete(method string, id []byte, m wire.Message) ([]byte, error) {
	if m.Err != nil {
		changes := []wire.Change{wire.Set("id", id)}
		if code, _ := wire.Number(wire.Get(m.Err, "code")); code == codeNoResource {
			e, err := wire.Edit(m.Err, wire.Set("code", link.FormatInt(portcullis.CodeInvalidParams)))
			if err != nil {
				return nil, err
			}
			changes = append(changes, wire.Set("error", e))
		}
		return wire.Edit(m.Raw, changes...)
	}
	var add []wire.Change
	missing := func(name string, value []byte) {
		if wire.Get(m.Result, name) == nil {
			add = append(add, wire.Set(name, value))
		}
	}
	missing("resultType", wire.Quote("complete"))
	if cacheable(method) {
		missing("ttlMs", []byte("0"))
		missing("cacheScope", wire.Quote("private"))
	}
	result, err := wire.Edit(m.Result, add...)
	if err != nil {
		return nil, err
	}
	return wire.Edit(m.Raw, wire.Set("id", id), wire.Set("result", result))
}

func (u *up) answered(cl *link.Call, m wire.Message) {
	x := u.owner(cl, func(p *parked) { p.final = &m })
	if x == nil {
		return
	}
	raw, err := complete(cl.Method, x.ID, m)
	if err != nil {
		x.Refuse(link.ErrUnavailable("reading the reply", err))
		return
	}
	x.Finish(raw)
}

func (u *up) failed(cl *link.Call, err *portcullis.Error) {
	if x := u.owner(cl, func(p *parked) { p.fail = err }); x != nil {
		x.Refuse(err)
	}
}

// owner returns the exchange that waits for a call. If none does, the call is
// parked, and keep stores what came.
func (u *up) owner(cl *link.Call, keep func(*parked)) *link.Exchange {
	u.mu.Lock()
	defer u.mu.Unlock()
	x := cl.Exchange()
	if p := u.asked[cl]; p != nil && x == nil {
		keep(p)
	}
	delete(u.asked, cl) // it will ask no more
	return x
}

// withdraw ends a call that nobody wants any more.
func (u *up) withdraw(cl *link.Call, why string) {
	u.mu.Lock()
	delete(u.asked, cl)
	u.mu.Unlock()
	u.sh.child.Cancel(cl, why)
}

// abandon ends a call whose client has closed its stream. One that is parked
// by then, or that another request has taken over, goes on.
func (u *up) abandon(cl *link.Call, x *link.Exchange) {
	if cl.Exchange() == x {
		u.withdraw(cl, "client has gone")
	}
	x.Shut()
}

// heard takes what the server says of itself.
func (u *up) heard(c *link.Child, m wire.Message) {
	switch m.Method {
	case "ping":
		if m.Request() {
			c.Post(wire.NewResult(m.ID, []byte("{}")))
		}
	case "notifications/progress":
		u.sh.progress(c, m)
	case "notifications/message":
		u.sh.logged(c, m)
	case "notifications/cancelled":
		u.withdrawn(wire.Get(m.Params, "requestId"))
	case "notifications/tools/list_changed", "notifications/prompts/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated":
		u.changed(m)
	default:
		if m.Request() {
			u.question(c, m)
		}
	}
}

// end closes what still waits: subscriptions gracefully.
func (u *up) end() {
	u.mu.Lock()
	u.closed = true
	listeners := u.listeners
	u.listeners = nil
	open := u.parked
	u.parked = nil
	u.mu.Unlock()
	for l := range listeners {
		l.finish()
	}
	for _, p := range open {
		p.timer.Stop()
	}
}

// bounded is a context for what the bridge does on its own account.
func (u *up) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(u.sh.child.Life, 10*time.Second)
}
