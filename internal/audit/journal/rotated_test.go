package journal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/rotate"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
)

// TestSecurityLogRotates: by size and by age, with the rights of the file, and
// every event once in one of the files, also across restarts.
func TestSecurityLogRotates(t *testing.T) {
	dir := t.TempDir()
	cfg := Default()
	cfg.SecurityBytes = 64 << 10
	const rounds, each = 12, 300
	cfg.SecurityLog = false // it is driven by hand
	j := openTest(t, dir, cfg, Options{})
	s := newSecurityLog(dir, cfg, slog.New(slog.DiscardHandler), nil)
	for n := range rounds {
		if n == rounds/2 { // a restart
			s = newSecurityLog(dir, cfg, slog.New(slog.DiscardHandler), nil)
		}
		at := j.End()
		for range each {
			e := refusal("")
			e.Time = time.Now()
			mustRecord(t, j, e)
		}
		s.note(at)
		if !s.copy(nil) {
			t.Fatal("not copied")
		}
	}
	closeTest(t, j)
	rotated, err := rotate.Files(dir)
	if err != nil || len(rotated) < 2 {
		t.Fatalf("%d rotated files, %v", len(rotated), err)
	}
	seen := map[string]bool{}
	files := []string{filepath.Join(dir, securityName)}
	for i, r := range rotated {
		files = append(files, r.Path)
		if i > 0 && r.At.Before(rotated[i-1].At) {
			t.Error("not ordered by time")
		}
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != openMode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			e, err := auditlog.ParseEntry(bytes.TrimSuffix(line, []byte{'\n'}))
			if err != nil || seen[e.ID] {
				t.Fatalf("event %s is there twice, or %v", e.ID, err)
			}
			seen[e.ID] = true
		}
	}
	if len(seen) != rounds*each {
		t.Errorf("%d events, want %d", len(seen), rounds*each)
	}
}

func TestSecurityLogRotatesByAge(t *testing.T) {
	dir := t.TempDir()
	cfg := Default()
	cfg.SecurityLog = false // it is driven by hand
	j := openTest(t, dir, cfg, Options{})
	s := newSecurityLog(dir, cfg, slog.New(slog.DiscardHandler), nil)
	for _, age := range []time.Duration{40 * 24 * time.Hour, time.Minute, 0} {
		at := j.End()
		e := refusal("")
		e.Time = time.Now().Add(-age)
		mustRecord(t, j, e)
		s.note(at)
		if !s.copy(nil) {
			t.Fatal("not copied")
		}
	}
	closeTest(t, j)
	if rotated, err := rotate.Files(dir); err != nil || len(rotated) != 1 {
		t.Errorf("%v, %v", rotated, err)
	}
}

func TestSync(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, Default(), Options{})
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	e := refusal("")
	if err := j.Record(context.Background(), &e); err != nil {
		t.Fatal(err)
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	closeTest(t, j)
	if err := j.Sync(); !errors.Is(err, ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
}

// TestNumbersAreNotGivenTwice: even if the segment in use vanished, what is
// divided keeps its numbers.
func TestNumbersAreNotGivenTwice(t *testing.T) {
	dir, path := written(t, "a", "b", "c")
	if _, err := sealed.Divide(t.Context(), dir, path, 0, sealed.Options{Compression: sealed.Zstd, NotAfter: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	j := openTest(t, dir, Default(), Options{})
	if got := j.End().Seq; got != 3 {
		t.Errorf("the next number is %d, want 3", got)
	}
	closeTest(t, j)
	// Without its manifest it is a gap, and readers go on behind it.
	all, err := sealed.List(dir)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	manifest := filepath.Join(sealed.Dir(dir), all[0].String()+".json")
	r := NewReader(dir, Cursor{Seq: 1, Segment: 0, Offset: 100})
	if l, err := r.Next(); err != nil || l.Seq != 1 {
		t.Errorf("record %d, %v", l.Seq, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, []byte("{}"), openMode); err != nil {
		t.Fatal(err)
	}
	r = NewReader(dir, Cursor{Seq: 1, Segment: 0, Offset: 100})
	var corrupt *auditlog.CorruptError
	if _, err := r.Next(); !errors.As(err, &corrupt) {
		t.Errorf("a damaged manifest: %v", err)
	}
	var gap *GapError
	if _, err := r.Next(); !errors.As(err, &gap) || gap.From != 1 || gap.To != 3 {
		t.Errorf("behind it: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
