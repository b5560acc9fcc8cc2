package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/rotate"
)

const (
	securityName       = "security.log"
	securityCursorName = "security.cursor"
	// securityWindow is how much of the end of security.log is searched for
	// events that a crash made us read twice.
	securityWindow = 256 << 10
	// securityRetry is how long to wait when security.log cannot be written.
	securityRetry = time.Second
	// securityDelay gathers events, so that a flood of them costs few writes.
	securityDelay = 50 * time.Millisecond
)

// inSecurityLog reports whether e belongs in security.log: a security event of
// severity WARN or worse (requirements S0-37, S0-38, S0-40, S3-44).
func inSecurityLog(e *portcullis.Event) bool {
	return e.Security() && e.Severity != portcullis.SeverityInfo
}

// securityLog copies security events from the journal to security.log in the
// background: an event is there soon after it is recorded, and surely after
// the next start. The journal tells it where the first new event is, so that
// access records cost it nothing. The file is opened for each write: it may be
// renamed away at any time.
type securityLog struct {
	dir  string
	log  *slog.Logger
	who  Personal // nil: events are not sealed
	done Cursor   // up to which everything is copied; used by copy only
	size int64    // at which the file is rotated
	age  time.Duration
	safe bool // the saved cursor is behind everything in the file; used by flush only

	mu   sync.Mutex
	from *Cursor // where the first event is that was not copied; nil if none

	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
}

func newSecurityLog(dir string, cfg Config, log *slog.Logger, who Personal) *securityLog {
	s := &securityLog{
		dir: dir, log: log, who: who, size: cfg.SecurityBytes, age: cfg.SecurityAge,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	from := s.savedCursor()
	s.from = &from
	signal(s.wake)
	return s
}

// note tells that the record at c belongs in the log. It never waits for the
// disk. A nil log ignores it.
func (s *securityLog) note(c Cursor) {
	if s == nil {
		return
	}
	s.mu.Lock()
	if s.from == nil {
		s.from = &c
	}
	s.mu.Unlock()
	signal(s.wake)
}

func (s *securityLog) run() {
	defer close(s.stopped)
	seen := s.written()
	for {
		select {
		case <-s.wake:
			s.delay()
		case <-s.stop:
			s.copy(seen)
			return
		}
		if s.copy(seen) {
			seen = nil
		}
	}
}

func (s *securityLog) delay() {
	timer := time.NewTimer(securityDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stop:
	}
}

// close copies what is left and ends the log. Nothing is noted any more.
func (s *securityLog) close() {
	close(s.stop)
	<-s.stopped
}

// copy copies the events from s.from to the end of the journal, except seen
// ones. It reports whether that worked; if not, it is tried again later.
func (s *securityLog) copy(seen map[string]bool) bool {
	s.mu.Lock()
	from := s.from
	s.from = nil
	s.mu.Unlock()
	if from == nil {
		return true
	}
	if from.Seq < s.done.Seq { // it was copied before it was noted
		from = &s.done
	}
	done, err := s.copyFrom(*from, seen)
	s.done = done
	if err == nil {
		return true
	}
	s.log.Error("security log cannot be written", "file", securityName, "error", err)
	s.mu.Lock()
	s.from = &done
	s.mu.Unlock()
	time.AfterFunc(securityRetry, func() { signal(s.wake) })
	return false
}

// copyFrom returns the place up to which everything is copied.
func (s *securityLog) copyFrom(from Cursor, seen map[string]bool) (Cursor, error) {
	r := NewReader(s.dir, from)
	defer func() { _ = r.Close() }() // it was only read
	done := from
	var out []byte
	for {
		line, err := r.Next()
		end := errors.Is(err, io.EOF)
		switch {
		case err == nil:
			out = s.append(out, line.Entry, seen)
		case !end && !IsDamage(err):
			return done, err
		}
		if end || len(out) >= maxSpare {
			if err := s.flush(out, r.Cursor()); err != nil {
				return done, err
			}
			done, out = r.Cursor(), out[:0]
		}
		if end {
			return done, nil
		}
	}
}

// append appends an entry of the journal that is for security.log and not
// seen. Of a sealed one it shows the address, which whoever blocks attackers
// needs; the person stays a keyed hash. The file ends with its class of
// retention.
func (s *securityLog) append(out, entry []byte, seen map[string]bool) []byte {
	// Most entries are access records, all INFO: the member stands near the
	// start, and no string before it can hold a bare quote.
	if bytes.Contains(entry[:min(len(entry), 256)], []byte(`","severity":"INFO","outcome":"`)) {
		return out
	}
	e, err := auditlog.ParseEntry(entry)
	if err != nil || !inSecurityLog(&e) || seen[e.ID] {
		return out
	}
	if subject := e.Actor.Subject; e.Actor.Sealed != "" && s.who != nil {
		details := e.Details // whom they name stays sealed
		if err := s.who.Open(context.Background(), &e); err != nil {
			s.log.Warn("security log: an event cannot be opened", "event_id", e.ID, "error", err)
		}
		e.Details = details
		e.Actor = portcullis.Actor{Method: e.Actor.Method, KeyID: e.Actor.KeyID, IP: e.Actor.IP, Subject: subject}
		return append(auditlog.AppendEntry(out, &e), '\n')
	}
	return append(append(out, entry...), '\n')
}

func (s *securityLog) flush(out []byte, upTo Cursor) error {
	if len(out) > 0 {
		// What a crash makes us read twice is looked for in the file itself: it
		// stays until the saved cursor is behind all that is in it.
		if s.safe {
			if err := rotate.Rotate(filepath.Join(s.dir, securityName), s.size, s.age); err != nil {
				return err
			}
		}
		s.safe = false
		f, err := os.OpenFile(filepath.Join(s.dir, securityName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, openMode)
		if err != nil {
			return err
		}
		if err := appendWhole(f, out); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if err := s.saveCursor(upTo); err != nil {
		return err
	}
	s.safe = true
	return nil
}

// appendWhole appends lines to f or, if that fails, nothing.
func appendWhole(f *os.File, lines []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Write(lines); err != nil {
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return nil
}

func (s *securityLog) savedCursor() Cursor {
	var c Cursor
	text, err := os.ReadFile(filepath.Join(s.dir, securityCursorName))
	if err == nil {
		err = c.UnmarshalText(bytes.TrimSpace(text))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("security log starts over from the oldest record", "error", err)
	}
	return c
}

func (s *securityLog) saveCursor(c Cursor) error {
	text, err := c.MarshalText()
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, securityCursorName)
	if err := os.WriteFile(path+".tmp", append(text, '\n'), openMode); err != nil {
		return fmt.Errorf("saving cursor of security log: %w", err)
	}
	return os.Rename(path+".tmp", path)
}

// written returns the ids of the last events in security.log.
func (s *securityLog) written() map[string]bool {
	f, err := os.Open(filepath.Join(s.dir, securityName))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err == nil && info.Size() > securityWindow {
		if _, err := f.Seek(-securityWindow, io.SeekEnd); err != nil {
			return nil
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	seen := make(map[string]bool)
	for line := range bytes.Lines(text) {
		if e, err := auditlog.ParseEntry(bytes.TrimSuffix(line, []byte{'\n'})); err == nil {
			seen[e.ID] = true
		}
	}
	return seen
}
