package link

import (
	"sync"
	"time"
)

// maxTroubled bounds the principals a breaker remembers.
const maxTroubled = 4096

// breaker holds back starts that would probably fail. It counts failed starts
// for all, and deaths of running servers per principal, so that a caller who
// makes servers crash delays no one but themselves. One failure costs nothing;
// from the second in a row the pause doubles.
type breaker struct {
	min, max time.Duration

	mu    sync.Mutex
	state map[string]trouble // "" holds the failed starts
}

type trouble struct {
	failures int
	last     time.Time
	until    time.Time
}

func newBreaker(least, most time.Duration) *breaker {
	return &breaker{min: least, max: most, state: make(map[string]trouble)}
}

// pause returns how long a start for the principal must still wait.
func (b *breaker) pause(principal string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.state[""].until.Sub(now), b.state[principal].until.Sub(now), 0)
}

// failed counts a failure of the principal, or of starts for all.
func (b *breaker) failed(key string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.state[key]
	if now.Sub(t.last) > 2*b.max {
		t.failures = 0
	}
	t.failures++
	t.last = now
	if t.failures > 1 {
		wait := b.max
		if shift := t.failures - 2; shift < 20 {
			wait = min(b.min<<shift, b.max)
		}
		t.until = now.Add(wait)
	}
	if len(b.state) >= maxTroubled {
		b.forget(now)
	}
	b.state[key] = t
}

// forget makes room: the old first, and if none is old, all.
func (b *breaker) forget(now time.Time) {
	for key, t := range b.state {
		if now.Sub(t.last) > 2*b.max {
			delete(b.state, key)
		}
	}
	if len(b.state) >= maxTroubled {
		clear(b.state)
	}
}

func (b *breaker) worked(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.state, key)
}
