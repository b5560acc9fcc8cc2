package quota_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/book"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/quota"
)

// memory is a store that can be made to fail.
type memory struct {
	mu    sync.Mutex
	list  map[quota.Key]quota.Counter
	fail  bool
	reads int
}

var errDown = errors.New("store is down")

func newMemory() *memory { return &memory{list: map[quota.Key]quota.Counter{}} }

func (m *memory) Usage(_ context.Context, k quota.Key, now time.Time) (quota.Counter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.fail {
		return quota.Counter{}, errDown
	}
	if c := m.list[k]; now.Before(c.Until) {
		return c, nil
	}
	return quota.Counter{Key: k}, nil
}

func (m *memory) SaveUsage(_ context.Context, _ time.Time, list []quota.Counter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errDown
	}
	for _, c := range list {
		m.list[c.Key] = c
	}
	return nil
}

func (m *memory) ListUsage(_ context.Context, principal string, _ time.Time, _ int) (out []quota.Counter, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.list {
		if principal == "" || principal == c.Principal {
			out = append(out, c)
		}
	}
	return out, nil
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 22, 0, 0, 0, time.UTC)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func guard(t interface {
	Helper()
	Fatal(...any)
}, l *quota.Ledger, c quota.Config) *quota.Guard {
	t.Helper()
	g, err := quota.NewGuard(l, "files", c, []metatool.Tool{{Tool: "call_tool", Name: "/name"}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func caller(id string) portcullis.Principal { return portcullis.Principal{ID: id} }

func callOf(tool, session string) *portcullis.Message {
	return &portcullis.Message{
		Shape: portcullis.ShapeRequest, Method: "tools/call", Session: session,
		Target: portcullis.Target{Kind: portcullis.TargetTool, Name: tool},
	}
}

// over returns the refusal of a call, and which limit it names.
func over(t *testing.T, err error) (*portcullis.Error, string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindRateLimited || e.Reason != "quota_exceeded" || e.Event != portcullis.EventRateLimitExceeded || len(e.Facts) != 1 {
		t.Fatalf("err = %v, want a refusal as quota_exceeded", err)
	}
	return e, e.Facts[0].Value.String()
}

func TestCallsPerSession(t *testing.T) {
	c := newClock()
	g := guard(t, quota.NewLedger(newMemory(), 0, c.read), quota.Config{CallsPerSession: 2})
	try := func(who, session string) error {
		_, err := g.Inspect(t.Context(), caller(who), callOf("a", session))
		return err
	}
	for range 2 {
		if err := errors.Join(try("alice", "s1"), try("alice", "s2"), try("carol", "")); err != nil {
			t.Fatal(err)
		}
	}
	over(t, try("alice", "")) // without a session, the calls of the day count
	e, limit := over(t, try("carol", ""))
	if limit != "calls_per_session" || e.RetryAfter != 2*time.Hour {
		t.Errorf("limit %s, retry after %s: want midnight UTC", limit, e.RetryAfter)
	}
	if e, _ = over(t, try("alice", "s1")); e.RetryAfter != quota.Day {
		t.Errorf("a session is told to come back after %s", e.RetryAfter)
	}
	if err := try("bob", "s1"); err != nil {
		t.Errorf("a session of the same name of another caller: %v", err)
	}
	c.pass(2 * time.Hour)
	if err := try("carol", ""); err != nil {
		t.Errorf("on the next day: %v", err)
	}
	over(t, try("alice", "s1")) // the same session
}

func TestBudget(t *testing.T) {
	c := newClock()
	g := guard(t, quota.NewLedger(newMemory(), 0, c.read), quota.Config{
		BudgetPerDay: 0.3, Costs: map[string]float64{"*": 0.1, "gpt_*": 0.2, "gpt_free_*": 0, "gpt_mini": 0.000001},
	})
	use := func(tool string, want bool) {
		t.Helper()
		_, err := g.Inspect(t.Context(), caller("alice"), callOf(tool, ""))
		if (err == nil) != want {
			t.Errorf("%s passed = %v, want %t", tool, err, want)
		}
		if err != nil {
			if _, limit := over(t, err); limit != "budget_per_day" {
				t.Errorf("limit %s", limit)
			}
		}
	}
	use("gpt_4", true)       // 0.2
	use("gpt_4", false)      // would be 0.4, and costs nothing
	use("search", true)      // 0.3: exactly all
	use("gpt_mini", false)   // a millionth too much
	use("gpt_free_x", true)  // costs nothing
	c.pass(2*time.Hour - 1)  // the last moment of the day
	use("search", false)     //
	c.pass(1)                // midnight
	use("gpt_4", true)       //
	use("gpt_free_x", true)  //
	use("gpt_mini", true)    //
	use("gpt_4_mini", false) // 0.4
}

func TestToolsInsideToolsCost(t *testing.T) {
	g := guard(t, quota.NewLedger(newMemory(), 0, newClock().read), quota.Config{BudgetPerDay: 1, Costs: map[string]float64{"gpt_*": 0.6, "call_tool": 0.1}})
	m := callOf("call_tool", "")
	m.Arguments = []byte(`{"name":"gpt_4"}`)
	if _, err := g.Inspect(t.Context(), caller("alice"), m); err != nil {
		t.Fatal(err)
	}
	_, err := g.Inspect(t.Context(), caller("alice"), m)
	over(t, err)
}

func TestBytes(t *testing.T) {
	g := guard(t, quota.NewLedger(newMemory(), 0, newClock().read), quota.Config{BytesPerDay: 100})
	deliver := func(n int) error { return g.Deliver(t.Context(), caller("alice"), n) }
	list := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "tools/list"}
	if err := errors.Join(deliver(60), deliver(40)); err != nil {
		t.Fatal(err)
	}
	over(t, deliver(1))
	for _, m := range []*portcullis.Message{callOf("a", ""), callOf("a", "s"), list} {
		_, err := g.Inspect(t.Context(), caller("alice"), m)
		if _, limit := over(t, err); limit != "bytes_per_day" {
			t.Errorf("limit %s", limit)
		}
	}
	if _, err := g.Inspect(t.Context(), caller("alice"), &portcullis.Message{Shape: portcullis.ShapeClose}); err != nil {
		t.Errorf("ending a session: %v", err)
	}
	if _, err := g.Inspect(t.Context(), caller("bob"), list); err != nil {
		t.Error(err)
	}
	if err := deliver(0); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

func TestMuchAtOnceIsRefusedWhole(t *testing.T) {
	g := guard(t, quota.NewLedger(newMemory(), 0, newClock().read), quota.Config{BytesPerDay: 100})
	over(t, g.Deliver(t.Context(), caller("alice"), 101))
	if err := g.Deliver(t.Context(), caller("alice"), 100); err != nil {
		t.Errorf("what was not sent counts: %v", err)
	}
}

func TestResultBytes(t *testing.T) {
	g := guard(t, quota.NewLedger(newMemory(), 0, newClock().read), quota.Config{ResultBytes: map[string]int64{"read_*": 10, "read_all": 20}})
	for _, row := range []struct {
		tool  string
		shape portcullis.Shape
		n     int
		want  bool
	}{
		{"read_a", portcullis.ShapeResult, 10, true},
		{"read_a", portcullis.ShapeResult, 11, false},
		{"read_all", portcullis.ShapeResult, 20, true},
		{"read_all", portcullis.ShapeResult, 21, false},
		{"write", portcullis.ShapeResult, 1000, true},
		{"read_a", portcullis.ShapeError, 1000, true},
	} {
		m := callOf(row.tool, "")
		m.Direction, m.Shape, m.Raw = portcullis.ToClient, row.shape, make([]byte, row.n)
		_, err := g.Inspect(t.Context(), caller("alice"), m)
		if (err == nil) != row.want {
			t.Errorf("%s of %d bytes: %v", row.tool, row.n, err)
		}
		var e *portcullis.Error
		if err != nil && (!errors.As(err, &e) || e.Event != portcullis.EventContentBlocked || e.Kind != portcullis.KindForbidden) {
			t.Errorf("%s: %v", row.tool, err)
		}
	}
}

func TestPreviewCountsNothing(t *testing.T) {
	g := guard(t, quota.NewLedger(newMemory(), 0, newClock().read), quota.Config{CallsPerSession: 1})
	for _, session := range []string{"", "s"} {
		for range 5 {
			if _, err := g.Preview().Inspect(t.Context(), caller("alice"), callOf("a", session)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", session)); err != nil {
			t.Fatal(err)
		}
		_, err := g.Preview().Inspect(t.Context(), caller("alice"), callOf("a", session))
		over(t, err)
	}
}

func TestStoreDown(t *testing.T) {
	store, c := newMemory(), newClock()
	l := quota.NewLedger(store, 0, c.read)
	g := guard(t, l, quota.Config{CallsPerSession: 2, BytesPerDay: 10})
	store.fail = true
	var e *portcullis.Error
	if _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", "")); !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable {
		t.Errorf("a caller whose count is not known: %v", err)
	}
	if err := g.Deliver(t.Context(), caller("alice"), 1); !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable {
		t.Errorf("a reply whose count is not known: %v", err)
	}
	store.fail = false
	use := func() error { _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", "")); return err }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	store.fail = true
	if err := use(); err != nil {
		t.Errorf("a caller whose count is known: %v", err)
	}
	if err := l.Flush(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Flush = %v", err)
	}
	over(t, use())
	store.fail = false
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.list[quota.Key{Route: "files", Principal: "alice"}]; got.Calls != 2 || !got.Until.Equal(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("stored after the failure: %+v", got)
	}
}

func TestAClockThatWasAhead(t *testing.T) {
	c := newClock()
	g := guard(t, quota.NewLedger(newMemory(), 0, c.read), quota.Config{CallsPerSession: 1})
	c.pass(1000 * quota.Day)
	use := func() error { _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", "")); return err }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	c.pass(-1000 * quota.Day)
	if e, _ := over(t, use()); e.RetryAfter > quota.Day {
		t.Errorf("locked out for %s", e.RetryAfter)
	}
}

// TestNeverOverAdmits drives a ledger with little room with random callers,
// times and restarts against a model, one call after the other: what passes is
// exactly what the limits allow, but for callers turned away because the few
// entries are taken by what is not stored yet.
func TestNeverOverAdmits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store, c := newMemory(), newClock()
		cfg := quota.Config{CallsPerSession: 5, BytesPerDay: 50, BudgetPerDay: 0.7, Costs: map[string]float64{"dear": 0.3, "cheap": 0.1}}
		var l *quota.Ledger
		var g *quota.Guard
		start := func() {
			l = quota.NewLedger(store, 1, c.read)
			g = guard(rt, l, cfg)
		}
		start()
		type count struct{ calls, bytes, spent, day, sessionAt int64 }
		days, sessions := map[string]count{}, map[string]count{}
		of := func(who string) count {
			d := days[who]
			if today := c.read().Unix() / 86400; d.day != today {
				d = count{day: today}
			}
			return d
		}
		whos := rapid.Custom(func(rt *rapid.T) string { return fmt.Sprint("caller", rapid.IntRange(0, 200).Draw(rt, "n")) })
		few := rapid.OneOf(rapid.SampledFrom([]string{"alice", "bob"}), whos)
		rt.Repeat(map[string]func(*rapid.T){
			"call": func(rt *rapid.T) {
				who, session, tool := few.Draw(rt, "who"), rapid.SampledFrom([]string{"", "s"}).Draw(rt, "session"), rapid.SampledFrom([]string{"dear", "cheap", "free"}).Draw(rt, "tool")
				cost := map[string]int64{"dear": 3, "cheap": 1}[tool]
				d, s, now := of(who), sessions[who], c.read().Unix()
				if now-s.sessionAt >= 86400 {
					s = count{}
				}
				want := d.bytes < 50 && d.spent+cost <= 7 && (session == "" && d.calls < 5 || session != "" && s.calls < 5)
				_, err := g.Inspect(t.Context(), caller(who), callOf(tool, session))
				if errors.Is(err, book.ErrFull) {
					return
				}
				if (err == nil) != want {
					rt.Fatalf("%s %q %s passed = %v, want %t: %+v %+v", who, session, tool, err, want, d, s)
				}
				if err == nil {
					d.calls++
					d.spent += cost
					if session != "" {
						s.calls, s.sessionAt = s.calls+1, now
						sessions[who] = s
					}
				}
				days[who] = d
			},
			"deliver": func(rt *rapid.T) {
				who, n := few.Draw(rt, "who"), int64(rapid.IntRange(1, 30).Draw(rt, "bytes"))
				d := of(who)
				err := g.Deliver(t.Context(), caller(who), int(n))
				if errors.Is(err, book.ErrFull) {
					return
				}
				if want := d.bytes+n <= 50; (err == nil) != want {
					rt.Fatalf("%s %d bytes passed = %v, want %t: %+v", who, n, err, want, d)
				}
				if err == nil {
					d.bytes += n
				}
				days[who] = d
			},
			"time passes": func(rt *rapid.T) { c.pass(time.Duration(rapid.IntRange(1, 40000).Draw(rt, "seconds")) * time.Second) },
			"flush": func(rt *rapid.T) {
				store.fail = rapid.Bool().Draw(rt, "fails")
				err := l.Flush(t.Context())
				if store.fail = false; err != nil && !errors.Is(err, errDown) {
					rt.Fatal(err)
				}
			},
			"restart": func(rt *rapid.T) {
				if err := l.Flush(t.Context()); err != nil {
					rt.Fatal(err)
				}
				start()
			},
		})
	})
}

// TestConcurrentCalls: of many at once exactly as many pass as the limit says,
// while counts are stored and entries dropped.
func TestConcurrentCalls(t *testing.T) {
	store := newMemory()
	l := quota.NewLedger(store, 1, newClock().read)
	g := guard(t, l, quota.Config{CallsPerSession: 100, BytesPerDay: 1000})
	var passed, sent atomic.Int64
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 100 {
				if _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", "s")); err == nil {
					passed.Add(1)
				}
				if err := g.Deliver(t.Context(), caller("alice"), 7); err == nil {
					sent.Add(7)
				}
				if worker == 0 {
					if err := l.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if _, err := g.Inspect(t.Context(), caller(fmt.Sprint("other", i)), callOf("a", "")); err != nil {
					var e *portcullis.Error
					if !errors.As(err, &e) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if passed.Load() > 100 || sent.Load() > 1000 || sent.Load() < 1000-7 {
		t.Errorf("%d calls, %d bytes", passed.Load(), sent.Load())
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.list[quota.Key{Route: "files", Principal: "alice"}]; got.Calls != passed.Load() || got.Bytes != sent.Load() {
		t.Errorf("stored %+v, want %d calls and %d bytes", got.Use, passed.Load(), sent.Load())
	}
}

func TestHotCallersAskNoStore(t *testing.T) {
	store := newMemory()
	g := guard(t, quota.NewLedger(store, 0, newClock().read), quota.Config{BytesPerDay: 1 << 30, CallsPerSession: 1000})
	for range 100 {
		if _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", "")); err != nil {
			t.Fatal(err)
		}
	}
	if store.reads != 1 {
		t.Errorf("%d reads for 100 calls", store.reads)
	}
}

func TestList(t *testing.T) {
	l := quota.NewLedger(newMemory(), 0, newClock().read)
	g := guard(t, l, quota.Config{CallsPerSession: 5})
	if _, err := g.Inspect(t.Context(), caller("alice"), callOf("a", "the session's secret name")); err != nil {
		t.Fatal(err)
	}
	list, err := l.List(t.Context(), "alice")
	if err != nil || len(list) != 2 {
		t.Fatalf("List = %v, %v", list, err)
	}
	for _, c := range list {
		if strings.Contains(c.Session, "secret") {
			t.Error("the session's name is kept")
		}
	}
}

func TestValidate(t *testing.T) {
	good := quota.Config{CallsPerSession: 1, BytesPerDay: 1, BudgetPerDay: 1, Costs: map[string]float64{"a*": 0.5}, ResultBytes: map[string]int64{"*": 1}}
	if err := good.Validate(); err != nil || good.Empty() || !(quota.Config{}).Empty() {
		t.Error(err)
	}
	for want, change := range map[string]func(*quota.Config){
		"calls_per_session":             func(c *quota.Config) { c.CallsPerSession = -1 },
		"bytes_per_day":                 func(c *quota.Config) { c.BytesPerDay = -1 },
		"budget_per_day: want":          func(c *quota.Config) { c.BudgetPerDay = 1e-9 },
		"costs.x":                       func(c *quota.Config) { c.Costs = map[string]float64{"x": -1} },
		"costs: \"\"":                   func(c *quota.Config) { c.Costs = map[string]float64{"": 1} },
		"result_bytes.y":                func(c *quota.Config) { c.ResultBytes = map[string]int64{"y": 0} },
		"budget_per_day: has no effect": func(c *quota.Config) { c.Costs = nil },
		"costs: have no effect":         func(c *quota.Config) { c.BudgetPerDay = 0 },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want one on %s", err, want)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for name, session := range map[string]string{"stateless": "", "session": "0197d1c2-8a52-7c3e-9f00-2f6f6d1c9a11"} {
		b.Run(name, func(b *testing.B) {
			g := guard(b, quota.NewLedger(newMemory(), 0, nil), quota.Config{
				CallsPerSession: 1e9, BytesPerDay: 1 << 50, BudgetPerDay: 1e9, Costs: map[string]float64{"gpt_*": 0.000001, "search": 0.000001},
			})
			m := callOf("search", session)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Inspect(b.Context(), caller("alice"), m); err != nil {
					b.Fatal(err)
				}
				if err := g.Deliver(b.Context(), caller("alice"), 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCallsOfMany(b *testing.B) {
	g := guard(b, quota.NewLedger(newMemory(), 0, nil), quota.Config{CallsPerSession: 1e9})
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		who, m := caller(fmt.Sprint("caller", n.Add(1))), callOf("search", "")
		for pb.Next() {
			if _, err := g.Inspect(b.Context(), who, m); err != nil {
				b.Error(err)
			}
		}
	})
}
