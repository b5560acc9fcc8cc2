package sink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/sinktest"
)

// server is a Sender whose answers a test decides.
type server struct {
	mu     sync.Mutex
	got    []string // resources of events that were taken
	calls  int
	answer func(call int, items []sink.Item) (taken int, err error) // nil = takes all
	bad    func(*portcullis.Event) error
	closed int
}

func (s *server) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	if s.bad != nil {
		if err := s.bad(e); err != nil {
			return dst, err
		}
	}
	return auditlog.AppendEntry(dst, e), nil
}

func (s *server) Send(_ context.Context, items []sink.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	n, err := len(items), error(nil)
	if s.answer != nil {
		n, err = s.answer(s.calls, items)
	}
	for _, i := range items[:n] {
		s.got = append(s.got, i.Event.Resource)
	}
	return err
}

func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return nil
}

func (s *server) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// memory is a journal in memory: fake time does not go by while a disk works.
type memory struct {
	mu      sync.Mutex
	records []sink.Record
	more    chan struct{}
	stored  map[string]journal.Cursor
}

func newMemory() *memory {
	return &memory{more: make(chan struct{}), stored: map[string]journal.Cursor{}}
}

func (m *memory) add(events ...portcullis.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		n := uint64(len(m.records))
		if e.ID == "" {
			e.ID = fmt.Sprint("id-", n)
		}
		if e.Time.IsZero() {
			e.Time = time.Now().UTC().Truncate(time.Millisecond)
		}
		m.records = append(m.records, sink.Record{Seq: n, Next: journal.Cursor{Seq: n + 1}, Event: e, Entry: auditlog.AppendEntry(nil, &e)})
	}
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) addNumbered(from, to int) {
	for i := from; i < to; i++ {
		m.add(portcullis.Event{Type: portcullis.EventAuthzDenied, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure, Resource: fmt.Sprint(i)})
	}
}

func (m *memory) end() journal.Cursor {
	m.mu.Lock()
	defer m.mu.Unlock()
	return journal.Cursor{Seq: uint64(len(m.records))}
}

func (m *memory) committed(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.stored[name].Seq)
}

// Record makes it a portcullis.Recorder too.
func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	m.add(*e)
	return nil
}

type cursor struct {
	m    *memory
	name string
	at   uint64
}

func (m *memory) open(spec sink.Spec, _ func(error)) (sink.Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &cursor{m, spec.Name, m.stored[spec.Name].Seq}, nil
}

func (c *cursor) Next(ctx context.Context) (sink.Record, error) {
	for {
		c.m.mu.Lock()
		if int(c.at) < len(c.m.records) {
			r := c.m.records[c.at]
			c.at++
			c.m.mu.Unlock()
			return r, nil
		}
		more := c.m.more
		c.m.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return sink.Record{}, ctx.Err()
		}
	}
}

func (c *cursor) Cursor() journal.Cursor { return journal.Cursor{Seq: c.at} }
func (c *cursor) Close() error           { return nil }
func (c *cursor) Commit(at journal.Cursor) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if at.Seq < c.m.stored[c.name].Seq {
		return errors.New("a cursor moved back")
	}
	c.m.stored[c.name] = at
	return nil
}

// run serves specs over a journal in memory until the test ends or stop is
// called.
func run(t *testing.T, m *memory, specs ...sink.Spec) (set *sink.Set, stop func()) {
	t.Helper()
	set = sink.New(sink.Options{Dir: t.TempDir(), Open: m.open, End: m.end, Record: m, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	set.Replace(specs)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); set.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return set, stop
}

func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func want(t *testing.T, s *server, w []string) {
	t.Helper()
	if got := s.taken(); !slices.Equal(got, w) {
		t.Fatalf("the server has %d events %.200v, want %d %.200v", len(got), got, len(w), w)
	}
}

func refused(text string) error {
	return &sink.Error{Fault: sink.Refused, Err: errors.New(text)}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(), &server{}
		m.addNumbered(0, 25)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Batch: sink.Batch{Events: 10, Wait: time.Second}})
		synctest.Wait()
		want(t, s, numbers(0, 20))
		if m.committed("a") != 20 {
			t.Errorf("committed %d", m.committed("a"))
		}
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		want(t, s, numbers(0, 20)) // the third batch still waits for others
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		want(t, s, numbers(0, 25))
		v := set.Views()[0]
		if v.Status != sink.Sending || v.Sent != 25 || v.LagRecords != 0 || v.LagSeconds != 0 || v.LastSuccess == nil {
			t.Errorf("%+v", v)
		}
		// A batch is bounded in bytes too.
		m2, s2 := newMemory(), &server{}
		m2.addNumbered(0, 10)
		run(t, m2, sink.Spec{Name: "b", Kind: "test", Sender: s2, Batch: sink.Batch{Bytes: 300}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, s2, numbers(0, 10))
		if s2.calls != 4 { // a batch is sent when it has reached the bound
			t.Errorf("%d calls", s2.calls)
		}
	})
}

// TestAway: pauses grow, with jitter, up to a bound and not below what the
// server asks for; nothing is lost; lag and events tell.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		m := newMemory()
		s := &server{answer: func(call int, items []sink.Item) (int, error) {
			at = append(at, time.Since(begin))
			switch {
			case call == 3:
				return 0, &sink.Error{After: 5 * time.Minute, Err: errors.New("busy")}
			case call < 14:
				return 0, errors.New("connection refused")
			}
			return len(items), nil
		}}
		m.addNumbered(0, 3)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Filter: sink.Filter{ExcludeOwn: true}})
		time.Sleep(3 * time.Minute)
		v := set.Views()[0]
		if v.Status != sink.Failing || v.LagSeconds < 179 || v.LagRecords != 3 || v.LastError != "busy" || v.Failed != 3 {
			t.Errorf("%+v", v)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		want(t, s, numbers(0, 3))
		if gap := at[3] - at[2]; gap < 5*time.Minute || gap > 6*time.Minute {
			t.Errorf("after Retry-After it waited %v", gap)
		}
		for i := 5; i < len(at); i++ {
			if gap := at[i] - at[i-1]; gap > time.Minute || gap < 30*time.Second && i > 12 {
				t.Errorf("pause %d: %v", i, gap)
			}
		}
		// One event that it fails, one that it works again.
		var types []string
		for _, r := range m.records[3:] {
			types = append(types, string(r.Event.Type)+" "+r.Event.Resource)
		}
		if !slices.Equal(types, []string{"SINK_FAILING sink:a", "SINK_RECOVERED sink:a"}) {
			t.Errorf("events %v", types)
		}
	})
}

// TestNoFeedback: a sink that fails at every second attempt, all day, and sends
// its own events too, does not fill the journal with them.
func TestNoFeedback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := &server{answer: func(call int, items []sink.Item) (int, error) {
			if call%2 == 1 {
				return 0, &sink.Error{Fault: sink.Misconfigured, Err: errors.New("answered 401")}
			}
			return len(items), nil
		}}
		run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s})
		for range 24 * 60 {
			m.addNumbered(0, 1)
			time.Sleep(time.Minute)
		}
		own := 0
		for _, r := range m.records {
			if sink.Own(r.Event.Type) {
				own++
			}
		}
		if own < 2 || own > 2*24*6+2 {
			t.Errorf("%d events about the sink in a day", own)
		}
	})
}

// TestMistaken: with wrong settings nothing is dropped, and it is tried slowly.
func TestMistaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, wrong := newMemory(), true
		s := &server{}
		s.answer = func(_ int, items []sink.Item) (int, error) {
			if wrong {
				return 0, &sink.Error{Fault: sink.Misconfigured, Err: errors.New("answered 401")}
			}
			return len(items), nil
		}
		m.addNumbered(0, 5)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Filter: sink.Filter{ExcludeOwn: true}})
		time.Sleep(time.Hour)
		synctest.Wait()
		s.mu.Lock()
		if s.calls < 30 || s.calls > 80 {
			t.Errorf("%d attempts in an hour", s.calls)
		}
		wrong = false
		s.mu.Unlock()
		if v := set.Views()[0]; v.Status != sink.Mistaken || v.DeadLetters != 0 {
			t.Errorf("%+v", v)
		}
		// A test that succeeds ends the pause.
		if id, err := set.Test(t.Context(), "a"); err != nil || id == "" {
			t.Errorf("test: %q, %v", id, err)
		}
		synctest.Wait()
		want(t, s, append([]string{""}, numbers(0, 5)...)) // the test event has no resource
		if _, err := set.Test(t.Context(), "b"); !errors.Is(err, sink.ErrUnknown) {
			t.Errorf("test of no sink: %v", err)
		}
	})
}

// TestCulprits: whatever events a server refuses, exactly those are laid aside,
// and all others arrive once and in order.
func TestCulprits(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			bad := map[string]bool{}
			for range rng.IntN(12) {
				bad[fmt.Sprint(rng.IntN(200))] = true
			}
			m := newMemory()
			s := &server{answer: func(_ int, items []sink.Item) (int, error) {
				for _, i := range items {
					if bad[i.Event.Resource] {
						return 0, refused("answered 400")
					}
				}
				return len(items), nil
			}}
			m.addNumbered(0, 200)
			set, stop := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Batch: sink.Batch{Events: 1 + rng.IntN(100)}, Filter: sink.Filter{ExcludeOwn: true}})
			time.Sleep(time.Minute)
			stop()
			var good []string
			for _, n := range numbers(0, 200) {
				if !bad[n] {
					good = append(good, n)
				}
			}
			want(t, s, good)
			v := set.Views()[0]
			if v.DeadLetters != len(bad) || int(v.Dead) != len(bad) || m.committed("a") < 200 {
				t.Errorf("seed %d: %d dead letters, want %d; committed %d", seed, v.DeadLetters, len(bad), m.committed("a"))
			}
		})
	}
}

// TestServerThatRefusesEverything is not taken for one that dislikes events: a
// few are laid aside, then a plain one is tried, and the rest waits.
func TestServerThatRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, open := newMemory(), false
		s := &server{}
		s.answer = func(_ int, items []sink.Item) (int, error) {
			if !open {
				return 0, refused("answered 400")
			}
			return len(items), nil
		}
		m.addNumbered(0, 100)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Filter: sink.Filter{ExcludeOwn: true}})
		time.Sleep(time.Hour)
		synctest.Wait()
		v := set.Views()[0]
		if v.DeadLetters > 20 || v.Status != sink.Mistaken || !strings.Contains(v.LastError, "every event is refused") {
			t.Errorf("%+v", v)
		}
		s.mu.Lock()
		open = true
		s.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		got, err := set.Retry(t.Context(), "a")
		if err != nil || got.Sent != v.DeadLetters || got.Left != 0 {
			t.Errorf("retry: %+v, %v", got, err)
		}
		all := slices.DeleteFunc(s.taken(), func(r string) bool { return r == "" }) // the plain one
		slices.Sort(all)
		w := numbers(0, 100)
		slices.Sort(w)
		if !slices.Equal(all, w) {
			t.Errorf("got %v", all)
		}
	})
}

// TestItemsAreJudgedOneByOne, as by a bulk API.
func TestItemsAreJudgedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := &server{answer: func(call int, items []sink.Item) (int, error) {
			switch call {
			case 1:
				return 0, &sink.ItemsError{Refused: map[int]string{1: "mapping"}, Rest: errors.New("busy")}
			case 2:
				return len(items), &sink.ItemsError{Refused: map[int]string{0: "mapping too"}}
			}
			return len(items), nil
		}}
		m.addNumbered(0, 4)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Filter: sink.Filter{ExcludeOwn: true}})
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, s, []string{"0", "2", "3"})
		if v := set.Views()[0]; v.DeadLetters != 2 || v.LagRecords > 2 {
			t.Errorf("%+v", v)
		}
	})
}

func TestEventsThatCannotBeEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := &server{bad: func(e *portcullis.Event) error {
			switch e.Resource {
			case "1":
				return errors.New("too long")
			case "2":
				panic("a bug of the format")
			}
			return nil
		}}
		m.addNumbered(0, 4)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Filter: sink.Filter{ExcludeOwn: true}})
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, s, []string{"0", "3"})
		if v := set.Views()[0]; v.DeadLetters != 2 {
			t.Errorf("%+v", v)
		}
		if got, err := set.Retry(t.Context(), "a"); err != nil || got.Refused != 2 || got.Left != 2 {
			t.Errorf("retry: %+v, %v", got, err)
		}
	})
}

// TestPanickingServer is one that is away.
func TestPanickingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := &server{answer: func(call int, items []sink.Item) (int, error) {
			if call < 4 {
				panic("a bug of the sender")
			}
			return len(items), nil
		}}
		m.addNumbered(0, 4)
		run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s})
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, s, numbers(0, 4))
	})
}

// TestReplace: a sink of the same name goes on where it was, after what was
// being sent is done; one that is gone stops.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		release := make(chan struct{})
		slow := &server{}
		slow.answer = func(_ int, items []sink.Item) (int, error) {
			<-release
			return len(items), nil
		}
		next, other := &server{}, &server{}
		m.addNumbered(0, 5)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: slow}, sink.Spec{Name: "gone", Kind: "test", Sender: other})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		set.Replace([]sink.Spec{{Name: "a", Kind: "test", Sender: next}})
		m.addNumbered(5, 8)
		synctest.Wait()
		want(t, next, nil) // it waits for the one before it
		close(release)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, slow, numbers(0, 5))
		want(t, next, numbers(5, 8))
		want(t, other, numbers(0, 5))
		if slow.closed != 1 || other.closed != 1 || next.closed != 0 || len(set.Views()) != 1 {
			t.Errorf("closed %d %d %d, %+v", slow.closed, other.closed, next.closed, set.Views())
		}
	})
}

func TestFilter(t *testing.T) {
	e := portcullis.Event{Type: portcullis.EventAuthzDenied, Severity: portcullis.SeverityWarn}
	call := portcullis.Event{Type: portcullis.EventCallFinished, Severity: portcullis.SeverityInfo}
	own := portcullis.Event{Type: portcullis.EventSinkFailing, Severity: "LOUD"}
	for name, tt := range map[string]struct {
		f            sink.Filter
		e, call, own bool
	}{
		"all":       {sink.Filter{}, true, true, true},
		"types":     {sink.Filter{Types: []portcullis.EventType{portcullis.EventAuthzDenied}}, true, false, false},
		"without":   {sink.Filter{Without: []portcullis.EventType{portcullis.EventAuthzDenied}}, false, true, true},
		"severity":  {sink.Filter{MinSeverity: portcullis.SeverityWarn}, true, false, true},
		"higher":    {sink.Filter{MinSeverity: portcullis.SeverityError}, false, false, true}, // unknown ones pass
		"security":  {sink.Filter{Class: sink.Security}, true, false, true},
		"access":    {sink.Filter{Class: sink.Access}, false, true, false},
		"own":       {sink.Filter{ExcludeOwn: true}, true, true, false},
		"everybody": {sink.Filter{Class: sink.All, MinSeverity: portcullis.SeverityInfo}, true, true, true},
	} {
		if got := [3]bool{tt.f.Match(&e), tt.f.Match(&call), tt.f.Match(&own)}; got != [3]bool{tt.e, tt.call, tt.own} {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWhatIsLeftOutIsDone: the cursor moves past what a filter leaves out, and
// enrichment is for the sink that asks for it.
func TestWhatIsLeftOutIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, plain := newMemory(), &server{}, &server{}
		m.addNumbered(0, 50)
		run(t, m,
			sink.Spec{Name: "none", Kind: "test", Sender: &server{}, Filter: sink.Filter{Class: sink.Access}},
			sink.Spec{Name: "rich", Kind: "test", Sender: s, Enrich: func(e *portcullis.Event) { e.Resource += "+" }},
			sink.Spec{Name: "plain", Kind: "test", Sender: plain})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if m.committed("none") != 50 {
			t.Errorf("committed %d", m.committed("none"))
		}
		if got := s.taken(); len(got) != 50 || got[7] != "7+" {
			t.Errorf("enriched: %v", got)
		}
		want(t, plain, numbers(0, 50))
	})
}

// TestFullDeadLetterFile: when it is full, others still arrive.
func TestFullDeadLetterFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := &server{answer: func(_ int, items []sink.Item) (int, error) {
			for _, i := range items {
				if strings.HasPrefix(i.Event.Resource, "x") {
					return 0, refused("answered 413")
				}
			}
			return len(items), nil
		}}
		big := strings.Repeat("y", 4000)
		details := make([]slog.Attr, 200)
		for i := range details {
			details[i] = slog.String(fmt.Sprint("d", i), big)
		}
		for i := range 25 {
			m.add(portcullis.Event{Type: portcullis.EventAuthzDenied, Resource: "x" + fmt.Sprint(i), Details: details})
			m.addNumbered(i, i+1)
		}
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: s, Filter: sink.Filter{ExcludeOwn: true}})
		time.Sleep(time.Hour)
		synctest.Wait()
		want(t, s, numbers(0, 25))
		if v := set.Views()[0]; v.Dead != 25 || v.DeadLetters >= 25 || v.DeadLetters < 15 {
			t.Errorf("%+v", v)
		}
	})
}

// TestRemovedRecordsAreTold uses the real journal: a segment that a sink still
// needs is gone.
func TestRemovedRecordsAreTold(t *testing.T) {
	dir, j := sinktest.Journal(t)
	s := &server{}
	spec := sink.Spec{Name: "a", Kind: "test", Sender: s, Batch: sink.Batch{Wait: 10 * time.Millisecond}}
	sinktest.Fill(t, j, 0, 100)
	_, stop := sinktest.Serve(t, dir, j, spec)
	sinktest.WaitFor(t, func() bool { return len(s.taken()) >= 100 })
	stop()
	sinktest.Fill(t, j, 100, 20_000)
	segments, err := filepath.Glob(filepath.Join(dir, "journal", "*.log"))
	if err != nil || len(segments) < 3 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	for _, name := range segments[:2] {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	set, stop := sinktest.Serve(t, dir, j, spec)
	sinktest.WaitFor(t, func() bool { got := s.taken(); return slices.Contains(got, "19999") && slices.Contains(got, "sink:a") })
	stop()
	v := set.Views()[0]
	if v.Missed < 1000 || int(v.Missed)+len(slices.DeleteFunc(s.taken(), func(r string) bool { return r == "sink:a" })) != 20_000 {
		t.Errorf("missed %d, got %d", v.Missed, len(s.taken()))
	}
}

// TestNobodyIsNamed: what a server repeats of an event is shown to operators,
// and stands neither in the dead letter file nor in an event nor in the log.
func TestNobodyIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := &server{answer: func(call int, items []sink.Item) (int, error) {
			if call < 10 {
				return 0, &sink.Error{Fault: sink.Misconfigured, Err: errors.New("answered 403"), Said: "alice from 192.0.2.7 with curl"}
			}
			if items[0].Event.Type == portcullis.EventAuthzDenied {
				return 0, &sink.Error{Fault: sink.Refused, Err: errors.New("answered 400"), Said: "alice from 192.0.2.7 with curl"}
			}
			return len(items), nil
		}}
		m.add(portcullis.Event{
			Type: portcullis.EventAuthzDenied, Actor: portcullis.Actor{ID: "alice", IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "curl"},
		})
		m.records[0].Entry = []byte(`{"sealed":true}`)
		dir := t.TempDir()
		var log strings.Builder
		set := sink.New(sink.Options{Dir: dir, Open: m.open, End: m.end, Record: m, Log: slog.New(slog.NewTextHandler(&log, nil))})
		set.Replace([]sink.Spec{{Name: "a", Kind: "test", Sender: s}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); set.Run(ctx) }()
		time.Sleep(time.Second * 90)
		synctest.Wait()
		if v := set.Views()[0]; !strings.Contains(v.LastError, "alice") {
			t.Errorf("an operator is told %q", v.LastError)
		}
		time.Sleep(time.Hour)
		cancel()
		<-done
		letters, err := os.ReadFile(filepath.Join(dir, "deadletter", "a.jsonl"))
		if err != nil || !strings.Contains(string(letters), "answered 400: [personal] from [personal] with [personal]") {
			t.Errorf("%s, %v", letters, err)
		}
		text := log.String()
		for _, r := range m.records[1:] {
			text += string(r.Entry)
		}
		if strings.Contains(text, "alice") || !strings.Contains(text, "SINK_FAILING") || !strings.Contains(text, "SINK_REFUSED") {
			t.Errorf("%s", text)
		}
	})
}
