package link

import (
	"sync"
	"time"
)

// Lease says how long something unused is kept. It is held by calls and open
// streams; when nobody holds it for the idle time, it expires once.
type Lease struct {
	idle   time.Duration
	expire func()

	mu    sync.Mutex
	held  int
	ended bool
	since time.Time // when it was last given back
	timer *time.Timer
}

// NewLease returns a lease that nobody holds yet; expire is called at most once.
func NewLease(idle time.Duration, expire func()) *Lease {
	l := &Lease{idle: idle, expire: expire, since: time.Now()}
	l.timer = time.AfterFunc(idle, func() { l.Expire() })
	return l
}

// Expire makes the lease expire now. It reports false, and does nothing, if
// somebody holds it or it has ended.
func (l *Lease) Expire() bool {
	l.mu.Lock()
	run := l.held == 0 && !l.ended
	l.ended = l.ended || run
	l.timer.Stop()
	l.mu.Unlock()
	if run {
		l.expire()
	}
	return run
}

// Unused returns since when nobody has held the lease, and false if somebody
// does or it has ended.
func (l *Lease) Unused() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, l.held == 0 && !l.ended
}

// Hold reports false if the lease has ended.
func (l *Lease) Hold() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.held++
	l.timer.Stop()
	return true
}

// Release gives back what Hold took.
func (l *Lease) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held--; l.held == 0 && !l.ended {
		l.since = time.Now()
		l.timer.Reset(l.idle)
	}
}

// End makes the lease end without expiring.
func (l *Lease) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.timer.Stop()
}
