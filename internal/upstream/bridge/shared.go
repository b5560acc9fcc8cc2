package bridge

import (
	"context"
	"errors"
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
	p     *pool
	key   sharedKey
	ready chan struct{} // closed when started, or when that failed
	err   error         // read after ready
	child *child
	lease *lease
	up    *up // translates for a server with a handshake; else nil
}

// renamed is a request under the child's id, which is its progress token too:
// two clients may have chosen the same ones.
func (sh *shared) renamed(raw, id []byte, x *exchange) ([]byte, error) {
	if x.token != nil {
		var err error
		if raw, err = editAt(raw, []string{"params", "_meta"}, set("progressToken", id)); err != nil {
			return nil, err
		}
	}
	return edit(raw, set("id", id))
}

// abandon ends a call whose client has closed its stream, which cancels it.
func (sh *shared) abandon(cl *call, x *exchange) {
	sh.child.cancel(cl, "client has gone")
	x.shut()
}

// start runs for all who wait, so no caller's context bounds it. A server that
// does not survive the question what it speaks is started once more and not
// asked.
func (sh *shared) start() {
	sh.lease.hold()
	ctx, cancel := context.WithTimeout(context.Background(), sh.p.host.cfg.StartTimeout)
	defer cancel()
	err := sh.try(ctx, true)
	if err != nil && sh.child != nil && sh.child.life.Err() != nil && ctx.Err() == nil && !sh.p.host.refusing() {
		err = sh.try(ctx, false)
	}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			sh.p.host.breaker.failed("", time.Now())
		}
		sh.err = asError(err)
		sh.close()
		close(sh.ready)
		return
	}
	sh.p.host.works(sh.child, sh.up == nil)
	close(sh.ready)
	sh.lease.release()
	if sh.child.life.Err() != nil {
		sh.close()
	}
}

func (sh *shared) try(ctx context.Context, ask bool) error {
	sh.child = nil
	c, err := sh.p.host.spawn(ctx, sh.key.principal, func(c *child) {
		c.heard = sh.heard
		c.died = func() { sh.ended(c) }
	})
	if err != nil {
		return err
	}
	sh.child = c
	found, err := sh.p.host.probe(ctx, c, sh.key.can, ask)
	if err != nil {
		c.stop()
		return err
	}
	if found.stateless {
		sh.p.rekey(sh)
		return nil
	}
	sh.up = newUp(sh, found.result)
	return nil
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
	sh.p.mu.Lock()
	if sh.p.open[sh.key] == sh {
		delete(sh.p.open, sh.key)
	}
	sh.p.mu.Unlock()
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
	raw, err := edit(m.raw, set("id", cl.x.id))
	if err == nil && get(m.result, "_meta", metaSubscription) != nil {
		raw, err = editAt(raw, []string{"result", "_meta"}, set(metaSubscription, cl.x.id))
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
	if raw, err := editAt(m.raw, []string{"params"}, set("progressToken", x.token)); err == nil {
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
	if raw, err := editAt(m.raw, []string{"params", "_meta"}, set(metaSubscription, cl.x.id)); err == nil {
		cl.x.note(raw)
	}
}
