package stateless

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// Pool holds the shared servers of stateless clients.
type Pool struct {
	host    *link.Host
	running sync.WaitGroup // starts under way

	mu     sync.Mutex
	closed bool
	open   map[sharedKey]*shared
}

// NewPool returns a pool whose servers h runs.
func NewPool(h *link.Host) *Pool {
	return &Pool{host: h, open: make(map[sharedKey]*shared)}
}

// Forward serves one request of a client of 2026-07-28 or later.
func (p *Pool) Forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	m := pc.Message
	switch m.Shape {
	case portcullis.ShapeRequest:
	case portcullis.ShapeNotification:
		// A client of this era ends a call by closing its stream. A
		// notification names a call by an id that other clients of the
		// principal may use too, so nothing is done with it.
		return link.EmptyReply(http.StatusAccepted), nil
	case portcullis.ShapeResult, portcullis.ShapeError:
		return nil, link.ErrInvalid(portcullis.CodeInvalidRequest, "unknown_response", "No request with this id is open.")
	default:
		return nil, link.ErrMethod(http.MethodPost)
	}
	capabilities := wire.Get(m.Params, "_meta", link.MetaCapabilities)
	if len(capabilities) == 0 || capabilities[0] != '{' { // "required" (2026-07-28, Per-request metadata)
		return nil, link.ErrInvalid(portcullis.CodeInvalidParams, "input_rejected", "The request names no client capabilities.")
	}
	sh, err := p.attach(ctx, pc.Principal.ID, link.AbilitiesOf(capabilities))
	if err != nil {
		return nil, err
	}
	x := link.NewExchange(pc, wire.Get(m.Params, "_meta", "progressToken"), true, p.host.Cfg.QueueBytes, sh.lease.Release)
	cl := &link.Call{
		Method: m.Method, X: x, Answer: sh.answered, Failed: link.Refuse,
		Forever: m.Method == "subscriptions/listen",
		Level:   link.Severity(wire.Get(m.Params, "_meta", link.MetaLogLevel)),
	}
	if sh.up != nil {
		return sh.up.request(ctx, cl, m)
	}
	if cl.Forever && !x.Accepts {
		x.Shut()
		return nil, link.ErrAccept()
	}
	raw := wire.OneLine(m.Raw)
	err = sh.child.Submit(ctx, cl, func(id []byte) ([]byte, error) { return sh.renamed(raw, id, x) })
	if err != nil {
		x.Refuse(link.AsError(err))
		return nil, err
	}
	return x.Wait(ctx, p.host.Cfg.KeepAlive, func(error) { sh.abandon(cl, x) })
}

// attach returns a running server of the principal, held for one call.
func (p *Pool) attach(ctx context.Context, principal string, can link.Abilities) (*shared, error) {
	for {
		sh, err := p.enter(sharedKey{principal, can})
		if err != nil {
			return nil, err
		}
		select {
		case <-sh.ready:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, link.ErrTimeout("upstream did not start in time")
			}
			return nil, ctx.Err()
		}
		if sh.err != nil {
			return nil, sh.err
		}
		if sh.lease.Hold() {
			return sh, nil
		}
	}
}

// enter finds or begins a shared server.
func (p *Pool) enter(key sharedKey) (*shared, error) {
	stateless := p.host.NeedsNoHandshake()
	p.mu.Lock()
	defer p.mu.Unlock()
	if stateless {
		key.can = 0
	}
	if sh := p.open[key]; sh != nil {
		return sh, nil
	}
	if p.closed {
		return nil, link.ErrBusy("shutting_down", "bridge is closing", time.Second)
	}
	sh := &shared{p: p, key: key, ready: make(chan struct{})}
	sh.lease = link.NewLease(p.host.Cfg.IdleTimeout, sh.close)
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
func (p *Pool) rekey(sh *shared) {
	p.mu.Lock()
	defer p.mu.Unlock()
	plain := sharedKey{principal: sh.key.principal}
	if p.open[sh.key] == sh && p.open[plain] == nil {
		delete(p.open, sh.key)
		sh.key = plain
		p.open[plain] = sh
	}
}

// Count returns the number of shared servers.
func (p *Pool) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// Wait returns when no start is under way. Once the host has ended its servers
// that is soon.
func (p *Pool) Wait() { p.running.Wait() }

// Close ends every shared server. The host must refuse further starts by then.
func (p *Pool) Close() {
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
