package bridge

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// maxRounds bounds how often one call is sent again with the user's input.
const maxRounds = 10

// maxWatched bounds the resources one client watches.
const maxWatched = 256

// down translates for a client with a session and a server without: what the
// client said once, at initialize, each request must carry, and what the
// server asks for in a result, the client expects as a request.
type down struct {
	s      *session
	client []byte // clientInfo, raw; nil if not told
	can    []byte // client capabilities, raw
	found  []byte // the server's answer to server/discover

	mu     sync.Mutex
	level  []byte // log level the client set, raw; nil = none
	uris   map[string]bool
	listen *call // the running subscription
}

func newDown(s *session, params, found []byte) *down {
	return &down{
		s: s, client: get(params, "clientInfo"), can: get(params, "capabilities"), found: found,
		uris: make(map[string]bool),
	}
}

// initializeResult answers initialize with what the server told of itself.
func (d *down) initializeResult(params []byte) []byte {
	version := get(params, "protocolVersion")
	if !slices.Contains([]string{"2024-11-05", "2025-03-26", "2025-06-18", latestSession}, text(version)) {
		version = quote(latestSession)
	}
	capabilities := get(d.found, "capabilities")
	if capabilities == nil {
		capabilities = []byte("{}")
	}
	info := get(d.found, "_meta", metaServer)
	if info == nil {
		info = []byte(`{"name":"upstream","version":"unknown"}`)
	}
	out, err := edit([]byte("{}"), set("protocolVersion", version), set("capabilities", capabilities),
		set("serverInfo", info), set("instructions", get(d.found, "instructions")))
	if err != nil {
		return []byte("{}")
	}
	return out
}

// request answers what a server without sessions does not know, and passes on
// the rest. An error means that nobody will answer.
func (d *down) request(ctx context.Context, cl *call, m *portcullis.Message, raw []byte) error {
	switch cl.method {
	case "ping":
		cl.x.finish(rpcResult(cl.x.id, []byte("{}")))
	case "logging/setLevel":
		d.setLevel(cl.x, m)
	case "resources/subscribe", "resources/unsubscribe":
		d.watch(cl.x, m)
	default:
		return d.forward(ctx, cl, raw)
	}
	return nil
}

func (d *down) forward(ctx context.Context, cl *call, raw []byte) error {
	d.mu.Lock()
	level := d.level
	d.mu.Unlock()
	full, err := editAt(raw, []string{"params", "_meta"}, d.s.r.host.meta(d.client, d.can, level)...)
	if err != nil {
		return errInvalid(portcullis.CodeInvalidRequest, "malformed", "The message cannot be forwarded.")
	}
	cl.answer = d.answered
	return d.s.child.submit(ctx, cl, func(id []byte) ([]byte, error) { return edit(full, set("id", id)) })
}

func (d *down) setLevel(x *exchange, m *portcullis.Message) {
	level := get(m.Params, "level")
	switch {
	case get(d.found, "capabilities", "logging") == nil:
		x.finish(rpcError(x.id, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	case severity(level) == 0:
		x.finish(rpcError(x.id, portcullis.CodeInvalidParams, "Unknown log level", ""))
		return
	}
	d.mu.Lock()
	d.level = level
	d.mu.Unlock()
	x.finish(rpcResult(x.id, []byte("{}")))
}

func (d *down) watch(x *exchange, m *portcullis.Message) {
	uri := text(get(m.Params, "uri"))
	switch {
	case !isTrue(get(d.found, "capabilities", "resources", "subscribe")):
		x.finish(rpcError(x.id, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	case uri == "":
		x.finish(rpcError(x.id, portcullis.CodeInvalidParams, "Missing resource URI", ""))
		return
	}
	d.mu.Lock()
	full := m.Method == "resources/subscribe" && len(d.uris) >= maxWatched
	switch {
	case full:
	case m.Method == "resources/subscribe":
		d.uris[uri] = true
	default:
		delete(d.uris, uri)
	}
	d.mu.Unlock()
	if full {
		x.finish(rpcError(x.id, portcullis.CodeRefused, "Too many subscriptions", "too_many_subscriptions"))
		return
	}
	d.subscribe()
	x.finish(rpcResult(x.id, []byte("{}")))
}

// notification takes what the client says; a server without sessions wants to
// hear none of it.
func (d *down) notification(m *portcullis.Message) {
	if m.Method == "notifications/initialized" {
		d.subscribe()
	}
}

// subscribe opens the subscription that the client implicitly has: to changes
// of lists, as the server offers them, and to the resources it watches.
func (d *down) subscribe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var want []change
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if isTrue(get(d.found, "capabilities", kind, "listChanged")) {
			want = append(want, set(kind+"ListChanged", []byte("true")))
		}
	}
	if len(d.uris) > 0 {
		list := []byte("[")
		for uri := range d.uris {
			if len(list) > 1 {
				list = append(list, ',')
			}
			list = append(list, quote(uri)...)
		}
		want = append(want, set("resourceSubscriptions", append(list, ']')))
	}
	if d.listen != nil {
		d.s.child.cancel(d.listen, "replaced")
		d.listen = nil
	}
	if len(want) == 0 {
		return
	}
	filter, err := edit([]byte("{}"), want...)
	if err != nil {
		return
	}
	params, err := editAt([]byte("{}"), []string{"_meta"}, d.s.r.host.meta(d.client, d.can, nil)...)
	if err == nil {
		params, err = edit(params, set("notifications", filter))
	}
	if err != nil {
		return
	}
	cl := &call{
		method: "subscriptions/listen", forever: true,
		answer: func(*call, message) {}, failed: func(*call, *portcullis.Error) {},
	}
	ctx, cancel := context.WithTimeout(d.s.child.life, d.s.r.host.cfg.ProbeTimeout)
	defer cancel()
	if d.s.child.submit(ctx, cl, func(id []byte) ([]byte, error) { return rpc(id, cl.method, params), nil }) == nil {
		d.listen = cl
	}
}

// heard takes what the server says of itself.
func (d *down) heard(c *child, m message) {
	switch {
	case m.request():
		c.post(rpcError(m.id, portcullis.CodeMethodNotFound, "Method not found", ""))
	case m.method == "notifications/cancelled", m.method == "notifications/subscriptions/acknowledged":
	default:
		raw := m.raw
		if get(m.params, "_meta", metaSubscription) != nil {
			var err error
			if raw, err = editAt(raw, []string{"params", "_meta"}, drop(metaSubscription)); err != nil {
				return
			}
		}
		d.s.deliver(raw, d.s.route(c, m), nil)
	}
}

// answered passes on a result, or the questions in it.
func (d *down) answered(cl *call, m message) {
	if m.err != nil {
		d.s.answered(cl, m)
		return
	}
	if text(get(m.result, "resultType")) == "input_required" {
		d.question(cl, m.result)
		return
	}
	result, err := edit(m.result, drop("resultType"))
	if err != nil {
		cl.x.refuse(errUnavailable("reading the reply", err))
		return
	}
	raw, err := edit(m.raw, set("id", cl.x.id), set("result", result))
	if err != nil {
		cl.x.refuse(errUnavailable("reading the reply", err))
		return
	}
	cl.x.finish(raw)
}

// round is one set of questions to the client.
type round struct {
	d      *down
	cl     *call
	state  []byte // requestState, raw; nil without one
	timer  *time.Timer
	mu     sync.Mutex
	open   int
	given  []change // answers by name
	denied bool
}

// question turns the input that a result asks for into requests to the client.
func (d *down) question(cl *call, result []byte) {
	list, err := fields(get(result, "inputRequests"))
	if err != nil || len(list) == 0 { // nothing to ask: the server wants time
		cl.x.refuse(errBusy("upstream_busy", "upstream asks to be called again", time.Second))
		return
	}
	if cl.rounds++; cl.rounds > maxRounds || len(list) > d.s.r.host.cfg.MaxPending {
		cl.x.refuse(errUnavailable("upstream asks for input too often", nil))
		return
	}
	r := &round{d: d, cl: cl, state: get(result, "requestState"), open: len(list)}
	r.timer = time.AfterFunc(d.s.r.host.cfg.InputTimeout, func() { cl.x.refuse(errTimeout("client did not give the input in time")) })
	object := get(result, "inputRequests")
	for _, f := range list {
		ask := object[f.start:f.end]
		method := text(get(ask, "method"))
		if _, ok := need(message{method: method}); !ok && method != "roots/list" {
			r.timer.Stop()
			cl.x.refuse(errUnavailable("upstream asks for input of an unknown kind", nil))
			return
		}
		name, id := f.name, quote("portcullis-"+token())
		d.s.mu.Lock()
		d.s.asked[idKey(id)] = asked{id: id, x: cl.x, resolve: func(m message) { r.answer(name, m) }}
		d.s.mu.Unlock()
		x := cl.x
		if !x.reachable() {
			x = nil
		}
		d.s.deliver(rpc(id, method, get(ask, "params")), x, id)
	}
}

// answer takes one answer of the client; the last one sends the call again.
func (r *round) answer(name string, m message) {
	r.mu.Lock()
	r.open--
	r.denied = r.denied || m.result == nil
	r.given = append(r.given, set(name, m.result))
	last := r.open == 0
	r.mu.Unlock()
	if !last {
		return
	}
	r.timer.Stop()
	if r.denied {
		r.cl.x.finish(rpcError(r.cl.x.id, portcullis.CodeRefused, "The client did not give the input.", "input_refused"))
		return
	}
	responses, err := edit([]byte("{}"), r.given...)
	raw := r.cl.raw
	if err == nil {
		raw, err = editAt(raw, []string{"params"}, set("inputResponses", responses), set("requestState", r.state))
	}
	if err == nil {
		err = r.d.s.child.submit(r.d.s.child.life, r.cl, func(id []byte) ([]byte, error) { return edit(raw, set("id", id)) })
	}
	if err != nil {
		r.cl.x.refuse(asError(err))
	}
}

// levels of log messages, least severe first.
var levels = [...]string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// severity returns the rank of a raw log level, 0 if it is none.
func severity(raw []byte) int {
	return slices.Index(levels[:], text(raw)) + 1
}
