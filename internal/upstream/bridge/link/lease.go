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
	timer *time.Timer
}

// NewLease returns a lease that nobody holds yet; expire is called at most once.
func NewLease(idle time.Duration, expire func()) *Lease {
	l := &Lease{idle: idle, expire: expire}
	l.timer = time.AfterFunc(idle, l.fire)
	return l
}

func (l *Lease) fire() {
	l.mu.Lock()
	run := l.held == 0 && !l.ended
	l.ended = l.ended || run
	l.mu.Unlock()
	if run {
		l.expire()
	}
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
