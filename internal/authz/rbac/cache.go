package rbac

import "sync"

// maxKnown bounds a cache. At the bound it is emptied: callers choose the
// names, and no rule about which to keep would be better against one who tries.
const maxKnown = 4096

// cache remembers answers of a pure function. It lives as long as the rules
// that gave them: a reload makes a new one.
type cache[K comparable, V any] struct {
	mu    *sync.RWMutex
	known map[K]V
}

func newCache[K comparable, V any]() cache[K, V] {
	return cache[K, V]{mu: new(sync.RWMutex), known: map[K]V{}}
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.RLock()
	v, ok := c.known[k]
	c.mu.RUnlock()
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[k] = v
}
