package lockout

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func start() time.Time { return time.Unix(1_700_000_000, 0) }

func table(t interface{ Fatal(...any) }, size int) *Table {
	tb, err := New(Config{After: 3, First: time.Second, Max: 10 * time.Second, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

func TestBackOff(t *testing.T) {
	tb, now, k := table(t, 0), start(), Key{1}
	for i, want := range []time.Duration{0, 0, 1, 2, 4, 8, 10, 10} {
		if c := tb.Charge(k, now); c.Failures != i+1 {
			t.Fatalf("failure %d counts as %d", i+1, c.Failures)
		}
		if got := tb.Wait(k, now); got != want*time.Second {
			t.Fatalf("after failure %d: wait %s, want %ds", i+1, got, want)
		}
		now = now.Add(want * time.Second)
		if tb.Wait(k, now) != 0 {
			t.Fatal("locked for longer than said")
		}
	}
	if tb.Wait(Key{2}, now) != 0 {
		t.Error("another key is locked")
	}
	tb.Forget(k)
	if c := tb.Charge(k, now); c.Failures != 1 {
		t.Errorf("forgotten, but %d failures", c.Failures)
	}
	tb.Charge(k, now)
	if c := tb.Charge(k, now.Add(time.Hour)); c.Failures != 1 {
		t.Errorf("after an hour of rest: %d failures", c.Failures)
	}
}

func TestRefund(t *testing.T) {
	tb, now, k := table(t, 0), start(), Key{1}
	tb.Charge(k, now)
	tb.Charge(k, now)
	c := tb.Charge(k, now)
	if tb.Wait(k, now) == 0 {
		t.Fatal("not locked")
	}
	tb.Refund(c)
	if tb.Wait(k, now) != 0 {
		t.Error("locked by a charge that was taken back")
	}
	c = tb.Charge(k, now)
	tb.Charge(k, now)
	tb.Refund(c) // another failed meanwhile: its lock stays
	if tb.Wait(k, now) == 0 {
		t.Error("another's lock was taken away")
	}
	tb.Forget(k)
	tb.Charge(k, now)
	tb.Refund(c) // of a count that is gone
	if c := tb.Charge(k, now); c.Failures != 2 {
		t.Errorf("a stale refund counted: %d", c.Failures)
	}
}

// TestFull: a flood of keys makes the table forget nobody, and what finds no
// room shares one count.
func TestFull(t *testing.T) {
	tb, now := table(t, 2), start()
	for range 5 {
		tb.Charge(Key{1}, now)
	}
	tb.Charge(Key{2}, now)
	for i := range 10 {
		tb.Charge(Key{9, byte(i)}, now)
	}
	if tb.Len() != 2 || tb.Wait(Key{1}, now) != 4*time.Second || tb.Wait(Key{77}, now) == 0 {
		t.Errorf("%d keys, waits %s and %s", tb.Len(), tb.Wait(Key{1}, now), tb.Wait(Key{77}, now))
	}
	now = now.Add(time.Hour)
	if tb.Wait(Key{77}, now) != 0 || tb.Charge(Key{5}, now).Failures != 1 || tb.Len() != 1 {
		t.Errorf("nothing was swept: %d keys", tb.Len())
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{{}, {After: 1, First: time.Second}, {First: 1, Max: 1}, {After: 1, First: 2, Max: 1}, {After: 1, First: 1, Max: 1, Size: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// TestGuesses is the property that matters: in any stretch of time a guesser
// who comes whenever allowed gets no more tries than the locks add up to,
// however the attempts are spread, and one who rests is free again.
func TestGuesses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tb, now, k := table(t, 0), start(), Key{1}
		end := now.Add(time.Minute)
		tries := 0
		for now.Before(end) {
			if _, wait := tb.Try(k, now); wait == 0 {
				tries++
			}
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Millisecond, 300 * time.Millisecond, 3 * time.Second}).Draw(t, "step") + time.Millisecond)
		}
		// 3 free, then 1+2+4+8+10+10+… seconds: at most 11 in a minute.
		if tries > 11 {
			t.Fatalf("%d guesses in a minute", tries)
		}
		if tb.Wait(k, now.Add(10*time.Second)) != 0 {
			t.Fatal("locked for longer than the longest lock")
		}
	})
}

// TestConcurrent: who comes with many at once gets no more.
func TestConcurrent(t *testing.T) {
	tb, now := table(t, 0), start()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, wait := tb.Try(Key{1}, now); wait == 0 {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 3 {
		t.Errorf("%d passed", passed.Load())
	}
}
