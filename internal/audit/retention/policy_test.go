package retention

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/retention/archive"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

func TestAdvance(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		kept, wall time.Time
		elapsed    time.Duration
		want       time.Time
		behind     bool
	}{
		"first":              {time.Time{}, at, 0, at, false},
		"with the wall":      {at, at.Add(time.Hour), time.Hour, at.Add(time.Hour), false},
		"after a long sleep": {at, at.Add(60 * day), 0, at, false},
		"catching up":        {at, at.Add(60 * day), time.Hour, at.Add(day), false},
		"a little back":      {at, at.Add(-time.Second), time.Hour, at, false},
		"back":               {at, at.Add(-time.Hour), time.Hour, at, true},
		"elapsed backwards":  {at, at.Add(day), -time.Hour, at, false},
	} {
		got, behind := advance(c.kept, c.wall, c.elapsed)
		if !got.Equal(c.want) || behind != c.behind {
			t.Errorf("%s: %v, %t; want %v, %t", what, got, behind, c.want, c.behind)
		}
	}
}

// TestClock sets the wall clock wrong in both directions.
func TestClock(t *testing.T) {
	w := newWorld(t, testPolicy())
	w.record(60, mixed()...)
	w.rotate()
	w.now = w.now.Add(2 * time.Hour)
	w.pass()
	right := w.now

	w.k.elapsed = func() time.Duration { return w.k.since + Interval }
	w.now = right.AddDate(14, 0, 0) // for an hour
	for range 6 {
		w.pass()
	}
	w.record(60, mixed()...) // bear the wrong time
	w.rotate()
	w.now = w.now.Add(2 * time.Hour)
	w.pass()
	for seq, there := range w.read(journal.Cursor{}) {
		if !there {
			t.Fatalf("record %d is gone", seq)
		}
	}
	w.now = right.Add(3 * time.Hour) // put right
	w.pass()
	if s, err := w.k.Status(); err != nil || !s.Behind || s.Time.After(right.Add(2*day)) {
		t.Errorf("after the jump: %+v, %v", s, err)
	}
	w.now = time.Unix(0, 0) // a machine that lost its clock
	w.record(60, mixed()...)
	w.rotate()
	w.now = w.now.Add(2 * time.Hour)
	w.pass()
	w.k.elapsed = func() time.Duration { return w.k.since + day }
	for n := range 60 {
		w.now = right.Add(time.Duration(n) * day)
		w.pass()
	}
	for seq, there := range w.read(journal.Cursor{}) {
		if !there {
			t.Fatalf("record %d is gone, after 60 days", seq)
		}
	}
	w.now = right.Add(95 * day)
	w.pass()
	w.pass()
	left := 0
	for seq, there := range w.read(journal.Cursor{}) {
		if there && seq < 180 && w.classes[seq] == class.Access {
			left++
		}
	}
	if left != 0 {
		t.Errorf("%d records of class access are left after 95 days: wrong clocks keep them", left)
	}
}

func TestConsumers(t *testing.T) {
	p := testPolicy()
	p.Essential = []Essential{{Name: "tiles", Folder: "tile"}}
	w := newWorld(t, p)
	cursor := func(name, text string) {
		t.Helper()
		path := filepath.Join(w.dir, "cursors", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	isDivided := func() bool { return !exists(segment.Path(w.dir, 0)) }
	w.record(60, mixed()...)
	w.rotate()
	cursor("sink-splunk", "0:100:1")
	w.now = w.now.Add(2 * day)
	w.pass()
	if s, err := w.k.Status(); err != nil || isDivided() || s.Waiting != "sink-splunk" {
		t.Fatalf("divided %t, waiting for %q, %v", isDivided(), s.Waiting, err)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "tile"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(400 * day)
	w.pass()
	if isDivided() {
		t.Fatal("divided without the tiles")
	}
	cursor("tiles", "not a cursor")
	w.pass()
	if isDivided() {
		t.Fatal("divided although nobody knows where the tiles are")
	}
	cursor("tiles", "60:0:60")
	w.pass() // the sink had its time
	if !isDivided() {
		t.Fatal("a sink that lags holds the log for ever")
	}
	w.k.elapsed = func() time.Duration { return w.k.since + 100*day }
	w.pass()
	last := string(w.entries[len(w.entries)-1])
	if !strings.Contains(last, `"unread_by":"sink-splunk"`) || !strings.Contains(last, `"severity":"WARN"`) {
		t.Errorf("the removal does not say who missed it: %s", last)
	}
	cursor("tiles", "0:0:10") // went back: an audit file that it needs stays
	w.now = w.now.Add(10 * 365 * day)
	w.pass()
	if !exists(filepath.Join(w.dir, "sealed", "audit", sealed.Range{First: 0, Last: 59}.String()+".log.zst")) {
		t.Error("removed what the tiles need")
	}
}

func TestHoldsAreStrict(t *testing.T) {
	w := newWorld(t, testPolicy())
	w.record(60, mixed()...)
	w.rotate()
	w.now = w.now.Add(2 * time.Hour)
	w.pass()
	by := portcullis.Actor{ID: "alice"}
	for what, h := range map[string]Hold{
		"no reason": {}, "class": {Reason: "x", Class: "all"}, "over": {Reason: "x", Until: w.now},
		"range": {Reason: "x", From: w.now, To: w.now},
	} {
		var invalid *InvalidError
		if _, err := w.k.Hold(t.Context(), h, by); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	n := len(w.entries)
	h, err := w.k.Hold(t.Context(), Hold{Reason: "case", Class: class.Access, Until: w.now.Add(200 * day)}, by)
	if err != nil || len(w.entries) != n+1 {
		t.Fatal(err)
	}
	if s, err := w.k.Status(); err != nil || s.Holds != 1 { // without waiting for the next pass
		t.Errorf("%+v, %v", s, err)
	}
	w.k.elapsed = func() time.Duration { return w.k.since + 100*day }
	for range 4 {
		w.now = w.now.Add(45 * day)
		w.pass()
	}
	w.check(0)
	if s, err := w.k.Status(); err != nil || s.Classes[0].Held != 1 || s.Classes[0].Files != 1 {
		t.Errorf("%+v, %v", s.Classes, err)
	}
	w.now = w.now.Add(45 * day)
	w.pass()
	if _, err := w.k.Lift(t.Context(), h.ID, "", by); !errors.Is(err, ErrNoHold) {
		t.Errorf("a hold whose end is reached: %v", err)
	}
	if w.read(journal.Cursor{})[0] {
		t.Error("the hold did not end")
	}
	// A file of holds that is not understood holds everything.
	path := filepath.Join(w.dir, holdsName)
	if err := os.WriteFile(path, []byte(`[{"id":"1","reason":"x","scope":"new"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(400 * day)
	if err := w.k.Pass(t.Context()); err == nil || !w.read(journal.Cursor{})[4] {
		t.Errorf("a strange hold was passed over: %v", err)
	}
}

func FuzzHolds(f *testing.F) {
	f.Add([]byte(`[{"id":"1","reason":"x","by":"alice","at":"2026-01-01T00:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		holds, err := parseHolds(data)
		if err != nil {
			return
		}
		dir := t.TempDir()
		if err := saveHolds(dir, holds); err != nil {
			t.Skip() // a year beyond what JSON can say
		}
		if again, err := loadHolds(dir); err != nil || len(again) != len(holds) {
			t.Fatalf("%v, %v", again, err)
		}
	})
}

type failing struct{ err error }

func (f failing) Put(context.Context, string, string, int64, string) (string, error) {
	return "", f.err
}

func TestArchive(t *testing.T) {
	p := testPolicy()
	down := errors.New("down")
	p.Archive, p.ArchiveWhen = failing{down}, WhenExpired
	w := newWorld(t, p)
	w.record(60, mixed()...)
	w.rotate()
	w.k.elapsed = func() time.Duration { return w.k.since + 100*day }
	w.now = w.now.Add(2 * time.Hour)
	w.pass()
	w.now = w.now.Add(100 * day)
	if err := w.k.Pass(t.Context()); !errors.Is(err, down) {
		t.Fatalf("the archive is down: %v", err)
	}
	if !w.read(journal.Cursor{})[0] || len(w.entries) != 60 {
		t.Fatal("removed although the archive is down")
	}
	to := t.TempDir()
	p.Archive, p.ArchiveWhen = archive.Directory{Path: to}, WhenSealed
	w.k.SetPolicy(p)
	w.pass()
	if w.read(journal.Cursor{})[0] {
		t.Error("not removed although it is archived")
	}
	name := sealed.Range{First: 0, Last: 59}.String() + ".log.zst"
	for _, c := range class.All() {
		if !exists(filepath.Join(to, string(c), name)) {
			t.Errorf("class %s is not in the archive", c)
		}
	}
	if last := string(w.entries[60]); !strings.Contains(last, `"archived_to":"`+to) {
		t.Errorf("the event does not say where it is: %s", last)
	}
	// A class file that was changed since is neither archived nor removed.
	path := filepath.Join(w.dir, "sealed", "security", name)
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p.Archive = archive.Directory{Path: t.TempDir()}
	w.k.SetPolicy(p)
	w.k.segs[0].File(class.Security).ArchivedTo = ""
	if err := w.k.Pass(t.Context()); err == nil || !exists(path) {
		t.Errorf("a damaged class file went to the archive: %v", err)
	}
}

func TestDamagedSegmentIsKept(t *testing.T) {
	w := newWorld(t, testPolicy())
	w.record(60, mixed()...)
	path := segment.Path(w.dir, 0)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[100] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.rotate()
	w.k.elapsed = func() time.Duration { return w.k.since + 100*day }
	for range 3 {
		w.now = w.now.AddDate(10, 0, 0)
		w.pass()
	}
	if s, err := w.k.Status(); err != nil || len(s.Damaged) != 1 || !exists(path) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRotatedSecurityLogs(t *testing.T) {
	w := newWorld(t, testPolicy())
	w.pass()
	path := filepath.Join(w.dir, "security-20260101T000000.000Z.log")
	if err := errors.Join(os.WriteFile(path, []byte("x\n"), 0o600), os.Chtimes(path, w.now, w.now)); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(364 * day)
	w.pass()
	h, err := w.k.Hold(t.Context(), Hold{Reason: "x", Class: class.Security}, portcullis.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * day)
	w.pass()
	if !exists(path) {
		t.Fatal("removed before its time, or in spite of a hold")
	}
	if _, err := w.k.Lift(t.Context(), h.ID, "", portcullis.Actor{}); err != nil {
		t.Fatal(err)
	}
	w.pass()
	if exists(path) {
		t.Error("not removed at the end of its time")
	}
}

// TestNewRecordsAfterALongStop: what is recorded while the keeper's time catches
// up is kept as long as everything else.
func TestNewRecordsAfterALongStop(t *testing.T) {
	w := newWorld(t, shortPolicy())
	w.record(60, mixed()...)
	w.pass()
	w.now = w.now.Add(100 * day)
	w.restart()
	w.record(60, mixed()...)
	w.rotate()
	for range 80 * 24 {
		w.now = w.now.Add(time.Hour)
		w.pass()
	}
	w.check(0)
}
