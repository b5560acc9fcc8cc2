package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// sharedKey says who shares a server. A server that takes the client's
// capabilities with each request is shared by all clients of the principal;
// one that learns them in its handshake, by those that can do the same.
type sharedKey struct {
	principal string
	can       abilities
}

// shared is a server of the stateless clients of one principal.
type shared struct {
	b     *Bridge
	key   sharedKey
	ready chan struct{} // closed when started, or when that failed
	err   error         // read after ready
	child *child
	lease *lease
	up    *up // translates for a server with a handshake; else nil
}

// forwardStateless serves one request of a client of 2026-07-28 or later.
func (b *Bridge) forwardStateless(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	switch m.Shape {
	case portcullis.ShapeRequest:
	case portcullis.ShapeNotification:
		// A client of this era ends a call by closing its stream. A
		// notification names a call by an id that other clients of the
		// principal may use too, so nothing is done with it.
		return emptyReply(http.StatusAccepted), nil
	case portcullis.ShapeResult, portcullis.ShapeError:
		return nil, errInvalid(portcullis.CodeInvalidRequest, "unknown_response", "No request with this id is open.")
	default:
		return nil, errMethod(http.MethodPost)
	}
	sh, err := b.attach(ctx, pc.Principal.ID, abilitiesOf(get(m.Params, "_meta", metaCapabilities)))
	if err != nil {
		return nil, err
	}
	x := newExchange(pc, get(m.Params, "_meta", "progressToken"), true, b.cfg.QueueBytes, sh.lease.release)
	cl := &call{
		method: m.Method, x: x, answer: sh.answered, failed: refuse,
		forever: m.Method == "subscriptions/listen",
		level:   severity(get(m.Params, "_meta", metaLogLevel)),
	}
	if sh.up != nil {
		return sh.up.request(ctx, cl, m)
	}
	if cl.forever && !x.accepts {
		x.shut()
		return nil, errAccept()
	}
	raw := oneLine(m.Raw)
	err = sh.child.submit(ctx, cl, func(id []byte) ([]byte, error) { return sh.renamed(raw, id, x) })
	if err != nil {
		x.refuse(asError(err))
		return nil, err
	}
	return x.wait(ctx, b.cfg.KeepAlive, func(error) { sh.abandon(cl, x) })
}

// renamed is a request under the child's id, which is its progress token too:
// two clients may have chosen the same ones.
func (sh *shared) renamed(raw, id []byte, x *exchange) ([]byte, error) {
	if x.token != nil {
		var err error
		if raw, err = editAt(raw, []string{"params", "_meta"}, change{"progressToken", id}); err != nil {
			return nil, err
		}
	}
	return edit(raw, change{"id", id})
}

// abandon ends a call whose client has closed its stream, which cancels it.
func (sh *shared) abandon(cl *call, x *exchange) {
	sh.child.cancel(cl, "client has gone")
	x.shut()
}

// attach returns a running server of the principal, held for one call.
func (b *Bridge) attach(ctx context.Context, principal string, can abilities) (*shared, error) {
	for {
		sh, err := b.enter(sharedKey{principal, can})
		if err != nil {
			return nil, err
		}
		select {
		case <-sh.ready:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, errTimeout("upstream did not start in time")
			}
			return nil, ctx.Err()
		}
		if sh.err != nil {
			return nil, sh.err
		}
		if sh.lease.hold() {
			return sh, nil
		}
	}
}

// enter finds or begins a shared server.
func (b *Bridge) enter(key sharedKey) (*shared, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.modern {
		key.can = 0
	}
	if sh := b.shared[key]; sh != nil {
		return sh, nil
	}
	if b.closed {
		return nil, errBusy("shutting_down", "bridge is closing", time.Second)
	}
	sh := &shared{b: b, key: key, ready: make(chan struct{})}
	sh.lease = newLease(b.cfg.IdleTimeout, sh.close)
	b.shared[key] = sh
	b.running.Add(1)
	go func() {
		defer b.running.Done()
		sh.start()
	}()
	return sh, nil
}

// start runs for all who wait, so no caller's context bounds it. A server that
// does not survive the question what it speaks is started once more and not
// asked.
func (sh *shared) start() {
	sh.lease.hold()
	ctx, cancel := context.WithTimeout(context.Background(), sh.b.cfg.StartTimeout)
	defer cancel()
	err := sh.try(ctx, true)
	if err != nil && sh.child != nil && sh.child.life.Err() != nil && ctx.Err() == nil && !sh.b.isClosed() {
		err = sh.try(ctx, false)
	}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			sh.b.breaker.failed("", time.Now())
		}
		sh.err = asError(err)
		sh.close()
		close(sh.ready)
		return
	}
	sh.child.ready.Store(true)
	sh.b.breaker.worked("")
	close(sh.ready)
	sh.lease.release()
	if sh.child.life.Err() != nil {
		sh.close()
	}
}

func (b *Bridge) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (sh *shared) try(ctx context.Context, ask bool) error {
	sh.child = nil
	c, err := sh.b.spawn(ctx, sh.key.principal, func(c *child) {
		c.heard = sh.heard
		c.died = func() { sh.ended(c) }
	})
	if err != nil {
		return err
	}
	sh.child = c
	found, err := sh.b.probe(ctx, c, sh.key.can, ask)
	if err != nil {
		c.stop()
		return err
	}
	if found.stateless {
		sh.b.settleStateless(sh)
		return nil
	}
	sh.up = newUp(sh, found.result)
	return nil
}

// settleStateless remembers that the server takes capabilities with each
// request, so that one serves all clients of the principal.
func (b *Bridge) settleStateless(sh *shared) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.modern = true
	plain := sharedKey{principal: sh.key.principal}
	if b.shared[sh.key] == sh && b.shared[plain] == nil {
		delete(b.shared, sh.key)
		sh.key = plain
		b.shared[plain] = sh
	}
}

// ended is told that a server has died or was ended. While it is starting,
// start does the rest.
func (sh *shared) ended(*child) {
	select {
	case <-sh.ready:
		sh.close()
	default:
	}
}

// close forgets the server and ends it.
func (sh *shared) close() {
	sh.b.mu.Lock()
	if sh.b.shared[sh.key] == sh {
		delete(sh.b.shared, sh.key)
	}
	sh.b.mu.Unlock()
	sh.lease.end()
	select {
	case <-sh.ready:
	default:
		return // start ends what it has begun
	}
	if sh.up != nil {
		sh.up.end()
	}
	if sh.child != nil {
		sh.child.stop()
	}
}

// answered passes on a reply under the client's id.
func (sh *shared) answered(cl *call, m message) {
	raw, err := edit(m.raw, change{"id", cl.x.id})
	if err == nil && get(m.result, "_meta", metaSubscription) != nil {
		raw, err = editAt(raw, []string{"result", "_meta"}, change{metaSubscription, cl.x.id})
	}
	if err != nil {
		cl.x.refuse(errUnavailable("reading the reply", err))
		return
	}
	cl.x.finish(raw)
}

// heard takes what the server says of itself.
func (sh *shared) heard(c *child, m message) {
	select {
	case <-sh.ready:
	default: // nobody is there yet to hear it
		if m.request() {
			c.post(rpcError(m.id, portcullis.CodeMethodNotFound, "Method not found", ""))
		}
		return
	}
	if sh.up != nil {
		sh.up.heard(c, m)
		return
	}
	if m.request() { // a stateless server asks in results only
		c.post(rpcError(m.id, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	}
	switch m.method {
	case "notifications/cancelled":
		if cl := c.find(get(m.params, "requestId")); cl != nil && cl.forever && c.take(cl.id) != nil {
			cl.x.shut()
		}
	case "notifications/progress":
		sh.progress(c, m)
	case "notifications/message":
		sh.logged(c, m)
	default:
		sh.subscribed(c, m)
	}
}

// progress goes to the call whose id is the token.
func (sh *shared) progress(c *child, m message) {
	cl := c.find(get(m.params, "progressToken"))
	if cl == nil {
		return
	}
	x := cl.exchange()
	if x == nil || x.token == nil {
		return
	}
	if raw, err := editAt(m.raw, []string{"params"}, change{"progressToken", x.token}); err == nil {
		x.note(raw)
	}
}

// logged goes to the newest call that asked for messages of this severity: a
// log message does not name its call.
func (sh *shared) logged(c *child, m message) {
	rank := severity(get(m.params, "level"))
	list := c.pending(func(cl *call) bool { return cl.level > 0 && rank >= cl.level })
	for _, cl := range list {
		if x := cl.exchange(); x != nil && x.note(m.raw) {
			return
		}
	}
}

// subscribed goes to the subscription it names.
func (sh *shared) subscribed(c *child, m message) {
	cl := c.find(get(m.params, "_meta", metaSubscription))
	if cl == nil {
		return
	}
	if raw, err := editAt(m.raw, []string{"params", "_meta"}, change{metaSubscription, cl.x.id}); err == nil {
		cl.x.note(raw)
	}
}
