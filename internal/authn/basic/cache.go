package basic

import (
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/lockout"
)

const (
	maxVerified = 4096
	maxFamiliar = 1 << 16
	maxSuspects = 1 << 14
	familiarFor = 30 * 24 * time.Hour
)

// verified remembers attempts that succeeded, by a keyed hash under a key of
// this process, so that Basic on every call does not cost a password hash each
// time. It holds no password and no user's name in clear but as a label.
type verified struct {
	ttl time.Duration
	mu  sync.RWMutex
	gen uint64 // counts changes of users
	m   map[[32]byte]proof
}

type proof struct {
	name        string
	who         portcullis.Principal
	from, until time.Time
}

func newVerified(ttl time.Duration) *verified {
	return &verified{ttl: ttl, m: map[[32]byte]proof{}}
}

// get finds a proof. A clock that was set back makes it stale, not immortal.
func (v *verified) get(tag [32]byte, now time.Time) (portcullis.Principal, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	p, ok := v.m[tag]
	if !ok || now.Before(p.from) || !now.Before(p.until) {
		return portcullis.Principal{}, false
	}
	return p.who, true
}

// generation is read before the store is asked and given to put.
func (v *verified) generation() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.gen
}

// put keeps a proof unless a user was changed since generation gen: what was
// proved may be what the user had before.
func (v *verified) put(tag [32]byte, name string, who portcullis.Principal, now time.Time, gen uint64) {
	if v.ttl == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gen != gen {
		return
	}
	if len(v.m) >= maxVerified {
		for t, p := range v.m {
			if !now.Before(p.until) {
				delete(v.m, t)
			}
		}
	}
	for t := range v.m { // any: whoever goes costs one hash
		if len(v.m) < maxVerified {
			break
		}
		delete(v.m, t)
	}
	v.m[tag] = proof{name: name, who: who, from: now, until: now.Add(v.ttl)}
}

// drop forgets every proof of a user.
func (v *verified) drop(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gen++
	for t, p := range v.m {
		if p.name == name {
			delete(v.m, t)
		}
	}
}

// familiar remembers from where users have logged in: there they are not locked
// out by what happens elsewhere.
type familiar struct {
	mu sync.Mutex
	m  map[lockout.Key]visit
}

type visit struct {
	name string
	at   time.Time
}

func newFamiliar() *familiar { return &familiar{m: map[lockout.Key]visit{}} }

func (f *familiar) add(pair lockout.Key, name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.m[pair]; !ok && len(f.m) >= maxFamiliar {
		for k := range f.m { // any: a user who is forgotten is a stranger again, no more
			delete(f.m, k)
			break
		}
	}
	f.m[pair] = visit{name, now}
}

func (f *familiar) knows(pair lockout.Key, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.m[pair]
	return ok && now.Sub(v.at) < familiarFor
}

// drop forgets where a user has been.
func (f *familiar) drop(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, v := range f.m {
		if v.name == name {
			delete(f.m, k)
		}
	}
}

// suspects remembers whom failed attempts were for, for the audit log. The zero
// value is ready.
type suspects struct {
	mu sync.Mutex
	m  map[lockout.Key]string
}

func (s *suspects) note(name lockout.Key, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= maxSuspects { // the next failure brings it back
		s.m = map[lockout.Key]string{}
	}
	s.m[name] = id
}

func (s *suspects) of(name lockout.Key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[name]
}

// flights joins attempts that are the same, made at the same time. The zero
// value is ready.
type flights struct {
	mu sync.Mutex
	m  map[flightKey]*flight
}

// flightKey is an attempt and the generation that it begins in: nobody waits for
// an answer that was under way before a user was changed, and may be about what
// the user had before.
type flightKey struct {
	tag [32]byte
	gen uint64
}

type flight struct {
	done chan struct{}
	who  portcullis.Principal
	err  error
}

func (f *flights) do(key flightKey, fn func() (portcullis.Principal, error)) (portcullis.Principal, error) {
	f.mu.Lock()
	if other := f.m[key]; other != nil {
		f.mu.Unlock()
		<-other.done // bounded by hashTimeout
		return other.who, other.err
	}
	if f.m == nil {
		f.m = map[flightKey]*flight{}
	}
	mine := &flight{done: make(chan struct{}), err: unavailable(errPanicked)}
	f.m[key] = mine
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.m, key)
		f.mu.Unlock()
		close(mine.done)
	}()
	mine.who, mine.err = fn()
	return mine.who, mine.err
}
