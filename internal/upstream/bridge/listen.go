package bridge

import (
	"context"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// listener is a subscription of a stateless client to a server that knows
// none: the server tells every change, the listener takes what it asked for.
type listener struct {
	x     *exchange
	kinds map[string]bool // "tools", "prompts", "resources"
	uris  map[string]bool
}

// listen opens a subscription and returns what to do when its client leaves.
func (u *up) listen(ctx context.Context, x *exchange, m *portcullis.Message) (func(error), error) {
	if !x.accepts {
		return nil, errAccept()
	}
	want := get(m.Params, "notifications")
	uris := elements(get(want, "resourceSubscriptions"))
	if len(uris) > maxWatched {
		return nil, errInvalid(portcullis.CodeInvalidParams, "too_many_subscriptions", "Too many resources in one subscription.")
	}
	l := &listener{x: x, kinds: make(map[string]bool), uris: make(map[string]bool)}
	var honoured []change
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if isTrue(get(want, kind+"ListChanged")) && isTrue(get(u.init, "capabilities", kind, "listChanged")) {
			l.kinds[kind] = true
			honoured = append(honoured, set(kind+"ListChanged", []byte("true")))
		}
	}
	list := []byte("[")
	for _, raw := range uris {
		uri := text(raw)
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
		honoured = append(honoured, set("resourceSubscriptions", append(list, ']')))
	}
	gone := func(error) { u.unlisten(l) }
	if !u.enroll(l) {
		gone(nil)
		return nil, errBusy("too_many_subscriptions", "too many subscriptions to one upstream", 0)
	}
	filter, _ := edit([]byte("{}"), honoured...)               // of valid parts
	meta, _ := edit([]byte("{}"), set(metaSubscription, x.id)) // of valid parts
	params, _ := edit([]byte("{}"), set("_meta", meta), set("notifications", filter))
	x.note(rpc(nil, "notifications/subscriptions/acknowledged", params))
	return gone, nil
}

func (u *up) enroll(l *listener) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || len(u.listeners) >= u.sh.p.host.cfg.MaxPending {
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
		u.tell(ctx, "resources/unsubscribe", set("uri", quote(uri)))
	}
	l.x.shut()
}

// subscribe watches a resource for one more listener. It reports false if the
// server will not.
func (u *up) subscribe(ctx context.Context, uri string) bool {
	if uri == "" || !isTrue(get(u.init, "capabilities", "resources", "subscribe")) {
		return false
	}
	u.mu.Lock()
	u.watched[uri]++
	first := u.watched[uri] == 1
	u.mu.Unlock()
	if !first {
		return true
	}
	params, _ := edit([]byte("{}"), set("uri", quote(uri))) // of valid parts
	m, err := u.sh.child.ask(ctx, func(id []byte) ([]byte, error) {
		return rpc(id, "resources/subscribe", params), nil
	})
	if err == nil && m.err == nil {
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
func (u *up) changed(m message) {
	kind, _, _ := strings.Cut(strings.TrimPrefix(m.method, "notifications/"), "/")
	uri := text(get(m.params, "uri"))
	u.mu.Lock()
	var list []*listener
	for l := range u.listeners {
		if m.method == "notifications/resources/updated" && l.uris[uri] ||
			m.method != "notifications/resources/updated" && l.kinds[kind] {
			list = append(list, l)
		}
	}
	u.mu.Unlock()
	for _, l := range list {
		if raw, err := editAt(m.raw, []string{"params", "_meta"}, set(metaSubscription, l.x.id)); err == nil {
			l.x.note(raw)
		}
	}
}

// finish is the graceful end that the server grants a subscription.
func (l *listener) finish() {
	meta, _ := edit([]byte("{}"), set(metaSubscription, l.x.id)) // of valid parts
	result, _ := edit([]byte("{}"), set("resultType", quote("complete")), set("_meta", meta))
	l.x.finish(rpcResult(l.x.id, result))
}
