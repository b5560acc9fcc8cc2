package stateless

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// sharedKey says who shares a server. A server that takes the client's
// capabilities with each request is shared by all clients of the principal;
// one that learns them in its handshake, by those that can do the same.
type sharedKey struct {
	principal string
	can       link.Abilities
}

// shared is a server of the stateless clients of one principal.
type shared struct {
	p     *Pool
	key   sharedKey
	ready chan struct{} // closed when started, or when that failed
	err   error         // read after ready
	child *link.Child
	lease *link.Lease
	up    *up // translates for a server with a handshake; else nil
}

// renamed is a request under the child's id, which is its progress token too:
// two clients may have chosen the same ones.
func (sh *shared) renamed(raw, id []byte, x *link.Exchange) ([]byte, error) {
	if x.Token != nil {
		var err error
		if raw, err = wire.EditAt(raw, []string{"params", "_meta"}, wire.Set("progressToken", id)); err != nil {
			return nil, err
		}
	}
	return wire.Edit(raw, wire.Set("id", id))
}

// abandon ends a call whose client has closed its stream, which cancels it.
func (sh *shared) abandon(cl *link.Call, x *link.Exchange) {
	sh.child.Cancel(cl, "client has gone")
	x.Shut()
}

// start runs for all who wait, so no caller's context bounds it. A server that
// does not survive the question what it speaks is started once more and not
// asked.
func (sh *shared) start() {
	sh.lease.Hold()
	ctx, cancel := context.WithTimeout(context.Background(), sh.p.host.Cfg.StartTimeout)
	defer cancel()
	err := sh.try(ctx, true)
	if err != nil && sh.child != nil && sh.child.Life.Err() != nil && ctx.Err() == nil && !sh.p.host.Refusing() {
		err = sh.try(ctx, false)
	}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			sh.p.host.StartFailed()
		}
		sh.err = link.AsError(err)
		sh.close()
		close(sh.ready)
		return
	}
	sh.p.host.Works(sh.child, sh.up == nil)
	close(sh.ready)
	sh.lease.Release()
	if sh.child.Life.Err() != nil {
		sh.close()
	}
}

func (sh *shared) try(ctx context.Context, ask bool) error {
	sh.child = nil
	c, err := sh.p.host.Spawn(ctx, sh.key.principal, func(c *link.Child) {
		c.Heard = sh.heard
		c.Died = func() { sh.ended(c) }
	})
	if err != nil {
		return err
	}
	sh.child = c
	found, err := sh.p.host.Probe(ctx, c, sh.key.can, ask)
	if err != nil {
		c.Stop()
		return err
	}
	if found.Stateless {
		sh.p.rekey(sh)
		return nil
	}
	sh.up = newUp(sh, found.Result)
	return nil
}

// ended is told that a server has died or was ended. While it is starting,
// start does the rest.
func (sh *shared) ended(*link.Child) {
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
	sh.lease.End()
	select {
	case <-sh.ready:
	default:
		return // start ends what it has begun
	}
	if sh.up != nil {
		sh.up.end()
	}
	if sh.child != nil {
		sh.child.Stop()
	}
}

// answered passes on a reply under the client's id.
func (sh *shared) answered(cl *link.Call, m wire.Message) {
	raw, err := wire.Edit(m.Raw, wire.Set("id", cl.X.ID))
	if err == nil && wire.Get(m.Result, "_meta", link.MetaSubscription) != nil {
		raw, err = wire.EditAt(raw, []string{"result", "_meta"}, wire.Set(link.MetaSubscription, cl.X.ID))
	}
	if err != nil {
		cl.X.Refuse(link.ErrUnavailable("reading the reply", err))
		return
	}
	cl.X.Finish(raw)
}

// heard takes what the server says of itself.
func (sh *shared) heard(c *link.Child, m wire.Message) {
	select {
	case <-sh.ready:
	default: // nobody is there yet to hear it
		if m.Request() {
			c.Post(wire.NewError(m.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
		}
		return
	}
	if sh.up != nil {
		sh.up.heard(c, m)
		return
	}
	if m.Request() { // a stateless server asks in results only
		c.Post(wire.NewError(m.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	}
	switch m.Method {
	case "notifications/cancelled":
		if cl := c.Find(wire.Get(m.Params, "requestId")); cl != nil && cl.Forever && c.Take(cl.ID) != nil {
			cl.X.Shut()
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
func (sh *shared) progress(c *link.Child, m wire.Message) {
	cl := c.Find(wire.Get(m.Params, "progressToken"))
	if cl == nil {
		return
	}
	x := cl.Exchange()
	if x == nil || x.Token == nil {
		return
	}
	if raw, err := wire.EditAt(m.Raw, []string{"params"}, wire.Set("progressToken", x.Token)); err == nil {
		x.Note(raw)
	}
}

// logged goes to the newest call that asked for messages of this severity: a
// log message does not name its call.
func (sh *shared) logged(c *link.Child, m wire.Message) {
	rank := link.Severity(wire.Get(m.Params, "level"))
	list := c.Pending(func(cl *link.Call) bool { return cl.Level > 0 && rank >= cl.Level })
	for _, cl := range list {
		if x := cl.Exchange(); x != nil && x.Note(m.Raw) {
			return
		}
	}
}

// subscribed goes to the subscription it names.
func (sh *shared) subscribed(c *link.Child, m wire.Message) {
	cl := c.Find(wire.Get(m.Params, "_meta", link.MetaSubscription))
	if cl == nil {
		return
	}
	if raw, err := wire.EditAt(m.Raw, []string{"params", "_meta"}, wire.Set(link.MetaSubscription, cl.X.ID)); err == nil {
		cl.X.Note(raw)
	}
}
