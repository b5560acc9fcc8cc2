package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// spread returns a directory whose journal spreads n records over segments.
func spread(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	j := openTest(t, dir, Default(), Options{})
	for i := range n {
		e := call(fmt.Sprint(i))
		e.Time = time.Unix(int64(1e9+i), 0).UTC()
		e.RequestID = fmt.Sprintf("request-%d", i/2)
		if i%3 == 0 {
			e.Type, e.Severity = portcullis.EventAuthzDenied, portcullis.SeverityWarn
			e.Actor.ID = "mallory"
		}
		if i%4 == 3 {
			j.writing.Lock()
			j.renew = true
			j.writing.Unlock()
		}
		mustRecord(t, j, e)
	}
	closeTest(t, j)
	return dir
}

// TestCursorsResume: from the cursor behind each record, the rest is read.
func TestCursorsResume(t *testing.T) {
	dir := spread(t, 23)
	var cursors []Cursor
	for line, err := range All(dir, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, line.Next)
	}
	if len(cursors) != 23 {
		t.Fatalf("%d records", len(cursors))
	}
	for i, c := range cursors {
		text, err := c.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again Cursor
		if err := again.UnmarshalText(text); err != nil || again != c {
			t.Errorf("cursor %v written as %s reads %v, %v", c, text, again, err)
		}
		n := i + 1
		for line, err := range All(dir, again) {
			if err != nil || line.Seq != uint64(n) {
				t.Fatalf("from %s: record %d, %v; want %d", text, line.Seq, err, n)
			}
			n++
		}
		if n != 23 {
			t.Errorf("from %s: read up to %d", text, n)
		}
	}
	for _, bad := range []string{"", "1", "1:2", "a:b:c", "1:-2:3", "5:0:4"} {
		if err := new(Cursor).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("cursor %q accepted", bad)
		}
	}
}

// TestEnd: the journal and its readers agree on where it ends.
func TestEnd(t *testing.T) {
	dir := spread(t, 9)
	j := openTest(t, dir, Default(), Options{})
	defer closeTest(t, j)
	for range 3 {
		var end Cursor
		for line, err := range All(dir, Cursor{}) {
			if err != nil {
				t.Fatal(err)
			}
			end = line.Next
		}
		if got := j.End(); got != end {
			t.Errorf("journal ends at %+v, its reader at %+v", got, end)
		}
		mustRecord(t, j, call(""))
	}
}

func TestRemovedSegments(t *testing.T) {
	dir := spread(t, 23)
	firsts, err := segment.List(dir)
	if err != nil || len(firsts) < 5 {
		t.Fatal(firsts, err)
	}
	remove := func(first uint64) {
		if err := os.Remove(filepath.Join(dir, segment.Folder, segment.Name(first))); err != nil {
			t.Fatal(err)
		}
	}
	remove(firsts[0]) // as retention does
	for line, err := range All(dir, Cursor{}) {
		if err != nil || line.Seq != firsts[1] {
			t.Errorf("oldest record %d, %v; want %d", line.Seq, err, firsts[1])
		}
		break
	}
	remove(firsts[2])
	n := uint64(0)
	var gaps []string
	for _, err := range All(dir, Cursor{Segment: firsts[0], Offset: 7, Seq: 1}) {
		var gap *GapError
		if errors.As(err, &gap) {
			gaps = append(gaps, fmt.Sprint(gap.From, gap.To))
		} else if err != nil {
			t.Fatal(err)
		} else {
			n++
		}
	}
	want := []string{fmt.Sprint(1, firsts[1]), fmt.Sprint(firsts[2], firsts[3])}
	if strings.Join(gaps, ";") != strings.Join(want, ";") || n != 23-firsts[1]-(firsts[3]-firsts[2]) {
		t.Errorf("gaps %q, want %q; %d records", gaps, want, n)
	}
}

func TestReaderOfNothing(t *testing.T) {
	r := NewReader(t.TempDir(), Cursor{})
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want EOF", err)
		}
	}
}

// TestReaderSeesNoHalfLine shows a reader each prefix of a growing segment.
func TestReaderSeesNoHalfLine(t *testing.T) {
	_, path := written(t, "a", "b", "c")
	whole := readFile(t, path)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, segment.Folder), 0o700); err != nil {
		t.Fatal(err)
	}
	r := NewReader(dir, Cursor{})
	defer r.Close()
	got := ""
	for n := range len(whole) + 1 {
		writeFile(t, filepath.Join(dir, segment.Folder, segment.Name(0)), whole[:n])
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			e, err := auditlog.ParseEntry(line.Entry)
			if err != nil {
				t.Fatal(err)
			}
			got += e.ID
		}
	}
	if got != "abc" {
		t.Errorf("read %q", got)
	}
}

// TestReadWhileWriting: a reader that never stops sees every record once, in
// order, across rotations.
func TestReadWhileWriting(t *testing.T) {
	dir := t.TempDir()
	cfg := Default()
	cfg.SegmentBytes = 1 << 20
	j := openTest(t, dir, cfg, Options{})
	const records = 8000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range records / 4 {
				mustRecord(t, j, call(""))
			}
		})
	}
	r := NewReader(dir, Cursor{})
	defer r.Close()
	for n := uint64(0); n < records; {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil || line.Seq != n {
			t.Fatalf("record %d: got %d, %v", n, line.Seq, err)
		}
		n++
	}
	wg.Wait()
	closeTest(t, j)
}

func tailed(t *testing.T, dir string, opts TailOptions) string {
	t.Helper()
	var ids []string
	err := Tail(context.Background(), dir, opts, func(_ Line, e portcullis.Event) error {
		ids = append(ids, e.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(ids, " ")
}

func TestTailLast(t *testing.T) {
	dir := spread(t, 23)
	for _, tt := range []struct {
		opts TailOptions
		want string
	}{
		{TailOptions{Last: 0}, ""},
		{TailOptions{Last: 1}, "22"},
		{TailOptions{Last: 6}, "17 18 19 20 21 22"},
		{TailOptions{Last: 3, Filter: Filter{Types: []portcullis.EventType{portcullis.EventAuthzDenied}}}, "15 18 21"},
		{TailOptions{Last: -1, Filter: Filter{Actor: "mallory"}}, "0 3 6 9 12 15 18 21"},
		{TailOptions{Last: 100, Filter: Filter{Actor: "mallory"}}, "0 3 6 9 12 15 18 21"},
		{TailOptions{Last: 100, Filter: Filter{RequestID: "request-4"}}, "8 9"},
		{TailOptions{Last: 100, Filter: Filter{Since: time.Unix(1e9+20, 0)}}, "20 21 22"},
		{TailOptions{Last: 5, Filter: Filter{Actor: "nobody"}}, ""},
	} {
		if got := tailed(t, dir, tt.opts); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.opts, got, tt.want)
		}
	}
	if got := tailed(t, t.TempDir(), TailOptions{Last: 5}); got != "" {
		t.Errorf("tail of nothing: %q", got)
	}
}

func TestTailFollows(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, Default(), Options{})
	mustRecord(t, j, call("old"))
	mustRecord(t, j, call("last"))
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- Tail(ctx, dir, TailOptions{Last: 1, Follow: true}, func(_ Line, e portcullis.Event) error {
			seen <- e.ID
			return nil
		})
	}()
	for _, id := range []string{"last", "x", "y", "z"} {
		if id != "last" {
			mustRecord(t, j, call(id))
		}
		if got := <-seen; got != id {
			t.Errorf("saw %q, want %q", got, id)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	closeTest(t, j)
}

func TestTailOverDamage(t *testing.T) {
	dir, path := written(t, "a", "b", "c")
	data := readFile(t, path)
	data[len(data)/2] ^= 1
	writeFile(t, path, data)
	var damage []error
	got := tailed(t, dir, TailOptions{Last: -1, Damage: func(err error) error { damage = append(damage, err); return nil }})
	if got != "a c" || len(damage) != 1 {
		t.Errorf("saw %q, damage %v", got, damage)
	}
	err := Tail(context.Background(), dir, TailOptions{Last: -1}, func(Line, portcullis.Event) error { return nil })
	if err == nil {
		t.Error("damage passed over silently")
	}
}

func securityIDs(t *testing.T, dir string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, securityName)))) {
		e, err := auditlog.ParseEntry([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatalf("security.log: %v", err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func securityInJournal(t *testing.T, dir string) []string {
	t.Helper()
	var ids []string
	for line, err := range All(dir, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := auditlog.ParseEntry(line.Entry)
		if err != nil {
			t.Fatal(err)
		}
		if inSecurityLog(&e) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func TestSecurityLog(t *testing.T) {
	dir := t.TempDir()
	for run := range 3 {
		j := openTest(t, dir, Default(), Options{})
		for i := range 50 {
			e := call(fmt.Sprintf("%d-%d", run, i))
			switch i % 5 {
			case 1:
				e = refusal(e.ID)
			case 2: // a security event, but INFO
				e.Type = portcullis.EventAPIKeyCreated
			}
			mustRecord(t, j, e)
		}
		closeTest(t, j)
	}
	got := securityIDs(t, dir)
	if want := securityInJournal(t, dir); fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 30 {
		t.Errorf("security.log holds %q, want %q", got, want)
	}
	wantMode(t, filepath.Join(dir, securityName), 0o600)

	// Without its cursor it is made whole again without repeating itself.
	if err := os.Remove(filepath.Join(dir, securityCursorName)); err != nil {
		t.Fatal(err)
	}
	closeTest(t, openTest(t, dir, Default(), Options{}))
	if again := securityIDs(t, dir); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("after losing the cursor: %q", again)
	}

	// Renamed away, as logrotate does, it begins anew with what follows.
	if err := os.Rename(filepath.Join(dir, securityName), filepath.Join(dir, "security.log.1")); err != nil {
		t.Fatal(err)
	}
	j := openTest(t, dir, Default(), Options{})
	mustRecord(t, j, refusal("after"))
	closeTest(t, j)
	if again := securityIDs(t, dir); len(again) != 1 || again[0] != "after" {
		t.Errorf("after renaming: %q", again)
	}
}

// TestSecurityLogCannotBeWritten: the journal does not mind, and what is
// missing follows.
func TestSecurityLogCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, securityName)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	var out logged
	j := openTest(t, dir, Default(), Options{Log: out.logger()})
	mustRecord(t, j, refusal("a"))
	closeTest(t, j)
	if !strings.Contains(out.String(), "security log cannot be written") {
		t.Errorf("not logged: %q", out.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	closeTest(t, openTest(t, dir, Default(), Options{}))
	if got := securityIDs(t, dir); len(got) != 1 || got[0] != "a" {
		t.Errorf("security.log holds %q", got)
	}
}

// TestSecurityLogNotedLate: an event may be copied before the journal comes to
// note it; it is not copied again.
func TestSecurityLogNotedLate(t *testing.T) {
	dir := spread(t, 12)
	if err := os.Remove(filepath.Join(dir, securityName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, securityCursorName)); err != nil {
		t.Fatal(err)
	}
	s := newSecurityLog(dir, Default(), slog.New(slog.DiscardHandler), nil)
	for _, seq := range []uint64{0, 3, 9} {
		s.note(Cursor{Seq: seq})
		if !s.copy(nil) {
			t.Fatal("not copied")
		}
	}
	if got := fmt.Sprint(securityIDs(t, dir)); got != "[0 3 6 9]" {
		t.Errorf("security.log holds %s", got)
	}
}
