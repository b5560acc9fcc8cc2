package apikey

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func cacheEntry(n int, loaded time.Time) *entry {
	return &entry{id: fmt.Sprintf("%032x", n), loaded: loaded}
}

func TestCacheIsBoundedAndForgetsTheOldest(t *testing.T) {
	c := newCache(1) // one set
	base := time.Unix(0, 0)
	for n := range 100 {
		if !c.put(cacheEntry(n, base.Add(time.Duration(n))), 0) {
			t.Fatal("not put")
		}
	}
	for n := range 100 {
		if got := c.get(fmt.Sprintf("%032x", n)) != nil; got != (n >= 100-ways) {
			t.Errorf("entry %d kept: %v", n, got)
		}
	}
	// The same id takes its own place.
	fresh := cacheEntry(95, base.Add(200))
	c.put(fresh, 0)
	if c.get(fresh.id) != fresh || c.get(cacheEntry(92, base).id) == nil {
		t.Error("a newer entry of an id pushed another id out")
	}
	stored := 0
	for i := range c.sets[0].slots {
		if e := c.sets[0].slots[i].Load(); e != nil && e.id == fresh.id {
			stored++
		}
	}
	if stored != 1 {
		t.Errorf("%d entries of one id", stored)
	}
}

func TestCacheSizes(t *testing.T) {
	for _, n := range []int{1, 4, 5, 100, 8192} {
		if c := newCache(n); len(c.sets)*ways < n || len(c.sets)&(len(c.sets)-1) != 0 {
			t.Errorf("%d: %d sets", n, len(c.sets))
		}
	}
	// A full house of random ids loses few of them.
	h := newHarness(t)
	c, kept := newCache(1000), 0
	var ids []string
	for range 1000 {
		k, err := h.grammar.Generate(h.rand)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k.ID())
		c.put(&entry{id: k.ID()}, 0)
	}
	for _, id := range ids {
		if c.get(id) != nil {
			kept++
		}
	}
	if kept < 900 {
		t.Errorf("only %d of 1000 kept", kept)
	}
}

func TestCacheInvalidate(t *testing.T) {
	c := newCache(8)
	e := cacheEntry(1, time.Unix(0, 0))
	gen := c.generation(e.id)
	c.put(e, gen)
	c.invalidate(e.id)
	if c.get(e.id) != nil || c.put(e, gen) || c.get(e.id) != nil {
		t.Error("an answer from before an invalidation was kept")
	}
	c.swap(e, cacheEntry(1, time.Unix(0, 1)))
	if c.get(e.id) != nil {
		t.Error("swap brought an invalidated entry back")
	}
	if !c.put(e, c.generation(e.id)) || c.get(e.id) != e {
		t.Error("an answer from after an invalidation was not kept")
	}
}

func (h *harness) use(t *testing.T, c Created) {
	t.Helper()
	if _, err := h.Authenticator().Authenticate(t.Context(), conn(t, "/mcp", "X-API-Key: "+c.Key.Reveal())); err != nil {
		t.Fatal(err)
	}
}

func (h *harness) lastUsed(c Created) time.Time {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	return h.store.recs[c.View.ID].LastUsedAt
}

func TestLastUsed(t *testing.T) {
	h := newHarness(t)
	a, b := h.create(t, CreateRequest{}), h.create(t, CreateRequest{})
	first := h.clock.now()
	h.use(t, a)
	h.use(t, b)
	h.use(t, a)
	h.clock.advance(2 * time.Second)
	h.use(t, a)
	h.clock.advance(-2 * time.Second)
	if !h.lastUsed(a).IsZero() || len(h.uses.pending) != 2 {
		t.Errorf("before a flush: last used %s, %d pending for two keys", h.lastUsed(a), len(h.uses.pending))
	}
	flush := func(want error) {
		t.Helper()
		if err := h.Flush(t.Context()); !errors.Is(err, want) {
			t.Fatalf("Flush: %v, want %v", err, want)
		}
	}
	flush(nil)
	if !h.lastUsed(a).Equal(first.Add(2*time.Second)) || !h.lastUsed(b).Equal(first) {
		t.Errorf("last used %s, %s", h.lastUsed(a), h.lastUsed(b))
	}
	h.clock.advance(5 * time.Second)
	h.use(t, a)
	h.store.down.Store(true)
	flush(errDown)
	h.clock.advance(5 * time.Second)
	h.use(t, a)
	h.use(t, b)
	flush(errDown)
	h.store.down.Store(false)
	flush(nil)
	if want := first.Add(10 * time.Second); !h.lastUsed(a).Equal(want) || !h.lastUsed(b).Equal(want) {
		t.Errorf("after an outage: %s, %s, want %s", h.lastUsed(a), h.lastUsed(b), want)
	}
	h.clock.advance(-time.Hour)
	h.use(t, a)
	flush(nil)
	if want := first.Add(10 * time.Second); !h.lastUsed(a).Equal(want) {
		t.Errorf("a clock set back moved it to %s", h.lastUsed(a))
	}
	if len(h.uses.pending) != 0 {
		t.Error("something is pending still")
	}
}

func TestUsageIsBounded(t *testing.T) {
	u := &usage{store: newMemStore()}
	now := time.Unix(100, 0)
	for range maxPending + 10 {
		u.note(&use{id: "x"}, now)
	}
	if len(u.pending) != maxPending {
		t.Errorf("%d pending", len(u.pending))
	}
	extra := &use{id: "y"}
	u.note(extra, now)
	if extra.queued.Load() {
		t.Error("a dropped use thinks it is queued")
	}
	if err := u.flush(t.Context()); err != nil || len(u.pending) != 0 {
		t.Errorf("%d pending after a flush, %v", len(u.pending), err)
	}
	u.note(extra, now.Add(time.Minute))
	if len(u.pending) != 1 {
		t.Error("a dropped use is never queued again")
	}
}

// TestUsageRace: however notes and flushes interleave, the last note is
// written by a flush that starts after it.
func TestUsageRace(t *testing.T) {
	store := newMemStore()
	store.recs["x"] = Record{ID: "x"}
	u := &usage{store: store}
	k := &use{id: "x"}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for n := range 2000 {
			u.note(k, time.Unix(int64(n+1), 0))
		}
		close(done)
	})
	wg.Go(func() {
		for {
			if err := u.flush(t.Context()); err != nil {
				t.Errorf("flush: %v", err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	wg.Wait()
	if err := u.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.recs["x"].LastUsedAt; got.Unix() != 2000 {
		t.Errorf("last used %d, want 2000", got.Unix())
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a, b := h.create(t, CreateRequest{}), h.create(t, CreateRequest{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		h.use(t, a)
		h.store.down.Store(true)
		time.Sleep(flushInterval + time.Second) // the bubble's clock
		h.store.down.Store(false)
		if !h.lastUsed(a).IsZero() {
			t.Error("written while the store was down")
		}
		time.Sleep(flushInterval)
		if h.lastUsed(a).IsZero() {
			t.Error("not written after the store came back")
		}
		h.use(t, b)
		cancel()
		if err := <-ended; err != nil || h.lastUsed(b).IsZero() {
			t.Errorf("ended with %v, last use of b at %s", err, h.lastUsed(b))
		}
	})
}
