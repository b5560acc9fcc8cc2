package stateless

import (
	"context"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// listener is a subscription of a stateless client to a server that knows
// none: the server tells every change, the listener takes what it asked for.
type listener struct {
	x     *link.Exchange
	kinds map[string]bool // "tools", "prompts", "resources"
	uris  map[string]bool
}

// listen opens a subscription and returns what to do when its client leaves.
func (u *up) listen(ctx context.Context, x *link.Exchange, m *portcullis.Message) (func(error), error) {
	if !x.Accepts {
		return nil, link.ErrAccept()
	}
	want := wire.Get(m.Params, "notifications")
	uris := wire.Elements(wire.Get(want, "resourceSubscriptions"))
	if len(uris) > link.MaxWatched {
		return nil, link.ErrInvalid(portcullis.CodeInvalidParams, "too_many_subscriptions", "Too many resources in one subscription.")
	}
	l := &listener{x: x, kinds: make(map[string]bool), uris: make(map[string]bool)}
	var honoured []wire.Change
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if wire.IsTrue(wire.Get(want, kind+"ListChanged")) && wire.IsTrue(wire.Get(u.init, "capabilities", kind, "listChanged")) {
			l.kinds[kind] = true
			honoured = append(honoured, wire.Set(kind+"ListChanged", []byte("true")))
		}
	}
	list := []byte("[")
	for _, raw := range uris {
		uri := wire.Text(raw)
		if l.uris[uri] || !u.subscribe(ctx, uri) {
			continue
		}
		l.uris[uri] = true
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, raw...)
	}
	if len(l.uris) > 0 {
		honoured = append(honoured, wire.Set("resourceSubscriptions", append(list, ']')))
	}
	gone := func(error) { u.unlisten(l) }
	if !u.enroll(l) {
		gone(nil)
		return nil, link.ErrBusy("too_many_subscriptions", "too many subscriptions to one upstream", 0)
	}
	filter, _ := wire.Edit([]byte("{}"), honoured...)                         // of valid parts
	meta, _ := wire.Edit([]byte("{}"), wire.Set(link.MetaSubscription, x.ID)) // of valid parts
	params, _ := wire.Edit([]byte("{}"), wire.Set("_meta", meta), wire.Set("notifications", filter))
	x.Note(wire.NewRequest(nil, "notifications/subscriptions/acknowledged", params))
	return gone, nil
}

func (u *up) enroll(l *listener) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || len(u.listeners) >= u.sh.p.host.Cfg.MaxPending {
		return false
	}
	u.listeners[l] = struct{}{}
	return true
}

// unlisten ends a subscription whose client has gone.
func (u *up) unlisten(l *listener) {
	u.mu.Lock()
	delete(u.listeners, l)
	var idle []string
	for uri := range l.uris {
		if u.watched[uri]--; u.watched[uri] <= 0 {
			delete(u.watched, uri)
			idle = append(idle, uri)
		}
	}
	u.mu.Unlock()
	ctx, cancel := u.bounded()
	defer cancel()
	for _, uri := range idle {
		u.tell(ctx, "resources/unsubscribe", wire.Set("uri", wire.Quote(uri)))
	}
	l.x.Shut()
}

// subscribe watches a resource for one more listener. It reports false if the
// server will not.
func (u *up) subscribe(ctx context.Context, uri string) bool {
	if uri == "" || !wire.IsTrue(wire.Get(u.init, "capabilities", "resources", "subscribe")) {
		return false
	}
	u.mu.Lock()
	u.watched[uri]++
	first := u.watched[uri] == 1
	u.mu.Unlock()
	if !first {
		return true
	}
	params, _ := wire.Edit([]byte("{}"), wire.Set("uri", wire.Quote(uri))) // of valid parts
	m, err := u.sh.child.Ask(ctx, func(id []byte) ([]byte, error) {
		return wire.NewRequest(id, "resources/subscribe", params), nil
	})
	if err == nil && m.Err == nil {
		return true
	}
	u.mu.Lock()
	if u.watched[uri]--; u.watched[uri] <= 0 {
		delete(u.watched, uri)
	}
	u.mu.Unlock()
	return false
}

// changed tells the listeners that asked for it, each under its own id.
func (u *up) changed(m wire.Message) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(m.Method, "notifications/"), "/")
	uri := wire.Text(wire.Get(m.Params, "uri"))
	u.mu.Lock()
	var list []*listener
	for l := range u.listeners {
		if m.Method == "notifications/resources/updated" && l.uris[uri] ||
			m.Method != "notifications/resources/updated" && l.kinds[kind] {
			list = append(list, l)
		}
	}
	u.mu.Unlock()
	for _, l := range list {
		if raw, err := wire.EditAt(m.Raw, []string{"params", "_meta"}, wire.Set(link.MetaSubscription, l.x.ID)); err == nil {
			l.x.Note(raw)
		}
	}
}

// finish is the graceful end that the server grants a subscription.
func (l *listener) finish() {
	meta, _ := wire.Edit([]byte("{}"), wire.Set(link.MetaSubscription, l.x.ID)) // of valid parts
	result, _ := wire.Edit([]byte("{}"), wire.Set("resultType", wire.Quote("complete")), wire.Set("_meta", meta))
	l.x.Finish(wire.NewResult(l.x.ID, result))
}
