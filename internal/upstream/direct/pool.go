package direct

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// Stats counts what happened to the connections of one upstream. The counters
// only grow.
type Stats struct {
	Open    int // connections, dialing and in use included
	Idle    int // of these, waiting for a call
	Waiting int // calls waiting for a connection

	Dials      uint64 // connections opened
	DialErrors uint64 // connections that could not be opened
	Reuses     uint64 // calls that took an idle connection
	Stale      uint64 // idle connections found closed or talking by the peek
	Expired    uint64 // idle connections closed for their age
	Fallbacks  uint64 // calls that http.Transport carried
}

// pool keeps the connections of one upstream. The idle one used last is taken
// first: it is the least likely to have been closed, and the others grow old
// and go. A call owns a slot from take until put, discard or free.
type pool struct {
	maxIdle, maxOpen int
	idleTimeout      time.Duration
	fit              func(*conn) bool // whether an idle connection may be used

	mu      sync.Mutex
	idle    []*conn   // oldest first
	waiters list.List // of chan *conn, longest wait first
	timer   *time.Timer
	armed   bool
	closed  bool
	stats   Stats // Idle and Waiting are filled by snapshot
}

func newPool(cfg Config) *pool {
	return &pool{
		maxIdle: cfg.MaxIdle, maxOpen: cfg.MaxConns, idleTimeout: cfg.IdleTimeout,
		fit: (*conn).reusable,
	}
}

// take returns an idle connection, or nil for leave to open one: either way
// the caller owns a slot. It waits for a slot until ctx ends or the deadline.
func (p *pool) take(ctx context.Context, now, deadline time.Time) (*conn, error) {
	for {
		c, err := p.slot(ctx, now, deadline)
		if c == nil || err != nil {
			return nil, err
		}
		if p.fit(c) {
			return c, nil
		}
		p.count(func(s *Stats) { s.Reuses--; s.Stale++ })
		p.discard(c)
	}
}

// slot returns a connection, which may be unfit, or nil.
func (p *pool) slot(ctx context.Context, now, deadline time.Time) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		if now.Before(c.expires) {
			p.idle[n-1] = nil
			p.idle = p.idle[:n-1]
			p.stats.Reuses++
			p.mu.Unlock()
			return c, nil
		}
		old := p.expire(now)
		p.mu.Unlock()
		closeAll(old)
		return p.slot(ctx, now, deadline)
	}
	if p.stats.Open < p.maxOpen {
		p.stats.Open++
		p.mu.Unlock()
		return nil, nil
	}
	ch := make(chan *conn, 1)
	e := p.waiters.PushBack(ch)
	p.mu.Unlock()
	return p.wait(ctx, deadline, e, ch)
}

// wait waits for another call to hand over its slot.
func (p *pool) wait(ctx context.Context, deadline time.Time, e *list.Element, ch chan *conn) (*conn, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	err := errWait
	select {
	case c, ok := <-ch:
		if !ok {
			return nil, errClosed
		}
		return c, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	p.mu.Lock()
	select {
	case c, ok := <-ch: // handed over in the same moment
		p.mu.Unlock()
		switch {
		case !ok:
		case c == nil:
			p.free()
		default:
			p.count(func(s *Stats) { s.Reuses-- })
			p.put(c, 0)
		}
	default:
		p.waiters.Remove(e)
		p.mu.Unlock()
	}
	return nil, err
}

// put makes c idle, or hands it to who waits. announced is how long the peer
// said it keeps an idle connection, 0 if it did not.
func (p *pool) put(c *conn, announced time.Duration) {
	c.giveBack()
	c.used = true
	life := p.idleTimeout
	if announced > 0 {
		// One second early, or half the time of a peer that gives one second.
		life = min(life, max(announced-time.Second, announced/2))
	}
	c.expires = time.Now().Add(life)
	p.mu.Lock()
	if !p.closed {
		if e := p.waiters.Front(); e != nil {
			p.waiters.Remove(e).(chan *conn) <- c
			p.stats.Reuses++
			p.mu.Unlock()
			return
		}
		if len(p.idle) < p.maxIdle {
			p.idle = append(p.idle, c)
			p.arm(life)
			p.mu.Unlock()
			return
		}
	}
	p.stats.Open--
	p.mu.Unlock()
	c.close()
}

// discard closes c and passes its slot on.
func (p *pool) discard(c *conn) {
	c.close()
	p.free()
}

// free passes on a slot without a connection.
func (p *pool) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.waiters.Front(); e != nil && !p.closed {
		p.waiters.Remove(e).(chan *conn) <- nil
		return
	}
	p.stats.Open--
}

// arm starts the timer that closes idle connections. The caller holds mu.
func (p *pool) arm(d time.Duration) {
	if p.armed {
		return
	}
	p.armed = true
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.sweep)
		return
	}
	p.timer.Reset(d)
}

// sweep closes what is too old and comes again while anything is idle.
func (p *pool) sweep() {
	now := time.Now()
	p.mu.Lock()
	old := p.expire(now)
	p.armed = false
	if len(p.idle) > 0 && !p.closed {
		next := p.idle[0].expires
		for _, c := range p.idle[1:] {
			if c.expires.Before(next) {
				next = c.expires
			}
		}
		p.arm(next.Sub(now))
	}
	p.mu.Unlock()
	closeAll(old)
}

// expire takes the connections that are too old out of the idle list. The
// caller holds mu and closes them without it.
func (p *pool) expire(now time.Time) []*conn {
	var old []*conn
	kept := p.idle[:0]
	for _, c := range p.idle {
		if now.Before(c.expires) {
			kept = append(kept, c)
		} else {
			old = append(old, c)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.stats.Open -= len(old)
	p.stats.Expired += uint64(len(old))
	return old
}

// close closes the idle connections and refuses new calls. Calls in flight
// keep their connections, which are closed when they end.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.stats.Open -= len(idle)
	if p.timer != nil {
		p.timer.Stop()
	}
	for e := p.waiters.Front(); e != nil; e = p.waiters.Front() {
		close(p.waiters.Remove(e).(chan *conn))
	}
	p.mu.Unlock()
	closeAll(idle)
}

// count changes the counters under the lock.
func (p *pool) count(f func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.stats)
}

func (p *pool) snapshot() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Idle, s.Waiting = len(p.idle), p.waiters.Len()
	return s
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.close()
	}
}
