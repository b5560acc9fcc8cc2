package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

const (
	testRecords = 3*BlockSize + 1000
	testSegment = 7000 // blocks reach over segments
)

// makeLog makes a log of three blocks and the beginning of a fourth.
func makeLog(t testing.TB) (*Index, string) {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, 0, testRecords, testSegment)
	x := New(dir, Options{})
	t.Cleanup(func() { _ = x.Close() })
	return x, dir
}

func update(t testing.TB, x *Index) {
	t.Helper()
	if err := x.Update(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func ask(t testing.TB, x *Index, q Query) Result {
	t.Helper()
	r, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return r
}

// record is one record of a journal.
type record struct {
	seq   uint64
	event portcullis.Event
}

// readAll reads a journal, the newest record first.
func readAll(t testing.TB, x *Index) []record {
	t.Helper()
	var out []record
	for line, err := range journal.All(x.dir, journal.Cursor{}) {
		if err != nil {
			if journal.IsDamage(err) {
				continue
			}
			t.Fatal(err)
		}
		if e, err := auditlog.ParseEntry(line.Entry); err == nil {
			out = append(out, record{line.Seq, e})
		}
	}
	slices.Reverse(out)
	return out
}

// brute answers a question by looking at all records.
func brute(x *Index, q Query, all []record) []uint64 {
	var out []uint64
	m := newMatcher(&q, &x.opts)
	for i := range all {
		e := all[i].event // a match opens it
		if m.match(&e) && (q.Before == 0 || all[i].seq < q.Before) {
			out = append(out, all[i].seq)
		}
	}
	return out
}

func numbers(r Result) []uint64 {
	var out []uint64
	for _, f := range r.Events {
		out = append(out, f.Seq)
	}
	return out
}

// compare asks a question page by page and wants what reading all finds.
func compare(t testing.TB, x *Index, q Query) {
	t.Helper()
	compareWith(t, x, q, readAll(t, x))
}

func compareWith(t testing.TB, x *Index, q Query, records []record) {
	t.Helper()
	want := brute(x, q, records)
	var got []uint64
	for range 1000 {
		r := ask(t, x, q)
		got = append(got, numbers(r)...)
		if len(r.Events) > max(q.Limit, DefaultLimit) && q.Limit > 0 || r.Partial {
			t.Fatalf("%+v: %d events, partial %t", q, len(r.Events), r.Partial)
		}
		if r.More == 0 || len(got) > len(want) {
			break
		}
		q.Before = r.More
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v:\ngot  %d: %v\nwant %d: %v", q, len(got), head(got), len(want), head(want))
	}
}

func head(list []uint64) []uint64 { return list[:min(len(list), 20)] }

// randomQuery asks for some fields of a random event, and for others at will.
func randomQuery(r *rand.Rand, records int) Query {
	e := makeEvent(r.IntN(records))
	q := Query{Limit: 200 + r.IntN(3000)}
	set := func(p float64, do func()) {
		if r.Float64() < p {
			do()
		}
	}
	set(.3, func() { q.Types = []portcullis.EventType{e.Type} })
	set(.1, func() { q.Types = append(q.Types, portcullis.EventCallFinished, "NO_SUCH_TYPE") })
	set(.2, func() { q.Severity = severities[r.IntN(4)] })
	set(.2, func() { q.Outcomes = []portcullis.Outcome{e.Outcome} })
	set(.3, func() { q.Actor = e.Actor.ID })
	set(.1, func() { q.Actor = e.Actor.KeyID })
	set(.2, func() { q.Resource = e.Resource })
	set(.2, func() { q.Route = e.Route })
	set(.1, func() { q.Reason = e.Reason })
	set(.05, func() { q.RequestID = e.RequestID })
	set(.1, func() { q.Address = netip.PrefixFrom(e.Actor.IP, 32) })
	set(.1, func() { q.Address = netip.PrefixFrom(e.Actor.IP, []int{8, 24, 29}[r.IntN(3)]).Masked() })
	set(.3, func() { q.Since = e.Time.Add(-time.Duration(r.IntN(100)) * time.Second) })
	set(.3, func() { q.Until = e.Time.Add(time.Duration(1+r.IntN(100)) * time.Second) })
	set(.1, func() {
		q.Text = []string{"scope", "SECRET aws", "tool_07", "needle", "403", "status 200", "absent", "call pii"}[r.IntN(8)]
	})
	set(.1, func() { q.Before = uint64(r.IntN(records)) })
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		q.Until = time.Time{}
	}
	return q
}

// What the index answers is what reading the whole journal finds.
func TestSearchEqualsReadingAll(t *testing.T) {
	x, dir := makeLog(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, indexed := range []string{"none", "most", "grown"} {
		switch indexed {
		case "most":
			update(t, x)
			s, err := x.Status(t.Context())
			if err != nil || s.Blocks != 3 || s.Indexed != 3*BlockSize || s.Written != testRecords {
				t.Fatalf("status %+v, %v", s, err)
			}
		case "grown":
			fill(t, dir, testRecords, testRecords+BlockSize, testSegment)
		}
		n := 20
		if indexed == "none" {
			n = 3
		}
		records := readAll(t, x)
		for range n {
			q := randomQuery(r, testRecords)
			if indexed == "none" {
				q.Limit = MaxLimit
			}
			compareWith(t, x, q, records)
		}
	}
	update(t, x)
	compare(t, x, Query{Limit: MaxLimit})
}

func TestNewestFirstAndNoMore(t *testing.T) {
	x, _ := makeLog(t)
	update(t, x)
	r := ask(t, x, Query{Types: []portcullis.EventType{portcullis.EventCallFinished}})
	if len(r.Events) != DefaultLimit || r.More != r.Events[DefaultLimit-1].Seq || r.Unindexed != 1000 {
		t.Fatalf("%d events, more %d, unindexed %d", len(r.Events), r.More, r.Unindexed)
	}
	if e := r.Events[0].Event; !reflect.DeepEqual(e, makeEvent(int(r.Events[0].Seq))) {
		t.Errorf("got %+v", e)
	}
	// exactly as many as there are: nothing more
	all := brute(x, Query{Severity: portcullis.SeverityCritical}, readAll(t, x))
	if r := ask(t, x, Query{Severity: portcullis.SeverityCritical, Limit: len(all)}); r.More != 0 || len(r.Events) != len(all) {
		t.Errorf("%d of %d, more %d", len(r.Events), len(all), r.More)
	}
}

func TestDamageAndGapsAreReadOver(t *testing.T) {
	x, dir := makeLog(t)
	name := filepath.Join(dir, "journal", fmt.Sprintf("%020d.log", testSegment))
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1000; i < len(text); i += 100_000 {
		text[i] ^= 1
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	update(t, x)
	compare(t, x, Query{Actor: "user:007", Limit: 1000})
	if err := os.Remove(name); err != nil { // a segment in the middle is gone
		t.Fatal(err)
	}
	compare(t, x, Query{Actor: "user:007", Limit: 1000})
	update(t, x)
	compare(t, x, Query{Text: "scope", Limit: 1000})
}

func TestExpiredSegmentsLeaveTheIndex(t *testing.T) {
	x, dir := makeLog(t)
	update(t, x)
	before, err := x.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for first := 0; first < 2*BlockSize; first += testSegment {
		if err := os.Remove(filepath.Join(dir, "journal", fmt.Sprintf("%020d.log", first))); err != nil {
			t.Fatal(err)
		}
	}
	update(t, x)
	after, err := x.Status(t.Context())
	if err != nil || after.Blocks >= before.Blocks {
		t.Fatalf("%d blocks, %d before, %v", after.Blocks, before.Blocks, err)
	}
	compare(t, x, Query{Actor: "user:007", Limit: 1000})
	db, err := x.questions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var orphans int
	err = db.QueryRow("SELECT (SELECT count(*) FROM terms WHERE id NOT IN (SELECT term FROM lists)) + (SELECT count(*) FROM columns WHERE id / 4 NOT IN (SELECT id FROM blocks))").Scan(&orphans)
	if err != nil || orphans != 0 {
		t.Errorf("%d rows of what is gone, %v", orphans, err)
	}
}

// Whatever is in the file, the index is made again and nothing is missed.
func TestBadFilesAreMadeAgain(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"garbage": func(p string) error {
			return os.WriteFile(p, []byte("no database at all, and long enough to be looked at"), 0o600)
		},
		"empty":    func(p string) error { return os.Truncate(p, 0) },
		"cut":      func(p string) error { return os.Truncate(p, 20000) },
		"gone":     os.Remove,
		"flipped":  flip,
		"an older": func(p string) error { return execute(p, "PRAGMA user_version = 0") },
		"lists":    func(p string) error { return execute(p, "UPDATE lists SET list = x'07ffff'") },
		"columns":  func(p string) error { return execute(p, "DELETE FROM columns") },
		"state":    func(p string) error { return execute(p, "UPDATE state SET value = 'x'") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 0, BlockSize+100, testSegment)
			x := New(dir, Options{})
			t.Cleanup(func() { _ = x.Close() })
			update(t, x)
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			if err := spoil(x.path()); err != nil {
				t.Fatal(err)
			}
			compare(t, x, Query{Actor: "user:007", Limit: 1000})
			if name == "lists" || name == "flipped" { // nobody looks there until it is asked
				if err := x.Rebuild(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			update(t, x)
			compare(t, x, Query{Actor: "user:007", Limit: 1000})
			if s, err := x.Status(t.Context()); err != nil || s.Blocks != 1 {
				t.Errorf("status %+v, %v", s, err)
			}
		})
	}
}

func flip(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := 4096; i < len(text); i += 1500 {
		text[i] ^= 0x40
	}
	return os.WriteFile(path, text, 0o600)
}

func execute(path, statement string) error {
	db, err := open(path, 1, "")
	if err != nil {
		return err
	}
	_, err = db.Exec(statement)
	return errors.Join(err, db.Close())
}

func TestAnotherJournal(t *testing.T) {
	x, dir := makeLog(t)
	update(t, x)
	if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, 0, BlockSize+5, testSegment) // an older copy
	update(t, x)
	compare(t, x, Query{Route: "route-1", Limit: 1000})
	if s, err := x.Status(t.Context()); err != nil || s.Indexed != BlockSize {
		t.Errorf("status %+v, %v", s, err)
	}
}

func TestOneWrites(t *testing.T) {
	x, dir := makeLog(t)
	w, err := x.write(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := New(dir, Options{})
	if err := other.Update(t.Context(), nil); !errors.Is(err, ErrBusy) {
		t.Errorf("a second writer: %v", err)
	}
	if err := other.Rebuild(t.Context(), nil); !errors.Is(err, ErrBusy) {
		t.Errorf("a second rebuilds: %v", err)
	}
	compare(t, other, Query{Actor: "user:007"})
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	var told []Progress
	if err := other.Update(t.Context(), func(p Progress) { told = append(told, p) }); err != nil {
		t.Fatal(err)
	}
	if len(told) != 3 || told[2] != (Progress{3 * BlockSize, testRecords}) {
		t.Errorf("progress %v", told)
	}
	fi, err := os.Stat(other.path())
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestRelativeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	fill(t, "odd ?#%20folder", 0, 10, testSegment)
	x := New("odd ?#%20folder", Options{})
	t.Cleanup(func() { _ = x.Close() })
	update(t, x)
	if r := ask(t, x, Query{}); len(r.Events) != 10 {
		t.Errorf("%d events", len(r.Events))
	}
	if fi, err := os.Stat("odd ?#%20folder/" + FileName); err != nil || fi.Size() == 0 {
		t.Errorf("the index is elsewhere: %v", err)
	}
}

func TestFollow(t *testing.T) {
	x, dir := makeLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { x.Follow(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	reach(t, x, 3*BlockSize)
	fill(t, dir, testRecords, 4*BlockSize+1, testSegment)
	reach(t, x, 4*BlockSize)
	compare(t, x, Query{Actor: "user:007", Limit: 1000})
}

// reach waits until the index reaches a record.
func reach(t *testing.T, x *Index, want uint64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		s, err := x.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Indexed == want {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("never")
		}
	}
}

func TestTimeRunsOut(t *testing.T) {
	x, _ := makeLog(t)
	update(t, x)
	q := Query{Text: "7 200", Limit: 10} // numbers: each block is read
	s := &search{x: x, q: q, match: newMatcher(&q, &x.opts)}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := s.late(ctx, ctx.Err(), stored{last: 99}); err != nil {
		t.Fatal(err)
	}
	if r := s.result(); !r.Partial || r.More != 100 {
		t.Errorf("%+v", r)
	}
	s.found = []Found{{Seq: 50}}
	if err := s.late(ctx, ctx.Err(), stored{last: 99}); err != nil || s.result().More != 50 {
		t.Errorf("more %d, %v", s.result().More, err)
	}
	if err := s.late(t.Context(), os.ErrInvalid, stored{}); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("another error: %v", err)
	}
	if _, err := x.Search(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time at all: %v", err)
	}
}

// Of sealed events the index knows what the journal shows: a hash of who it was.
// Who can open them finds them by name and address all the same.
func TestSealedEvents(t *testing.T) {
	dir := t.TempDir()
	hide := func(s string) string { return fmt.Sprintf("%x", hashOf('k', s)) }
	fillWith(t, dir, 0, BlockSize+100, testSegment, func(i int) portcullis.Event {
		e := makeEvent(i)
		e.Actor = portcullis.Actor{Method: e.Actor.Method, Subject: hide(e.Actor.ID), Sealed: strconv.Itoa(i)}
		return e
	})
	opens := 0
	x := New(dir, Options{Subject: hide, Open: func(e *portcullis.Event) {
		opens++
		i, err := strconv.Atoi(e.Actor.Sealed)
		if err != nil {
			t.Error(err)
		}
		e.Actor = makeEvent(i).Actor
	}})
	t.Cleanup(func() { _ = x.Close() })
	update(t, x)
	if opens > 0 {
		t.Error("the index looked into what is sealed")
	}
	for _, q := range []Query{
		{Actor: "user:007"}, {Actor: hide("user:007")}, {Address: netip.MustParsePrefix("10.0.0.7/32")},
		{Address: netip.MustParsePrefix("10.0.0.0/24"), Severity: portcullis.SeverityWarn},
	} {
		compare(t, x, q)
		r := ask(t, x, q)
		if len(r.Events) == 0 || r.Events[0].Event.Actor.UserAgent != "agent/1.0" || r.Events[0].Event.Actor.Sealed != "" {
			t.Errorf("%+v: %+v", q, r)
		}
	}
	stranger := New(dir, Options{}) // has the audit folder only
	t.Cleanup(func() { _ = stranger.Close() })
	if r := ask(t, stranger, Query{Actor: hide("user:007"), Limit: 1}); len(r.Events) != 1 || r.Events[0].Event.Actor.ID != "" {
		t.Errorf("%+v", r)
	}
	for _, q := range []Query{{Actor: "user:007"}, {Address: netip.MustParsePrefix("10.0.0.0/8")}} {
		if r := ask(t, stranger, q); len(r.Events) != 0 {
			t.Errorf("%+v: a stranger finds %+v", q, r.Events[0])
		}
	}
	text, err := os.ReadFile(x.path())
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"user:007", "10.0.0.7", "agent/1.0"} {
		if containsText(text, plain) {
			t.Errorf("%q is in the file", plain)
		}
	}
}

func TestUserAgentsAreNotIndexed(t *testing.T) {
	x, _ := makeLog(t)
	update(t, x)
	text, err := os.ReadFile(x.path())
	if err != nil {
		t.Fatal(err)
	}
	if containsText(text, "agent/1.0") {
		t.Error("a user agent is in the file")
	}
	if r := ask(t, x, Query{Text: "agent"}); len(r.Events) != 0 {
		t.Errorf("found by its user agent: %+v", r.Events[0].Event)
	}
}
