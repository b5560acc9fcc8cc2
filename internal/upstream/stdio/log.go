package stdio

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// lineLog writes lines of an untrusted process to the log: cut, counted and
// limited, so that a chatty child fills neither disk nor screen.
type lineLog struct {
	log   *slog.Logger
	what  string
	limit LogLimit

	mu         sync.Mutex
	window     time.Time
	used       int
	suppressed int
}

func newLineLog(log *slog.Logger, what string, limit LogLimit) *lineLog {
	return &lineLog{log: log, what: what, limit: limit}
}

func (l *lineLog) line(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.window) >= time.Minute {
		l.report()
		l.window, l.used = now, 0
	}
	if l.used >= l.limit.PerMinute {
		l.suppressed++
		return
	}
	l.used++
	cut := len(b) > l.limit.LineBytes
	if cut {
		b = b[:l.limit.LineBytes]
	}
	l.log.Info(l.what, "line", strings.ToValidUTF8(string(b), "�"), "cut", cut)
}

// report tells how many lines were left out since the last report.
func (l *lineLog) report() {
	if l.suppressed > 0 {
		l.log.Warn(l.what+": lines left out", "count", l.suppressed)
		l.suppressed = 0
	}
}

func (l *lineLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report()
}
