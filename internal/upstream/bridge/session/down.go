package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// maxRounds bounds how often one call is sent again with the user's input.
const maxRounds = 10

// down translates for a client with a session and a server without: what the
// client said once, at initialize, each request must carry, and what the
// server asks for in a result, the client expects as a request.
type down struct {
	s      *session
	client []byte // clientInfo, raw; nil if not told
	can    []byte // client capabilities, raw
	found  []byte // the server's answer to server/discover

	mu    sync.Mutex
	level []byte                // log level the client set, raw; nil = none
	uris  map[string]*link.Call // a subscription for each watched resource
	lists bool                  // changes of lists are subscribed to
}

func newDown(s *session, params, found []byte) *down {
	return &down{
		s: s, client: wire.Get(params, "clientInfo"), can: wire.Get(params, "capabilities"), found: found,
		uris: make(map[string]*link.Call),
	}
}

// initializeResult answers initialize with what the server told of itself.
func (d *down) initializeResult(params []byte) []byte {
	version := wire.Get(params, "protocolVersion")
	if !slices.Contains([]string{"2024-11-05", "2025-03-26", "2025-06-18", link.LatestSession}, wire.Text(version)) {
		version = wire.Quote(link.LatestSession)
	}
	capabilities := wire.Get(d.found, "capabilities")
	if capabilities == nil {
		capabilities = []byte("{}")
	}
	info := wire.Get(d.found, "_meta", link.MetaServer)
	if info == nil {
		info = []byte(`{"name":"upstream","version":"unknown"}`)
	}
	out, err := wire.Edit([]byte("{}"), wire.Set("protocolVersion", version), wire.Set("capabilities", capabilities),
		wire.Set("serverInfo", info), wire.Set("instructions", wire.Get(d.found, "instructions")))
	if err != nil {
		return []byte("{}")
	}
	return out
}

// request answers what a server without sessions does not know, and passes on
// the rest. An error means that nobody will answer.
func (d *down) request(ctx context.Context, cl *link.Call, m *portcullis.Message, raw []byte) error {
	switch cl.Method {
	case "ping":
		cl.X.Finish(wire.NewResult(cl.X.ID, []byte("{}")))
	case "logging/setLevel":
		d.setLevel(cl.X, m)
	case "resources/subscribe", "resources/unsubscribe":
		d.watch(cl.X, m)
	default:
		return d.forward(ctx, cl, raw)
	}
	return nil
}

func (d *down) forward(ctx context.Context, cl *link.Call, raw []byte) error {
	d.mu.Lock()
	level := d.level
	d.mu.Unlock()
	full, err := wire.EditAt(raw, []string{"params", "_meta"}, d.s.r.host.Meta(d.client, d.can, level)...)
	if err != nil {
		return link.ErrInvalid(portcullis.CodeInvalidRequest, "malformed", "The message cannot be forwarded.")
	}
	cl.Answer = d.answered
	return d.s.child.Submit(ctx, cl, func(id []byte) ([]byte, error) { return wire.Edit(full, wire.Set("id", id)) })
}

func (d *down) setLevel(x *link.Exchange, m *portcullis.Message) {
	level := wire.Get(m.Params, "level")
	switch {
	case wire.Get(d.found, "capabilities", "logging") == nil:
		x.Finish(wire.NewError(x.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	case link.Severity(level) == 0:
		x.Finish(wire.NewError(x.ID, portcullis.CodeInvalidParams, "Unknown log level", ""))
		return
	}
	d.mu.Lock()
	d.level = level
	d.mu.Unlock()
	x.Finish(wire.NewResult(x.ID, []byte("{}")))
}

func (d *down) watch(x *link.Exchange, m *portcullis.Message) {
	uri := wire.Text(wire.Get(m.Params, "uri"))
	switch {
	case !wire.IsTrue(wire.Get(d.found, "capabilities", "resources", "subscribe")):
		x.Finish(wire.NewError(x.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	case uri == "":
		x.Finish(wire.NewError(x.ID, portcullis.CodeInvalidParams, "Missing resource URI", ""))
		return
	}
	if m.Method == "resources/unsubscribe" {
		d.mu.Lock()
		cl := d.uris[uri]
		delete(d.uris, uri)
		d.mu.Unlock()
		if cl != nil {
			d.s.child.Cancel(cl, "unsubscribed")
			cl.X.Finish(wire.NewResult(cl.X.ID, []byte("{}"))) // if it was not acknowledged yet
		}
		x.Finish(wire.NewResult(x.ID, []byte("{}")))
		return
	}
	cl := &link.Call{X: x, Answer: d.unwatched(uri), Failed: link.Refuse}
	d.mu.Lock()
	known, full := d.uris[uri] != nil, len(d.uris) >= min(link.MaxWatched, d.s.r.host.Cfg.MaxPending/2)
	if !known && !full {
		d.uris[uri] = cl
	}
	d.mu.Unlock()
	switch {
	case known:
		x.Finish(wire.NewResult(x.ID, []byte("{}")))
	case full:
		x.Finish(wire.NewError(x.ID, portcullis.CodeRefused, "Too many subscriptions", "too_many_subscriptions"))
	default: // the server's acknowledgement answers the client
		time.AfterFunc(d.s.r.host.Cfg.StartTimeout, func() { x.Refuse(link.ErrTimeout("upstream did not acknowledge a subscription")) })
		list := append(append([]byte("["), wire.Quote(uri)...), ']')
		if err := d.listen(cl, wire.Set("resourceSubscriptions", list)); err != nil {
			d.forget(uri)
			x.Refuse(link.AsError(err))
		}
	}
}

// unwatched is told that the server has ended a subscription, or refused it.
func (d *down) unwatched(uri string) func(*link.Call, wire.Message) {
	return func(cl *link.Call, m wire.Message) {
		d.forget(uri)
		if m.Err != nil {
			d.s.answered(cl, m)
			return
		}
		cl.X.Finish(wire.NewResult(cl.X.ID, []byte("{}")))
	}
}

func (d *down) forget(uri string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.uris, uri)
}

// acknowledged answers the client's resources/subscribe.
func (d *down) acknowledged(c *link.Child, m wire.Message) {
	cl := c.Find(wire.Get(m.Params, "_meta", link.MetaSubscription))
	switch {
	case cl == nil || cl.X == nil: // changes of lists
	case len(wire.Elements(wire.Get(m.Params, "notifications", "resourceSubscriptions"))) == 0:
		cl.X.Finish(wire.NewError(cl.X.ID, portcullis.CodeInvalidParams, "The resource cannot be watched", ""))
	default:
		cl.X.Finish(wire.NewResult(cl.X.ID, []byte("{}")))
	}
}

// notification takes what the client says; a server without sessions wants to
// hear none of it. A client that is ready has implicitly subscribed to changes
// of the lists that the server offers.
func (d *down) notification(m *portcullis.Message) {
	if m.Method != "notifications/initialized" {
		return
	}
	var want []wire.Change
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if wire.IsTrue(wire.Get(d.found, "capabilities", kind, "listChanged")) {
			want = append(want, wire.Set(kind+"ListChanged", []byte("true")))
		}
	}
	d.mu.Lock()
	first := !d.lists
	d.lists = true
	d.mu.Unlock()
	if !first || len(want) == 0 {
		return
	}
	cl := &link.Call{Answer: func(*link.Call, wire.Message) {}, Failed: func(*link.Call, *portcullis.Error) {}}
	if err := d.listen(cl, want...); err != nil {
		d.s.r.host.Log.Warn("subscribing to changes of the upstream", "error", err)
	}
}

// listen opens a subscription. Each resource has its own, for a server may
// keep one per kind of change and forget the new one with the old.
func (d *down) listen(cl *link.Call, want ...wire.Change) error {
	filter, err := wire.Edit([]byte("{}"), want...)
	if err != nil {
		return err
	}
	params, err := wire.EditAt([]byte("{}"), []string{"_meta"}, d.s.r.host.Meta(d.client, d.can, nil)...)
	if err == nil {
		params, err = wire.Edit(params, wire.Set("notifications", filter))
	}
	if err != nil {
		return err
	}
	cl.Method, cl.Forever = "subscriptions/listen", true
	ctx, cancel := context.WithTimeout(d.s.child.Life, d.s.r.host.Cfg.ProbeTimeout)
	defer cancel()
	return d.s.child.Submit(ctx, cl, func(id []byte) ([]byte, error) { return wire.NewRequest(id, cl.Method, params), nil })
}

// heard takes what the server says of itself.
func (d *down) heard(c *link.Child, m wire.Message) {
	switch {
	case m.Request():
		c.Post(wire.NewError(m.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
	case m.Method == "notifications/subscriptions/acknowledged":
		d.acknowledged(c, m)
	case m.Method == "notifications/cancelled":
	default:
		raw := m.Raw
		if wire.Get(m.Params, "_meta", link.MetaSubscription) != nil {
			var err error
			if raw, err = wire.EditAt(raw, []string{"params", "_meta"}, wire.Drop(link.MetaSubscription)); err != nil {
				return
			}
		}
		d.s.deliver(raw, d.s.route(c, m), nil)
	}
}

// answered passes on a result, or the questions in it.
func (d *down) answered(cl *link.Call, m wire.Message) {
	if m.Err != nil {
		d.s.answered(cl, m)
		return
	}
	if wire.Text(wire.Get(m.Result, "resultType")) == "input_required" {
		d.question(cl, m.Result)
		return
	}
	result, err := wire.Edit(m.Result, wire.Drop("resultType"))
	if err != nil {
		cl.X.Refuse(link.ErrUnavailable("reading the reply", err))
		return
	}
	raw, err := wire.Edit(m.Raw, wire.Set("id", cl.X.ID), wire.Set("result", result))
	if err != nil {
		cl.X.Refuse(link.ErrUnavailable("reading the reply", err))
		return
	}
	cl.X.Finish(raw)
}

// round is one set of questions to the client.
type round struct {
	d      *down
	cl     *link.Call
	state  []byte // requestState, raw; nil without one
	timer  *time.Timer
	mu     sync.Mutex
	open   int
	given  []wire.Change // answers by name
	denied bool
}

// question turns the input that a result asks for into requests to the client.
func (d *down) question(cl *link.Call, result []byte) {
	list, err := wire.Fields(wire.Get(result, "inputRequests"))
	if err != nil || len(list) == 0 { // nothing to ask: the server wants time
		cl.X.Refuse(link.ErrBusy("upstream_busy", "upstream asks to be called again", time.Second))
		return
	}
	if cl.Rounds++; cl.Rounds > maxRounds || len(list) > d.s.r.host.Cfg.MaxPending {
		cl.X.Refuse(link.ErrUnavailable("upstream asks for input too often", nil))
		return
	}
	r := &round{d: d, cl: cl, state: wire.Get(result, "requestState"), open: len(list)}
	r.timer = time.AfterFunc(d.s.r.host.Cfg.InputTimeout, func() { cl.X.Refuse(link.ErrTimeout("client did not give the input in time")) })
	object := wire.Get(result, "inputRequests")
	for _, f := range list {
		ask := object[f.Start:f.End]
		method := wire.Text(wire.Get(ask, "method"))
		if _, ok := link.Need(wire.Message{Method: method}); !ok && method != "roots/list" {
			r.timer.Stop()
			cl.X.Refuse(link.ErrUnavailable("upstream asks for input of an unknown kind", nil))
			return
		}
		name, id := f.Name, wire.Quote("portcullis-"+link.Token())
		d.s.mu.Lock()
		d.s.asked[wire.IDKey(id)] = asked{id: id, x: cl.X, resolve: func(m wire.Message) { r.answer(name, m) }}
		d.s.mu.Unlock()
		x := cl.X
		if !x.Reachable() {
			x = nil
		}
		d.s.deliver(wire.NewRequest(id, method, wire.Get(ask, "params")), x, id)
	}
}

// answer takes one answer of the client; the last one sends the call again.
func (r *round) answer(name string, m wire.Message) {
	r.mu.Lock()
	r.open--
	r.denied = r.denied || m.Result == nil
	r.given = append(r.given, wire.Set(name, m.Result))
	last := r.open == 0
	r.mu.Unlock()
	if !last {
		return
	}
	r.timer.Stop()
	if r.denied {
		r.cl.X.Finish(wire.NewError(r.cl.X.ID, portcullis.CodeRefused, "The client did not give the input.", "input_refused"))
		return
	}
	responses, err := wire.Edit([]byte("{}"), r.given...)
	raw := r.cl.Raw
	if err == nil {
		raw, err = wire.EditAt(raw, []string{"params"}, wire.Set("inputResponses", responses), wire.Set("requestState", r.state))
	}
	if err == nil {
		err = r.d.s.child.Submit(r.d.s.child.Life, r.cl, func(id []byte) ([]byte, error) { return wire.Edit(raw, wire.Set("id", id)) })
	}
	if err != nil {
		r.cl.X.Refuse(link.AsError(err))
	}
}
