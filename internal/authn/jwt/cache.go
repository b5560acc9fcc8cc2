package jwt

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// digest identifies a token without being one.
type digest = [sha256.Size]byte

// verified is a token that was accepted. It is immutable.
type verified struct {
	digest    digest
	principal portcullis.Principal
	audience  []string
	jti       string // hash, see JTIHash; "" = none
	jkt, x5t  string
	since     time.Time // of the verification, by the wall clock
	until     time.Time // from here on it has to be verified again
}

// valid reports whether the token may still be used without asking again. A
// clock that was set back makes it stale rather than immortal.
func (v *verified) valid(now time.Time) bool { return now.Before(v.until) && !now.Before(v.since) }

const ways = 8

// cache is a set-associative table of verified tokens: readers take no lock,
// the size is fixed, and a full set gives up what ends first. Only tokens that
// were accepted are kept, so nobody can fill it with others.
type cache struct{ sets []cacheSet }

type cacheSet struct {
	mu    sync.Mutex // held by writers only
	slots [ways]atomic.Pointer[verified]
}

func newCache(size int) *cache {
	sets := 1
	for sets*ways < size {
		sets *= 2
	}
	return &cache{sets: make([]cacheSet, sets)}
}

func (c *cache) set(d *digest) *cacheSet {
	return &c.sets[binary.LittleEndian.Uint64(d[:8])&uint64(len(c.sets)-1)]
}

// get returns the token of a digest or nil. It takes no lock and allocates
// nothing.
func (c *cache) get(d *digest) *verified {
	s := c.set(d)
	for i := range s.slots {
		if v := s.slots[i].Load(); v != nil && v.digest == *d {
			return v
		}
	}
	return nil
}

// put keeps v unless stillGood, asked under the lock that invalidation takes
// too, says that it was revoked meanwhile.
func (c *cache) put(v *verified, stillGood func() bool) {
	s := c.set(&v.digest)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !stillGood() {
		return
	}
	victim := &s.slots[0]
	for i := range s.slots {
		slot := &s.slots[i]
		old := slot.Load()
		if old == nil || old.digest == v.digest {
			victim = slot
			break
		}
		if old.until.Before(victim.Load().until) {
			victim = slot
		}
	}
	victim.Store(v)
}

// drop forgets every token that match says so of.
func (c *cache) drop(match func(*verified) bool) {
	for i := range c.sets {
		s := &c.sets[i]
		s.mu.Lock()
		for j := range s.slots {
			if v := s.slots[j].Load(); v != nil && match(v) {
				s.slots[j].Store(nil)
			}
		}
		s.mu.Unlock()
	}
}

// expiring is a bounded set of names that are forgotten after their time. Each
// has an owner, who may name it again.
type expiring struct {
	mu    sync.Mutex
	limit int
	names map[string]claimed
	swept time.Time
}

type claimed struct {
	owner string
	until time.Time
}

// sweepEvery is how often what has passed is looked for.
const sweepEvery = 10 * time.Second

// What [expiring.claim] found.
const (
	errTaken jws.Reason = "taken"
	errFull  jws.Reason = "full"
)

// claim keeps a name. It returns errTaken if it is there for another owner, and
// errFull if there is no room.
func (e *expiring) claim(name, owner string, until, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.names == nil {
		e.names = map[string]claimed{}
	}
	if old, ok := e.names[name]; ok && now.Before(old.until) && old.owner != owner {
		return errTaken
	}
	if now.Sub(e.swept) >= sweepEvery || now.Before(e.swept) {
		e.swept = now
		for n, c := range e.names {
			if !now.Before(c.until) {
				delete(e.names, n)
			}
		}
	}
	if _, ok := e.names[name]; !ok && len(e.names) >= e.limit {
		return errFull
	}
	e.names[name] = claimed{owner, until}
	return nil
}

func (e *expiring) has(name string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.names[name]
	return ok && now.Before(c.until)
}

// digestOf hashes a token of at most MaxToken bytes without allocating.
func digestOf(token string) digest {
	const usual = 1 << 10
	if len(token) <= usual { // clearing the large buffer would cost more than the hash
		var buf [usual]byte
		return sha256.Sum256(buf[:copy(buf[:], token)])
	}
	var buf [jws.MaxToken]byte
	return sha256.Sum256(buf[:copy(buf[:], token)])
}
