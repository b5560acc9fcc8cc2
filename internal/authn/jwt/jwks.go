package jwt

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// keySource finds verification keys.
type keySource interface {
	// key returns the key of a kid, which may be empty. A reason says that
	// there is none, errUnavailable that nobody can tell.
	key(ctx context.Context, kid string) (*jws.Key, error)
}

// fixedKeys are keys of the configuration.
type fixedKeys struct{ set *jws.KeySet }

func (f fixedKeys) key(_ context.Context, kid string) (*jws.Key, error) {
	if k := f.set.Find(kid); k != nil {
		return k, nil
	}
	return nil, errUnknownKey
}

const errUnknownKey jws.Reason = "unknown key"

// maxUnknown bounds how many unknown kids are remembered.
const maxUnknown = 1000

// remoteKeys keeps the keys of an issuer. Keys are fetched when a token needs
// them and at most once per MinRefresh, whatever callers send; one fetch runs
// at a time and all who need it wait for it.
//
//	age < ttl          used
//	ttl ≤ age < maxAge used, and one caller starts a fetch nobody waits for
//	maxAge ≤ age       not used: fetched, or the issuer counts as unavailable
//
// A kid that was looked for in vain is not looked for again for half a minute
// unless the keys were fetched in between.
type remoteKeys struct {
	load                        func(ctx context.Context) (*jws.KeySet, error)
	ttl, maxAge, every, timeout time.Duration
	now                         func() time.Time
	flight                      flight
	current                     atomic.Pointer[loadedKeys]

	mu      sync.Mutex
	tried   time.Time // when the last fetch began
	unknown map[string]time.Time
	failure error // what the last fetch found
}

type loadedKeys struct {
	set *jws.KeySet
	at  time.Time
}

// unknownFor is how long an unknown kid is refused without asking.
const unknownFor = 30 * time.Second

func (r *remoteKeys) key(ctx context.Context, kid string) (*jws.Key, error) {
	now := r.now()
	have := r.current.Load()
	if have != nil && now.Sub(have.at) >= r.maxAge {
		have = nil
	}
	if have != nil {
		if k := have.set.Find(kid); k != nil {
			if now.Sub(have.at) >= r.ttl && r.mayTry(now) {
				r.refreshLater(ctx)
			}
			return k, nil
		}
		if r.isUnknown(kid, now, have.at) {
			return nil, errUnknownKey
		}
	}
	if !r.mayTry(now) && !r.running() {
		return nil, r.verdict(kid, now, have)
	}
	if err := r.flight.do(ctx, r.timeout, r.refresh); err != nil {
		return nil, r.verdict(kid, now, have)
	}
	have = r.current.Load()
	if have != nil {
		if k := have.set.Find(kid); k != nil {
			return k, nil
		}
	}
	return nil, r.verdict(kid, r.now(), have)
}

// verdict is what is said of a kid that is not among the keys at hand.
func (r *remoteKeys) verdict(kid string, now time.Time, have *loadedKeys) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have == nil {
		if r.failure != nil {
			return r.failure
		}
		return errUnavailable
	}
	if len(r.unknown) >= maxUnknown {
		clear(r.unknown)
	}
	if r.unknown == nil {
		r.unknown = map[string]time.Time{}
	}
	r.unknown[kid] = now
	return errUnknownKey
}

func (r *remoteKeys) isUnknown(kid string, now, loaded time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.unknown[kid]
	return ok && !loaded.After(at) && now.Sub(at) < unknownFor && !now.Before(at)
}

// mayTry reports whether a fetch may begin. A clock that was set back does not
// keep it from ever beginning.
func (r *remoteKeys) mayTry(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tried.IsZero() || now.Sub(r.tried) >= r.every || now.Before(r.tried)
}

func (r *remoteKeys) running() bool {
	r.flight.mu.Lock()
	defer r.flight.mu.Unlock()
	return r.flight.running != nil
}

// refreshLater starts a fetch and waits for nothing.
func (r *remoteKeys) refreshLater(ctx context.Context) {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := r.flight.do(gone, r.timeout, r.refresh); err != nil {
		return // nobody waited; a failed fetch leaves its error behind
	}
}

func (r *remoteKeys) refresh(ctx context.Context) error {
	began := r.now()
	r.mu.Lock()
	r.tried = began
	r.mu.Unlock()
	set, err := r.load(ctx)
	r.mu.Lock()
	r.failure = nil
	if err != nil {
		r.failure = fmt.Errorf("fetching keys: %w", err)
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.current.Store(&loadedKeys{set, began})
	return nil
}
