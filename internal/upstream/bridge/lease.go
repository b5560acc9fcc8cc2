package bridge

import (
	"sync"
	"time"
)

// lease says how long something unused is kept. It is held by calls and open
// streams; when nobody holds it for the idle time, it expires once.
type lease struct {
	idle   time.Duration
	expire func()

	mu    sync.Mutex
	held  int
	ended bool
	timer *time.Timer
}

func newLease(idle time.Duration, expire func()) *lease {
	l := &lease{idle: idle, expire: expire}
	l.timer = time.AfterFunc(idle, l.fire)
	return l
}

func (l *lease) fire() {
	l.mu.Lock()
	run := l.held == 0 && !l.ended
	l.ended = l.ended || run
	l.mu.Unlock()
	if run {
		l.expire()
	}
}

// hold reports false if the lease has ended.
func (l *lease) hold() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.held++
	l.timer.Stop()
	return true
}

func (l *lease) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held--; l.held == 0 && !l.ended {
		l.timer.Reset(l.idle)
	}
}

// end makes the lease end without expiring.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.timer.Stop()
}
