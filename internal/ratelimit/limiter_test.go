package ratelimit

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fakeClock is a settable clock.
type fakeClock struct{ t time.Time }

func newClock() *fakeClock               { return &fakeClock{time.Unix(1_700_000_000, 0)} }
func (c *fakeClock) Now() time.Time      { return c.t }
func (c *fakeClock) add(d time.Duration) { c.t = c.t.Add(d) }
func mustRate(t testing.TB, s string) Rate {
	t.Helper()
	r, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustLimiter(t testing.TB, rate string, maxKeys int, now func() time.Time) *Limiter {
	t.Helper()
	l, err := New(mustRate(t, rate), maxKeys, now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWaitAddr: to ask costs nothing, and says what the next call would hear.
func TestWaitAddr(t *testing.T) {
	clock := newClock()
	l := mustLimiter(t, "2/1m", 0, clock.Now)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for range 10 {
		if w := l.WaitAddr(a); w != 0 {
			t.Fatalf("asking costs: %s", w)
		}
	}
	l.TakeAddr(a)
	l.TakeAddr(a)
	if w := l.WaitAddr(a); w != 30*time.Second || w != l.TakeAddr(a).RetryAfter {
		t.Errorf("wait %s", w)
	}
	if l.WaitAddr(b) != 0 || l.WaitAddr(netip.MustParseAddr("::ffff:192.0.2.1")) == 0 {
		t.Error("another address waits, or a mapped one does not")
	}
	clock.add(30 * time.Second)
	if w := l.WaitAddr(a); w != 0 || !l.TakeAddr(a).Allowed {
		t.Errorf("after the wait: %s", w)
	}
	// Without room for more addresses strangers share the overflow, and hear so.
	full := mustLimiter(t, "1/1h", 1, clock.Now)
	var strangers int
	for i := range 20000 {
		if x := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}); full.WaitAddr(x) > 0 {
			strangers++
			if full.TakeAddr(x).Allowed {
				t.Fatal("an address passes that was told to wait")
			}
		} else if !full.TakeAddr(x).Allowed {
			t.Fatal("an address is refused that was told not to wait")
		}
	}
	if strangers == 0 {
		t.Error("the table was never full")
	}
}

func TestTake(t *testing.T) {
	clock := newClock()
	l := mustLimiter(t, "3/1m", 0, clock.Now)
	want := func(key string, want Result) {
		t.Helper()
		want.Limit = 3
		if got := l.Take(key); got != want {
			t.Errorf("Take(%q) = %+v, want %+v", key, got, want)
		}
	}
	want("a", Result{Allowed: true, Remaining: 2, Reset: 20 * time.Second})
	want("a", Result{Allowed: true, Remaining: 1, Reset: 40 * time.Second})
	want("a", Result{Allowed: true, Remaining: 0, Reset: 60 * time.Second})
	want("a", Result{Reset: 60 * time.Second, RetryAfter: 20 * time.Second})
	want("b", Result{Allowed: true, Remaining: 2, Reset: 20 * time.Second})
	clock.add(19*time.Second + 999*time.Millisecond)
	want("a", Result{Reset: 40*time.Second + time.Millisecond, RetryAfter: time.Millisecond})
	clock.add(time.Millisecond) // exactly RetryAfter is enough
	want("a", Result{Allowed: true, Remaining: 0, Reset: 60 * time.Second})
	clock.add(time.Hour)
	want("a", Result{Allowed: true, Remaining: 2, Reset: 20 * time.Second})
	clock.add(-24 * time.Hour) // a clock that jumps back limits more, never less
	if got := l.Take("a"); got.Allowed || got.RetryAfter <= 0 {
		t.Errorf("after the clock jumped back: %+v", got)
	}
	l.Reset()
	want("a", Result{Allowed: true, Remaining: 2, Reset: 20 * time.Second})
}

func TestBurst(t *testing.T) {
	clock := newClock()
	l := mustLimiter(t, "60/1m;burst=2", 0, clock.Now)
	for i, want := range []bool{true, true, false} {
		if got := l.Take("a"); got.Allowed != want {
			t.Errorf("call %d: %+v", i, got)
		}
	}
	clock.add(time.Second)
	if got := l.Take("a"); !got.Allowed || got.Remaining != 0 || got.Limit != 60 {
		t.Errorf("a second later: %+v", got)
	}
	big := mustLimiter(t, "5/1s;burst=20", 0, clock.Now)
	if got := big.Take("a"); got.Remaining != 5 {
		t.Errorf("Remaining = %d, want it capped at the limit of 5", got.Remaining)
	}
}

func TestTakeAddr(t *testing.T) {
	same := func(a, b string, want bool) {
		t.Helper()
		l := mustLimiter(t, "1/1m", 0, newClock().Now)
		l.TakeAddr(netip.MustParseAddr(a))
		if got := !l.TakeAddr(netip.MustParseAddr(b)).Allowed; got != want {
			t.Errorf("%s and %s share a count: %t, want %t", a, b, got, want)
		}
	}
	same("192.0.2.1", "192.0.2.1", true)
	same("192.0.2.1", "192.0.2.2", false)
	same("192.0.2.1", "::ffff:192.0.2.1", true)
	same("2001:db8::1", "2001:db8::ffff:1", true)           // one /64
	same("2001:db8::1", "2001:db8:0:1::1", false)           // next /64
	same("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false) // behind a translator
	same("fe80::1%eth0", "fe80::1%eth1", true)
	l := mustLimiter(t, "1/1m", 0, nil)
	l.TakeAddr(netip.Addr{})
	if l.TakeAddr(netip.Addr{}).Allowed {
		t.Error("unknown addresses do not share a count")
	}
	if !l.TakeAddr(netip.IPv4Unspecified()).Allowed {
		t.Error("0.0.0.0 counts as an unknown address")
	}
}

// model is the simplest bucket there is: tokens, in the time it takes to earn
// them.
type model struct {
	tokens time.Duration
	at     time.Time
}

func (m *model) take(r Rate, interval time.Duration, now time.Time) bool {
	m.tokens = min(time.Duration(r.Burst)*interval, m.tokens+now.Sub(m.at))
	m.at = now
	if m.tokens < interval {
		return false
	}
	m.tokens -= interval
	return true
}

func drawRate(t *rapid.T) Rate {
	r := Rate{
		Limit:  rapid.IntRange(1, 50).Draw(t, "limit"),
		Window: time.Duration(rapid.IntRange(1, 120).Draw(t, "window")) * time.Second,
	}
	r.Burst = rapid.IntRange(1, 2*r.Limit).Draw(t, "burst")
	return r
}

// TestAgainstModel compares the Limiter with a bucket of tokens, over several
// keys, and with a log of the calls that passed: in no window more than
// Limit+Burst.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRate(t)
		clock := newClock()
		l, err := New(r, 0, clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		interval := time.Duration(newBucket(r).interval)
		models := map[string]*model{}
		passed := map[string][]time.Time{}
		for range rapid.IntRange(1, 300).Draw(t, "calls") {
			clock.add(time.Duration(rapid.Int64Range(0, int64(interval)*3/2).Draw(t, "step")))
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			m := models[key]
			if m == nil {
				m = &model{tokens: time.Duration(r.Burst) * interval, at: clock.t}
				models[key] = m
			}
			want := m.take(r, interval, clock.t)
			got := l.Take(key)
			if got.Allowed != want {
				t.Fatalf("%s at %s: allowed %t, the model says %t (%s)", key, clock.t, got.Allowed, want, m.tokens)
			}
			if left := min(int(m.tokens/interval), r.Limit); got.Allowed && got.Remaining != left {
				t.Fatalf("remaining %d, the model says %d", got.Remaining, left)
			}
			if got.Allowed != (got.RetryAfter == 0) || got.RetryAfter > got.Reset {
				t.Fatalf("%+v contradicts itself", got)
			}
			if got.Allowed {
				passed[key] = append(passed[key], clock.t)
			}
		}
		for key, log := range passed {
			for i, from := range log {
				n := 0
				for _, at := range log[i:] {
					if at.Sub(from) <= r.Window {
						n++
					}
				}
				if n > r.Limit+r.Burst {
					t.Fatalf("%s: %d calls within %s, want at most %d", key, n, r.Window, r.Limit+r.Burst)
				}
			}
		}
	})
}

// TestRetryAfterIsExact checks that waiting RetryAfter is enough and that a
// nanosecond less is not.
func TestRetryAfterIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := newClock()
		l, err := New(drawRate(t), 0, clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		var r Result
		for r = l.Take("a"); r.Allowed; r = l.Take("a") {
		}
		clock.add(r.RetryAfter - 1)
		if got := l.Take("a"); got.Allowed || got.RetryAfter != 1 {
			t.Fatalf("too early, yet %+v", got)
		}
		clock.add(1)
		if got := l.Take("a"); !got.Allowed {
			t.Fatalf("after RetryAfter: %+v", got)
		}
	})
}

// TestFloodKeepsCounts floods the table with far more addresses than it holds:
// memory stays bounded, the attacker's own bucket is not reset by it, and who
// finds no slot is limited together with the others.
func TestFloodKeepsCounts(t *testing.T) {
	clock := newClock()
	const maxKeys = 4096
	l := mustLimiter(t, "2/1h", maxKeys, clock.Now)
	l.Take("attacker")
	l.Take("attacker")
	if l.Take("attacker").Allowed {
		t.Fatal("not limited to begin with")
	}
	refused := 0
	for i := range 20 * maxKeys {
		if !l.Take(fmt.Sprint("flood", i)).Allowed {
			refused++
		}
	}
	if l.Take("attacker").Allowed {
		t.Error("the flood reset the attacker's bucket")
	}
	st := l.Stats()
	if st.Slots != maxKeys || st.Live < maxKeys*9/10 {
		t.Errorf("stats = %+v, want %d slots, nearly all live", st, maxKeys)
	}
	// Each key called once, so every refusal happened in an overflow bucket.
	if want := 20*maxKeys - st.Live - shardCount*2 - 1; refused < want || st.Overflows == 0 {
		t.Errorf("%d refused with %d overflows, want at least %d refused", refused, st.Overflows, want)
	}
	clock.add(2 * time.Hour) // all buckets are full again: the slots are free
	if r := l.Take("newcomer"); !r.Allowed || r.Remaining != 1 {
		t.Errorf("after the flood: %+v", r)
	}
	if live := l.Stats().Live; live != 1 {
		t.Errorf("%d live buckets after the flood, want 1", live)
	}
}

// TestGrowth keeps every count while the shards grow.
func TestGrowth(t *testing.T) {
	clock := newClock()
	l := mustLimiter(t, "1/1h", 1<<15, clock.Now)
	const keys = 8000
	for i := range keys {
		if !l.Take(fmt.Sprint(i)).Allowed {
			t.Fatalf("key %d refused at its first call", i)
		}
	}
	for i := range keys {
		if l.Take(fmt.Sprint(i)).Allowed {
			t.Fatalf("key %d was forgotten", i)
		}
	}
	if st := l.Stats(); st.Live != keys || st.Overflows != 0 {
		t.Errorf("stats = %+v", st)
	}
}

func TestConcurrentTake(t *testing.T) {
	clock := newClock()
	l := mustLimiter(t, "100/1h", 0, clock.Now)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if l.Take("shared").Allowed {
					passed.Add(1)
				}
				l.Take(fmt.Sprint("other", i))
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 100 {
		t.Errorf("%d calls passed, want 100", n)
	}
}

func BenchmarkTake(b *testing.B) {
	l := mustLimiter(b, "1000000/1s", 0, nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Take("0123456789abcdef0123456789abcdef")
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	l := mustLimiter(b, "1000000/1s", 0, nil)
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("%032d", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.Take(keys[i&1023])
		}
	})
}

func BenchmarkTakeFlood(b *testing.B) {
	l := mustLimiter(b, "10/1h", 1<<14, nil)
	b.ReportAllocs()
	var a [16]byte
	for i := 0; b.Loop(); i++ {
		a[0], a[1], a[2], a[3], a[4] = 0x20, byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		l.TakeAddr(netip.AddrFrom16(a))
	}
}
