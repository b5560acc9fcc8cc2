package apikey

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// entry is what is remembered of one id. It is immutable once in a cache.
type entry struct {
	id         string
	rec        Record // zero if the id is unknown
	known      bool
	loaded     time.Time // when the store was asked
	freshUntil time.Time // when it must be asked again

	// The rest is set once a caller has proved the secret.
	verified  bool
	tag       [32]byte  // salted digest of the secret's text
	changesAt time.Time // next moment at which the status changes; zero = none
	principal portcullis.Principal
	use       *use
	stale     *stale // set while the key is rotating or deprecated
}

// fresh reports whether the store need not be asked. A clock that was set back
// makes an entry stale rather than immortal.
func (e *entry) fresh(now time.Time) bool {
	return now.Before(e.freshUntil) && !now.Before(e.loaded)
}

// accepts reports whether a caller who shows the tag's secret may pass.
func (e *entry) accepts(now time.Time) bool {
	return e.verified && e.fresh(now) && (e.changesAt.IsZero() || now.Before(e.changesAt))
}

const ways = 8

// cache is a set-associative table of entries: readers take no lock, the size
// is fixed when it is made, and a full set gives up its oldest entry.
type cache struct{ sets []cacheSet }

type cacheSet struct {
	mu    sync.Mutex // held by writers only
	gen   uint64     // counts invalidations in this set
	slots [ways]atomic.Pointer[entry]
}

// newCache returns a cache that holds size entries, with room to spare so that
// an uneven spread of ids evicts few of them early.
func newCache(size int) *cache {
	sets := 1
	for sets*ways/2 < size {
		sets *= 2
	}
	return &cache{sets: make([]cacheSet, sets)}
}

// set returns the set of a valid id. Ids of real keys are random, so their
// digits spread evenly; ids that an attacker picks only crowd each other.
func (c *cache) set(id string) *cacheSet {
	var n uint32
	for i := 0; i < 8; i++ {
		d := id[i] - '0'
		if d > 9 {
			d = id[i] - 'a' + 10
		}
		n = n<<4 | uint32(d)
	}
	return &c.sets[int(n)&(len(c.sets)-1)]
}

// get returns the entry of an id or nil. It takes no lock.
func (c *cache) get(id string) *entry {
	s := c.set(id)
	for i := range s.slots {
		if e := s.slots[i].Load(); e != nil && e.id == id {
			return e
		}
	}
	return nil
}

// generation is read before the store is asked and given to put.
func (c *cache) generation(id string) uint64 {
	s := c.set(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen
}

// put keeps e unless an id of its set was invalidated since generation gen:
// what the store said may be older than the change. It reports whether it did.
func (c *cache) put(e *entry, gen uint64) bool {
	s := c.set(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen {
		return false
	}
	var victim *atomic.Pointer[entry]
	for i := range s.slots {
		slot := &s.slots[i]
		old := slot.Load()
		if old != nil && old.id == e.id {
			victim = slot
			break
		}
		if victim == nil || older(old, victim.Load()) {
			victim = slot
		}
	}
	victim.Store(e)
	return true
}

// older reports whether a is given up before b; an empty slot before any entry.
func older(a, b *entry) bool {
	if a == nil || b == nil {
		return b != nil
	}
	return a.loaded.Before(b.loaded)
}

// swap replaces old by e if old is still there.
func (c *cache) swap(old, e *entry) {
	s := c.set(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		if s.slots[i].Load() == old {
			s.slots[i].Store(e)
			return
		}
	}
}

// invalidate forgets an id. Whoever asked the store before it cannot put the
// answer any more.
func (c *cache) invalidate(id string) {
	s := c.set(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	for i := range s.slots {
		if e := s.slots[i].Load(); e != nil && e.id == id {
			s.slots[i].Store(nil)
		}
	}
}
