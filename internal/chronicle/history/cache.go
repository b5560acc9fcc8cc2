package history

import (
	"context"
	"sync"
	"time"
)

// Cache keeps the sanitized rows of the databases that were asked for last. A
// database is read again when its size, time or change counter differ, or when
// the entry is older than the TTL; entries that nobody asks for go by timer.
type Cache struct {
	reader *Reader
	ttl    time.Duration
	max    int

	mu      sync.Mutex
	entries map[string]*entry
	closed  bool
}

type entry struct {
	load  chan struct{} // holds a token while nobody loads
	sig   string
	hist  *History
	at    time.Time
	timer *time.Timer
}

// NewCache returns a cache of at most size databases that are kept for ttl.
func NewCache(r *Reader, ttl time.Duration, size int) *Cache {
	return &Cache{reader: r, ttl: ttl, max: size, entries: map[string]*entry{}}
}

// Get returns the rows of the database at path. Concurrent calls for one path
// read it once.
func (c *Cache) Get(ctx context.Context, path string) (*History, error) {
	e := c.entry(path)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.load:
	}
	defer func() { e.load <- struct{}{} }()
	sig, err := Signature(path)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	fresh := e.hist != nil && e.sig == sig && time.Since(e.at) < c.ttl
	h := e.hist
	c.mu.Unlock()
	if fresh {
		return h, nil
	}
	if h, err = c.reader.Load(ctx, path); err != nil {
		return nil, err
	}
	c.store(path, e, sig, h)
	return h, nil
}

func (c *Cache) entry(path string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[path]
	if e == nil {
		e = &entry{load: make(chan struct{}, 1)}
		e.load <- struct{}{}
		c.entries[path] = e
	}
	return e
}

func (c *Cache) store(path string, e *entry, sig string, h *History) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ttl <= 0 || c.closed {
		return
	}
	e.sig, e.hist, e.at = sig, h, time.Now()
	if e.timer != nil {
		e.timer.Stop()
	}
	at := e.at
	e.timer = time.AfterFunc(c.ttl, func() { c.forget(e, at) })
	c.evict(path)
}

// evict forgets the oldest entries beyond the bound, never the one of path.
func (c *Cache) evict(path string) {
	for {
		n := 0
		var oldest *entry
		for p, e := range c.entries {
			if e.hist == nil {
				continue
			}
			n++
			if p != path && (oldest == nil || e.at.Before(oldest.at)) {
				oldest = e
			}
		}
		if n <= c.max || oldest == nil {
			return
		}
		oldest.hist = nil
		oldest.timer.Stop()
	}
}

func (c *Cache) forget(e *entry, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.at.Equal(at) {
		e.hist = nil
	}
}

// Close forgets all rows. Get still works after it, uncached.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, e := range c.entries {
		e.hist = nil
		if e.timer != nil {
			e.timer.Stop()
		}
	}
}
