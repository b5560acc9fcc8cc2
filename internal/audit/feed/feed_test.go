package feed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Default(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return j
}

func write(t *testing.T, j *journal.Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e := &portcullis.Event{Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending, Resource: fmt.Sprint(i)}
		if err := j.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func follow(t *testing.T, dir string, opts feed.Options) *feed.Feed {
	t.Helper()
	f, err := feed.Open(dir, "sink-1", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// want reads records from to to, and commits them if asked.
func want(t *testing.T, f *feed.Feed, from, to int, commit bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := from; i < to; i++ {
		r, err := f.Next(ctx)
		if err != nil || r.Event.Resource != fmt.Sprint(i) || r.Seq != uint64(i) {
			t.Fatalf("record %q number %d, %v; want %d", r.Event.Resource, r.Seq, err, i)
		}
		if commit {
			if err := f.Commit(r.Next); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestGoesOnWhereItWasCommitted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, 0, 10)
	f := follow(t, dir, feed.Options{})
	want(t, f, 0, 4, true)
	want(t, f, 4, 10, false) // not done: they come again
	if _, ok, err := f.Poll(); ok || err != nil {
		t.Fatalf("at the end: %t, %v", ok, err)
	}
	if err := f.Rewind(); err != nil {
		t.Fatal(err)
	}
	want(t, f, 4, 5, false)
	again := follow(t, dir, feed.Options{})
	want(t, again, 4, 10, true)
	write(t, j, 10, 12)
	want(t, again, 10, 12, false)
	if got := follow(t, dir, feed.Options{}).Cursor(); got != again.Committed() {
		t.Errorf("a third begins at %v, want %v", got, again.Committed())
	}
}

func TestNewConsumerFromTheEnd(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, 0, 3)
	follow(t, dir, feed.Options{FromEnd: true})
	write(t, j, 3, 5)
	want(t, follow(t, dir, feed.Options{FromEnd: true}), 3, 5, false) // its place was stored when it began
}

func TestLostPlaceBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, 0, 3)
	want(t, follow(t, dir, feed.Options{}), 0, 3, true)
	if err := os.WriteFile(filepath.Join(dir, feed.Folder, "sink-1"), []byte("not a place"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, follow(t, dir, feed.Options{FromEnd: true}), 0, 3, false)
}

func TestDamageIsToldAndPassed(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	write(t, j, 0, 3)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "journal", "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage []error
	f := follow(t, dir, feed.Options{Damaged: func(err error) { damage = append(damage, err) }})
	want(t, f, 0, 1, false)
	r, err := f.Next(t.Context())
	if err != nil || r.Seq != 2 || len(damage) != 1 || !journal.IsDamage(damage[0]) {
		t.Errorf("record %d, %v behind %v", r.Seq, err, damage)
	}
}

func TestOpensEventsAndRefusesNames(t *testing.T) {
	dir := t.TempDir()
	write(t, open(t, dir), 0, 1)
	f := follow(t, dir, feed.Options{Open: func(e *portcullis.Event) { e.Actor.ID = "opened" }})
	if r, err := f.Next(t.Context()); err != nil || r.Event.Actor.ID != "opened" {
		t.Errorf("%+v, %v", r.Event.Actor, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next after the end of its context: %v", err)
	}
	for _, name := range []string{"", "..", "a/b", "A", ".x"} {
		if _, err := feed.Open(dir, name, feed.Options{}); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}
