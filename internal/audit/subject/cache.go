package subject

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
)

// key is an opened key, ready for use.
type key struct {
	box     Box
	name    string // under which it is stored: that of the person, or of the day
	form    byte
	missing bool // the store has none: asked for and not there
}

// DefaultMax is how many keys are kept in memory.
const DefaultMax = 1 << 16

const parts = 64 // power of two

// cache is the keys in use. Callers do not wait for one another.
type cache struct {
	seed  maphash.Seed
	max   int // per part
	epoch atomic.Uint64
	parts [parts]struct {
		sync.RWMutex
		keys map[string]*key
	}
}

func (c *cache) init(max int) {
	if max <= 0 {
		max = DefaultMax
	}
	c.seed, c.max = maphash.MakeSeed(), (max+parts-1)/parts
	for i := range c.parts {
		c.parts[i].keys = map[string]*key{}
	}
}

func (c *cache) at(id string) int { return int(maphash.String(c.seed, id) & (parts - 1)) }

func (c *cache) get(id string) *key {
	p := &c.parts[c.at(id)]
	p.RLock()
	defer p.RUnlock()
	return p.keys[id]
}

// generation is read before a key is loaded: what was loaded before an erasure
// is not kept after it.
func (c *cache) generation() uint64 { return c.epoch.Load() }

func (c *cache) put(id string, k *key, generation uint64) {
	p := &c.parts[c.at(id)]
	p.Lock()
	defer p.Unlock()
	if c.epoch.Load() != generation {
		return
	}
	if _, there := p.keys[id]; !there && len(p.keys) >= c.max {
		for other := range p.keys { // any: the store has it
			delete(p.keys, other)
			break
		}
	}
	p.keys[id] = k
}

func (c *cache) forget(ids ...string) {
	c.epoch.Add(1)
	for _, id := range ids {
		p := &c.parts[c.at(id)]
		p.Lock()
		delete(p.keys, id)
		p.Unlock()
	}
}

// forgetBetween forgets what is from or behind from, and before to.
func (c *cache) forgetBetween(from, to string) {
	c.epoch.Add(1)
	for i := range c.parts {
		p := &c.parts[i]
		p.Lock()
		maps.DeleteFunc(p.keys, func(id string, _ *key) bool { return id >= from && id < to })
		p.Unlock()
	}
}
