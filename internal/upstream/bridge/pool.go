package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// pool holds the shared servers of stateless clients.
type pool struct {
	host    *host
	running sync.WaitGroup // starts under way

	mu     sync.Mutex
	closed bool
	open   map[sharedKey]*shared
}

func newPool(h *host) *pool {
	return &pool{host: h, open: make(map[sharedKey]*shared)}
}

// forward serves one request of a client of 2026-07-28 or later.
func (p *pool) forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
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
	sh, err := p.attach(ctx, pc.Principal.ID, abilitiesOf(get(m.Params, "_meta", metaCapabilities)))
	if err != nil {
		return nil, err
	}
	x := newExchange(pc, get(m.Params, "_meta", "progressToken"), true, p.host.cfg.QueueBytes, sh.lease.release)
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
	return x.wait(ctx, p.host.cfg.KeepAlive, func(error) { sh.abandon(cl, x) })
}

// attach returns a running server of the principal, held for one call.
func (p *pool) attach(ctx context.Context, principal string, can abilities) (*shared, error) {
	for {
		sh, err := p.enter(sharedKey{principal, can})
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
func (p *pool) enter(key sharedKey) (*shared, error) {
	stateless := p.host.needsNoHandshake()
	p.mu.Lock()
	defer p.mu.Unlock()
	if stateless {
		key.can = 0
	}
	if sh := p.open[key]; sh != nil {
		return sh, nil
	}
	if p.closed {
		return nil, errBusy("shutting_down", "bridge is closing", time.Second)
	}
	sh := &shared{p: p, key: key, ready: make(chan struct{})}
	sh.lease = newLease(p.host.cfg.IdleTimeout, sh.close)
	p.open[key] = sh
	p.running.Add(1)
	go func() {
		defer p.running.Done()
		sh.start()
	}()
	return sh, nil
}

// rekey is told that the server takes capabilities with each request: one
// serves all clients of the principal.
func (p *pool) rekey(sh *shared) {
	p.mu.Lock()
	defer p.mu.Unlock()
	plain := sharedKey{principal: sh.key.principal}
	if p.open[sh.key] == sh && p.open[plain] == nil {
		delete(p.open, sh.key)
		sh.key = plain
		p.open[plain] = sh
	}
}

func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// close ends every shared server. The host must refuse further starts by then.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var list []*shared
	for _, sh := range p.open {
		list = append(list, sh)
	}
	p.mu.Unlock()
	for _, sh := range list {
		sh.close()
	}
}
