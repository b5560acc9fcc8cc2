package ownership

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// memory is a store.
type memory struct {
	mu     sync.Mutex
	have   map[Key]Record
	fail   error
	writes int
	reads  atomic.Int32
}

func (m *memory) Owner(_ context.Context, k Key, now time.Time) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads.Add(1)
	if r := m.have[k]; now.Before(r.Until) {
		return r, m.fail
	}
	return Record{}, m.fail
}

func (m *memory) SaveOwners(_ context.Context, now time.Time, list []Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail != nil {
		return m.fail
	}
	for _, r := range list {
		if old := m.have[r.Key]; now.Before(old.Until) && old.Principal != r.Principal {
			continue
		}
		m.have[r.Key] = r
	}
	return nil
}

func newMemory() *memory { return &memory{have: map[Key]Record{}} }

func must(t *testing.T, want bool) func(bool, error) {
	t.Helper()
	return func(got bool, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("got %t, %v; want %t", got, err, want)
		}
	}
}

func TestTheFirstOwnerStays(t *testing.T) {
	store, ctx := newMemory(), t.Context()
	l := NewLedger(store, 0, nil)
	k := KeyOf("agent", Task, "t-1")
	must(t, false)(l.Owns(ctx, k, "alice"))
	must(t, false)(l.Owns(ctx, k, ""))
	must(t, false)(l.Claim(ctx, k, ""))
	must(t, true)(l.Claim(ctx, k, "alice"))
	must(t, false)(l.Claim(ctx, k, "mallory"))
	must(t, false)(l.Owns(ctx, k, "mallory"))
	must(t, true)(l.Owns(ctx, k, "alice"))
	for _, other := range []Key{KeyOf("other", Task, "t-1"), KeyOf("agent", Context, "t-1"), KeyOf("agent", Task, "t-2")} {
		must(t, false)(l.Owns(ctx, other, "alice"))
	}
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	again := NewLedger(store, 0, nil)
	must(t, false)(again.Claim(ctx, k, "mallory"))
	must(t, true)(again.Owns(ctx, k, "alice"))
}

func TestAnOwnerIsForgottenInTheEnd(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := NewLedger(newMemory(), 0, func() time.Time { return now })
	k := KeyOf("agent", Task, "t")
	must(t, true)(l.Claim(t.Context(), k, "alice"))
	now = now.Add(Life * 3 / 4)
	must(t, true)(l.Owns(t.Context(), k, "alice")) // used: it lasts anew
	now = now.Add(Life * 3 / 4)
	must(t, true)(l.Owns(t.Context(), k, "alice"))
	now = now.Add(Life)
	must(t, false)(l.Owns(t.Context(), k, "alice"))
	must(t, true)(l.Claim(t.Context(), k, "bob"))
}

func TestAStoreThatFailsOwnsNothing(t *testing.T) {
	store := newMemory()
	l := NewLedger(store, 0, nil)
	store.fail = errors.New("disk")
	if ok, err := l.Owns(t.Context(), KeyOf("r", Task, "t"), "alice"); ok || !errors.Is(err, store.fail) {
		t.Errorf("got %t, %v", ok, err)
	}
	if ok, err := l.Claim(t.Context(), KeyOf("r", Task, "t"), "alice"); ok || !errors.Is(err, store.fail) {
		t.Errorf("got %t, %v", ok, err)
	}
	store.fail = nil
	must(t, true)(l.Claim(t.Context(), KeyOf("r", Task, "t"), "alice"))
	store.fail = errors.New("disk")
	if err := l.Flush(t.Context()); !errors.Is(err, store.fail) {
		t.Errorf("got %v", err)
	}
	store.fail = nil
	if err := l.Flush(t.Context()); err != nil || len(store.have) != 1 {
		t.Errorf("after the failure: %v, %d records", err, len(store.have))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	store := newMemory()
	l := NewLedger(store, 64, nil)
	for i := range 5000 { // guesses fill nothing
		must(t, false)(l.Owns(t.Context(), KeyOf("r", Task, fmt.Sprint(i)), "mallory"))
	}
	if n := l.things.Len(); n > 128 {
		t.Errorf("%d things in memory", n)
	}
	var full error
	for i := range 5000 { // what is not stored is not forgotten: it is refused
		if _, err := l.Claim(t.Context(), KeyOf("r", Task, fmt.Sprint(i)), "alice"); err != nil {
			full = err
			break
		}
	}
	if full == nil {
		t.Error("5000 unstored claims in room for 64")
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, true)(l.Claim(t.Context(), KeyOf("r", Task, "one more"), "alice"))
}

func TestRunStoresWithinTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l := NewLedger(store, 0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var failures atomic.Int32
		done := make(chan struct{})
		go func() { l.Run(ctx, func(error) { failures.Add(1) }); close(done) }()
		for i := range 100 {
			must(t, true)(l.Claim(ctx, KeyOf("r", Task, fmt.Sprint(i)), "alice"))
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		store.mu.Lock()
		if len(store.have) != 100 || store.writes != 1 {
			t.Errorf("after 100 ms: %d records in %d writes", len(store.have), store.writes)
		}
		store.fail = errors.New("disk")
		store.mu.Unlock()
		cancel()
		<-done
		if failures.Load() != 0 {
			t.Errorf("%d failures", failures.Load())
		}
	})
}

// TestOneOwnerWhateverHappens claims, asks, flushes and restarts in any order.
func TestOneOwnerWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := newMemory()
		l := NewLedger(store, 8, nil)
		owners := map[Key]string{}
		ctx := context.Background()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			k := KeyOf("r", Task, rapid.StringMatching(`[a-e]`).Draw(t, "id"))
			who := rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "who")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				ok, err := l.Claim(ctx, k, who)
				if err != nil {
					t.Fatal(err)
				}
				if owners[k] == "" {
					owners[k] = who
				}
				if ok != (owners[k] == who) {
					t.Fatalf("claim by %s of what %s owns: %t", who, owners[k], ok)
				}
			case 1:
				if ok, err := l.Owns(ctx, k, who); err != nil || ok != (owners[k] == who) {
					t.Fatalf("%s owns what %s owns: %t, %v", who, owners[k], ok, err)
				}
			case 2:
				if err := l.Flush(ctx); err != nil {
					t.Fatal(err)
				}
			case 3:
				if err := l.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				l = NewLedger(store, 8, nil)
			}
		}
	})
}

func BenchmarkOwns(b *testing.B) {
	l := NewLedger(newMemory(), 0, nil)
	k := KeyOf("r", Task, "t")
	if _, err := l.Claim(b.Context(), k, "alice"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := l.Owns(b.Context(), KeyOf("r", Task, "t"), "alice"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
