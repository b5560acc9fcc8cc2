package bridge

import (
	"context"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// up translates for clients without sessions and a server with a handshake,
// which the bridge has done. What clients say with each request is taken out;
// what they expect in each result is put in.
type up struct {
	sh   *shared
	init []byte // the server's answer to initialize

	mu        sync.Mutex
	parked    map[string]*parked // calls that wait for input, by requestState
	asked     map[*call]*parked  // calls in flight that have waited for input
	listeners map[*listener]struct{}
	watched   map[string]int // subscriptions per resource
	level     int            // the log level the server was set to; 0 = not set
	closed    bool
}

func newUp(sh *shared, init []byte) *up {
	return &up{
		sh: sh, init: init,
		parked:    make(map[string]*parked),
		asked:     make(map[*call]*parked),
		listeners: make(map[*listener]struct{}),
		watched:   make(map[string]int),
	}
}

// request serves one request, whose lease its exchange gives back.
func (u *up) request(ctx context.Context, cl *call, m *portcullis.Message) (*portcullis.Reply, error) {
	x, keep := cl.x, u.sh.p.host.cfg.KeepAlive
	var err error
	gone := func(error) { u.abandon(cl, x) }
	switch cl.method {
	case "server/discover":
		x.finish(rpcResult(x.id, u.discovered()))
	case "subscriptions/listen":
		if gone, err = u.listen(ctx, x, m); err != nil {
			x.refuse(asError(err))
			return nil, err
		}
	case "ping", "initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		x.finish(rpcError(x.id, portcullis.CodeMethodNotFound, "Method not found", ""))
	default:
		if state := get(m.Params, "requestState"); state != nil {
			if cl, err = u.resume(ctx, x, m, text(state)); err == nil {
				gone = func(error) { u.abandon(cl, x) }
			}
		} else {
			err = u.forward(ctx, cl, m)
		}
		if err != nil {
			x.refuse(asError(err))
			return nil, err
		}
	}
	return x.wait(ctx, keep, gone)
}

// forward sends a request without what only a stateless server understands.
func (u *up) forward(ctx context.Context, cl *call, m *portcullis.Message) error {
	changes := []change{drop(metaVersion), drop(metaClient), drop(metaCapabilities), drop(metaLogLevel)}
	raw, err := editAt(oneLine(m.Raw), []string{"params", "_meta"}, changes...)
	if err == nil {
		raw, err = editAt(raw, []string{"params"}, drop("inputResponses"))
	}
	if err != nil {
		return errInvalid(portcullis.CodeInvalidRequest, "malformed", "The message cannot be forwarded.")
	}
	u.verbose(ctx, cl.level)
	cl.answer, cl.failed = u.answered, u.failed
	return u.sh.child.submit(ctx, cl, func(id []byte) ([]byte, error) { return u.sh.renamed(raw, id, cl.x) })
}

// verbose lowers the server's log level to what a call wants, if it has one.
func (u *up) verbose(ctx context.Context, level int) {
	if level == 0 || get(u.init, "capabilities", "logging") == nil {
		return
	}
	u.mu.Lock()
	lower := u.level == 0 || level < u.level
	if lower {
		u.level = level
	}
	u.mu.Unlock()
	if lower {
		u.tell(ctx, "logging/setLevel", set("level", quote(levels[level-1])))
	}
}

// tell sends a request whose answer does not matter.
func (u *up) tell(ctx context.Context, method string, params ...change) {
	object, err := edit([]byte("{}"), params...)
	if err != nil {
		return
	}
	_, err = u.sh.child.asking(ctx, func(id []byte) ([]byte, error) { return rpc(id, method, object), nil })
	if err != nil {
		u.sh.p.host.log.Debug("telling the upstream", "method", method, "error", err)
	}
}

// discovered answers server/discover from what the server told at its
// handshake. Its tasks are of a form that this protocol version does not know.
func (u *up) discovered() []byte {
	capabilities, err := edit(get(u.init, "capabilities"), drop("tasks"))
	if err != nil {
		capabilities = []byte("{}")
	}
	changes := []change{
		set("resultType", quote("complete")),
		set("supportedVersions", []byte(`["2026-07-28","2025-11-25","2025-06-18","2025-03-26"]`)),
		set("capabilities", capabilities),
		set("instructions", get(u.init, "instructions")),
		set("ttlMs", []byte("0")),
		set("cacheScope", quote("private")),
	}
	if info := get(u.init, "serverInfo"); info != nil {
		meta, _ := edit([]byte("{}"), set(metaServer, info)) // of valid parts
		changes = append(changes, set("_meta", meta))
	}
	out, _ := edit([]byte("{}"), changes...) // of valid parts
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
func complete(method string, id []byte, m message) ([]byte, error) {
	if m.err != nil {
		changes := []change{set("id", id)}
		if code, _ := number(get(m.err, "code")); code == codeNoResource {
			e, err := edit(m.err, set("code", appendInt(portcullis.CodeInvalidParams)))
			if err != nil {
				return nil, err
			}
			changes = append(changes, set("error", e))
		}
		return edit(m.raw, changes...)
	}
	var add []change
	missing := func(name string, value []byte) {
		if get(m.result, name) == nil {
			add = append(add, set(name, value))
		}
	}
	missing("resultType", quote("complete"))
	if cacheable(method) {
		missing("ttlMs", []byte("0"))
		missing("cacheScope", quote("private"))
	}
	result, err := edit(m.result, add...)
	if err != nil {
		return nil, err
	}
	return edit(m.raw, set("id", id), set("result", result))
}

func (u *up) answered(cl *call, m message) {
	x := u.owner(cl, func(p *parked) { p.final = &m })
	if x == nil {
		return
	}
	raw, err := complete(cl.method, x.id, m)
	if err != nil {
		x.refuse(errUnavailable("reading the reply", err))
		return
	}
	x.finish(raw)
}

func (u *up) failed(cl *call, err *portcullis.Error) {
	if x := u.owner(cl, func(p *parked) { p.fail = err }); x != nil {
		x.refuse(err)
	}
}

// owner returns the exchange that waits for a call. If none does, the call is
// parked, and keep stores what came.
func (u *up) owner(cl *call, keep func(*parked)) *exchange {
	u.mu.Lock()
	defer u.mu.Unlock()
	x := cl.exchange()
	if p := u.asked[cl]; p != nil && x == nil {
		keep(p)
	}
	delete(u.asked, cl) // it will ask no more
	return x
}

// withdraw ends a call that nobody wants any more.
func (u *up) withdraw(cl *call, why string) {
	u.mu.Lock()
	delete(u.asked, cl)
	u.mu.Unlock()
	u.sh.child.cancel(cl, why)
}

// abandon ends a call whose client has closed its stream. One that is parked
// by then, or that another request has taken over, goes on.
func (u *up) abandon(cl *call, x *exchange) {
	if cl.exchange() == x {
		u.withdraw(cl, "client has gone")
	}
	x.shut()
}

// heard takes what the server says of itself.
func (u *up) heard(c *child, m message) {
	switch m.method {
	case "ping":
		if m.request() {
			c.post(rpcResult(m.id, []byte("{}")))
		}
	case "notifications/progress":
		u.sh.progress(c, m)
	case "notifications/message":
		u.sh.logged(c, m)
	case "notifications/cancelled":
		u.withdrawn(get(m.params, "requestId"))
	case "notifications/tools/list_changed", "notifications/prompts/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated":
		u.changed(m)
	default:
		if m.request() {
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
	return context.WithTimeout(u.sh.child.life, 10*time.Second)
}
