package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

const day = 24 * time.Hour

func testPolicy() Policy {
	return Policy{
		Security: 365 * day, Access: 90 * day, Audit: 7 * 365 * day, Compression: sealed.Zstd,
		DivideAfter: time.Hour, ConsumerWait: 30 * day,
	}
}

// world is a journal whose time is told by a test, and all that was ever in it.
type world struct {
	t       *testing.T
	dir     string
	now     time.Time
	entries [][]byte
	classes []class.Class
	times   []time.Time
	first   int // of the segment in use
	k       *Keeper
	policy  Policy
	synced  int
	span    time.Duration // longest of a segment
}

func newWorld(t *testing.T, p Policy) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), policy: p}
	if err := os.MkdirAll(filepath.Join(w.dir, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.restart()
	return w
}

// restart forgets what the process knew.
func (w *world) restart() {
	start := w.now
	w.k = New(Options{
		Dir: w.dir, Recorder: w, Sync: func() error { w.synced++; return nil },
		Now: func() time.Time { return w.now }, Elapsed: func() time.Duration { return w.now.Sub(start) },
	}, w.policy)
}

// Record implements portcullis.Recorder.
func (w *world) Record(_ context.Context, e *portcullis.Event) error {
	if e.ID == "" {
		e.ID = obs.NewID()
	}
	if e.Time.IsZero() {
		e.Time = w.now
	}
	line := auditlog.AppendRecord(nil, e)
	f, err := os.OpenFile(segment.Path(w.dir, uint64(w.first)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	entry, perr := auditlog.ParseLine(line)
	w.entries = append(w.entries, bytes.Clone(entry))
	w.classes = append(w.classes, class.Of(e.Type))
	w.times = append(w.times, e.Time)
	return errors.Join(err, perr, f.Close())
}

func (w *world) record(n int, types ...portcullis.EventType) {
	w.t.Helper()
	for i := range n {
		e := &portcullis.Event{Type: types[i%len(types)], Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Resource: fmt.Sprint("tool:", i)}
		if err := w.Record(context.Background(), e); err != nil {
			w.t.Fatal(err)
		}
	}
}

// rotate ends the segment in use.
func (w *world) rotate() {
	w.t.Helper()
	path := segment.Path(w.dir, uint64(w.first))
	if len(w.entries) == w.first {
		return
	}
	w.span = max(w.span, w.now.Sub(w.times[w.first]))
	w.first = len(w.entries)
	next, err := os.Create(segment.Path(w.dir, uint64(w.first)))
	if err == nil {
		err = errors.Join(next.Close(), os.Chtimes(path, w.now, w.now), os.Chmod(path, 0o400))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pass() {
	w.t.Helper()
	if err := w.k.Pass(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// read reads the whole journal and returns which records are there. It fails
// the test on damage, disorder or another entry.
func (w *world) read(from journal.Cursor) []bool {
	w.t.Helper()
	there := make([]bool, len(w.entries))
	at := int(from.Seq)
	for l, err := range journal.All(w.dir, from) {
		var expired *journal.ExpiredError
		switch {
		case errors.As(err, &expired):
			if (int(expired.From) != at && at != 0) || expired.To <= expired.From {
				w.t.Fatalf("at %d: %v", at, err)
			}
			at = int(expired.To)
			continue
		case err != nil:
			w.t.Fatalf("at %d: %v", at, err)
		case int(l.Seq) != at && at != 0:
			w.t.Fatalf("record %d behind %d", l.Seq, at-1)
		case !bytes.Equal(l.Entry, w.entries[l.Seq]):
			w.t.Fatalf("record %d is another", l.Seq)
		case l.Next.Seq != l.Seq+1 || l.At.Segment != l.Next.Segment || l.Next.Offset != l.At.Offset+int64(len(l.Entry))+10:
			w.t.Fatalf("record %d: places %v, %v", l.Seq, l.At, l.Next)
		}
		there[l.Seq] = true
		at = int(l.Seq) + 1
	}
	if at != len(w.entries) {
		w.t.Fatalf("the journal ends at %d, want %d", at, len(w.entries))
	}
	return there
}

// check fails the test if a record is missing before its time, or still there
// slack after it; slack 0 does not look for the latter.
func (w *world) check(slack time.Duration) {
	w.t.Helper()
	for seq, there := range w.read(journal.Cursor{}) {
		over := w.times[seq].Add(w.policy.Keep(w.classes[seq]))
		switch {
		case !there && w.now.Before(over):
			w.t.Fatalf("record %d of class %s, %v old, is gone", seq, w.classes[seq], w.now.Sub(w.times[seq]))
		case there && slack > 0 && w.now.After(over.Add(slack)):
			w.t.Fatalf("record %d of class %s, %v old, is still there", seq, w.classes[seq], w.now.Sub(w.times[seq]))
		}
	}
}

func mixed() []portcullis.EventType {
	return []portcullis.EventType{
		portcullis.EventCallStarted, portcullis.EventCallFinished, portcullis.EventCallStarted, portcullis.EventCallFinished,
		portcullis.EventAuthFailure, portcullis.EventConfigChanged,
	}
}

func TestDivideReadsAsBefore(t *testing.T) {
	for _, compression := range []string{sealed.Zstd, sealed.None} {
		p := testPolicy()
		p.Compression = compression
		w := newWorld(t, p)
		w.record(5000, mixed()...)
		w.rotate()
		w.record(10, mixed()...)
		var before []journal.Line
		for l, err := range journal.All(w.dir, journal.Cursor{}) {
			if err != nil {
				t.Fatal(err)
			}
			l.Entry = bytes.Clone(l.Entry)
			before = append(before, l)
		}
		open := journal.NewReader(w.dir, before[100].At) // has the segment open while it is divided
		if _, err := open.Next(); err != nil {
			t.Fatal(err)
		}
		w.pass()
		if _, err := os.Stat(segment.Path(w.dir, 0)); err != nil {
			t.Fatal("divided before the delay")
		}
		w.now = w.now.Add(2 * time.Hour)
		w.pass()
		if _, err := os.Stat(segment.Path(w.dir, 0)); !errors.Is(err, os.ErrNotExist) {
			t.Fatal("the segment was not removed")
		}
		for i := 101; i < len(before); i++ {
			if l, err := open.Next(); err != nil || l.Seq != uint64(i) {
				t.Fatalf("open reader at %d: %v", i, err)
			}
		}
		if err := open.Close(); err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 1, 777, 4999, 5000, 5009} {
			r := journal.NewReader(w.dir, before[i].At)
			l, err := r.Next()
			if err != nil || l.Seq != before[i].Seq || l.At != before[i].At || l.Next != before[i].Next || !bytes.Equal(l.Entry, before[i].Entry) {
				t.Errorf("record %d reads as %v, %v", i, l, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		w.check(0)
		var tail []uint64
		err := journal.Tail(t.Context(), w.dir, journal.TailOptions{Last: 5, Filter: journal.Filter{Types: []portcullis.EventType{portcullis.EventAuthFailure}}},
			func(l journal.Line, _ portcullis.Event) error { tail = append(tail, l.Seq); return nil })
		if err != nil || fmt.Sprint(tail) != "[4984 4990 4996 5004]" && len(tail) != 5 {
			t.Errorf("tail %v, %v", tail, err)
		}
		text, err := filepath.Glob(filepath.Join(w.dir, "sealed", "*", "*"))
		if err != nil || len(text) != 3 {
			t.Errorf("class files: %v, %v", text, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	w := newWorld(t, testPolicy())
	w.record(60, mixed()...)
	w.rotate()
	w.record(1, portcullis.EventCallStarted)
	for range 89 {
		w.now = w.now.Add(day)
		w.pass()
	}
	w.check(0)
	if n := len(w.entries); n != 61 {
		t.Fatalf("%d records were written within 89 days", n-61)
	}
	w.now = w.now.Add(2 * day)
	w.pass()
	w.check(day + time.Hour)
	e, err := auditlog.ParseEntry(w.entries[61])
	if err != nil || e.Type != portcullis.EventAuditSegmentRemoved {
		t.Fatalf("%s, %v", w.entries[61], err)
	}
	for _, want := range []string{`"class":"access"`, `"first":0`, `"last":59`, `"records":40`, `"sha256":"`, `"removed_before":0`} {
		if !strings.Contains(string(w.entries[61]), want) {
			t.Errorf("the event lacks %s: %s", want, w.entries[61])
		}
	}
	if w.synced != 1 {
		t.Errorf("%d syncs before the removal", w.synced)
	}
	// Eight years on, nothing of the first segment is left, nor its manifest.
	for range 8 * 53 {
		w.now = w.now.Add(7 * day)
		w.rotate()
		w.pass()
	}
	w.check(15 * day)
	if n, err := sealed.RemovedBefore(w.dir); err != nil || n < 61 {
		t.Errorf("removed before %d, %v; want 61 or more", n, err)
	}
	// Who stood in what was removed is told so, and goes on.
	r := journal.NewReader(w.dir, journal.Cursor{Segment: 0, Offset: 100, Seq: 3})
	if _, err := r.Next(); !journal.IsExpired(err) {
		t.Errorf("a reader inside what is gone: %v", err)
	}
	if l, err := r.Next(); err != nil || l.Seq < 61 {
		t.Errorf("behind it: %d, %v", l.Seq, err)
	}
}

// TestAnyTime plays years with random events, restarts and crashes.
func TestAnyTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for i := range uint64(4) {
		t.Run(fmt.Sprint(seed+i), func(t *testing.T) { anyTime(t, rand.New(rand.NewPCG(seed+i, 0))) })
	}
}

var errCrash = errors.New("killed")

func anyTime(t *testing.T, rng *rand.Rand) {
	p := testPolicy()
	p.Security, p.Audit = 120*day, 300*day // years pass sooner
	w := newWorld(t, p)
	crashes, steps := 0, map[string]int{}
	var hold *Hold
	for round := range 90 {
		w.record(rng.IntN(30), mixed()[rng.IntN(6)], mixed()[rng.IntN(6)], mixed()[rng.IntN(6)])
		w.now = w.now.Add(time.Duration(rng.Int64N(int64(6 * day))))
		if rng.IntN(2) == 0 {
			w.rotate()
		}
		if rng.IntN(40) == 0 && hold == nil {
			h, err := w.k.Hold(t.Context(), Hold{Reason: "test", From: w.now.Add(-50 * day), To: w.now}, portcullis.Actor{ID: "alice"})
			if err != nil {
				t.Fatal(err)
			}
			hold = &h
		} else if rng.IntN(10) == 0 && hold != nil {
			if _, err := w.k.Lift(t.Context(), hold.ID, "", portcullis.Actor{ID: "alice"}); err != nil {
				t.Fatal(err)
			}
			hold = nil
		}
		if left := rng.IntN(12); rng.IntN(2) == 0 {
			w.k.step = func(name string) error {
				if left--; left < 0 {
					steps[name]++
					return errCrash
				}
				return nil
			}
		}
		err := w.k.Pass(t.Context())
		if errors.Is(err, errCrash) {
			crashes++
			w.check(0)
			w.restart()
			w.pass()
		} else if err != nil {
			t.Fatal(err)
		}
		w.k.step = nil
		if hold != nil {
			there := w.read(journal.Cursor{})
			for seq, at := range w.times {
				if !there[seq] && !at.Before(hold.From) && at.Before(hold.To) {
					t.Fatalf("record %d is gone in spite of a hold", seq)
				}
			}
		} else if round%5 == 0 {
			w.check(w.span + 30*day) // the clock of a process that often dies is late
		}
	}
	if hold != nil {
		if _, err := w.k.Lift(t.Context(), hold.ID, "", portcullis.Actor{ID: "alice"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 { // now it lives
		w.rotate()
		w.now = w.now.Add(2 * day)
		w.pass()
	}
	w.check(w.span + 5*day)
	t.Logf("%d records, %d crashes: %v", len(w.entries), crashes, steps)
}
