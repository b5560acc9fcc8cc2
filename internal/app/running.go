package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// running counts the calls that are being served, by generation: a reload
// begins a new one, and when the one before has no calls left, nobody uses what
// the reload replaced. The zero value is not ready, see newRunning. Safe for
// concurrent use.
type running struct{ now atomic.Pointer[generation] }

// generation is how many calls run that began between two reloads.
type generation struct{ calls atomic.Int64 }

func newRunning() *running {
	r := new(running)
	r.now.Store(new(generation))
	return r
}

// next begins a generation and returns the one that ended. No call joins that
// any more.
func (r *running) next() *generation { return r.now.Swap(new(generation)) }

// count serves with h and counts.
func (r *running) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g := r.enter()
		defer g.calls.Add(-1)
		h.ServeHTTP(w, req)
	})
}

// enter joins the generation of now. Who joined one that ended in the same
// moment leaves it again: whoever saw it empty may rely on that.
func (r *running) enter() *generation {
	for {
		g := r.now.Load()
		g.calls.Add(1)
		if r.now.Load() == g {
			return g
		}
		g.calls.Add(-1)
	}
}

// Wait returns when no call of an ended generation runs, or ctx ends.
func (g *generation) Wait(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for g.calls.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
