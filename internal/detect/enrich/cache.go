package enrich

import "sync"

// cache is a bounded map for lookups that cost more than a map does. It keeps
// two generations: when the young one is full it becomes the old one, and the
// old one is forgotten. What is asked for again moves back. The zero cache is
// not of use; see newCache.
type cache[K comparable, V any] struct {
	half int
	mu   sync.Mutex
	new  map[K]V
	old  map[K]V
}

// newCache returns a cache of at most size entries.
func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{half: max(1, size/2), new: map[K]V{}}
}

// get returns what is kept under k, and asks find otherwise.
func (c *cache[K, V]) get(k K, find func(K) V) V {
	c.mu.Lock()
	v, ok := c.new[k]
	if !ok {
		if v, ok = c.old[k]; ok {
			c.put(k, v)
		}
	}
	c.mu.Unlock()
	if ok {
		return v
	}
	v = find(k) // not under the lock: two may find the same
	c.mu.Lock()
	c.put(k, v)
	c.mu.Unlock()
	return v
}

// put keeps v. The caller holds mu.
func (c *cache[K, V]) put(k K, v V) {
	if len(c.new) >= c.half {
		c.old, c.new = c.new, make(map[K]V, c.half)
	}
	c.new[k] = v
}

// size is the number of entries.
func (c *cache[K, V]) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.new) + len(c.old)
}
