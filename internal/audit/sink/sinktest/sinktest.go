// Package sinktest holds what the tests of all sinks share: a journal, sinks
// that follow it and are restarted, and a check that every event arrived at
// least once and in order.
package sinktest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
)

// Journal opens a journal with small segments.
func Journal(t *testing.T) (dir string, j *journal.Journal) {
	t.Helper()
	dir = t.TempDir()
	cfg := journal.Default()
	cfg.SegmentBytes = 1 << 20
	cfg.SecurityLog = false
	j, err := journal.Open(dir, cfg, journal.Options{Service: "portcullis"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return dir, j
}

// Fill records events whose resources are the numbers from from to to.
func Fill(t *testing.T, j *journal.Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e := portcullis.Event{
			Type: portcullis.EventCallFinished, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Resource: strconv.Itoa(i),
			Actor: portcullis.Actor{ID: "alice"}, Details: []slog.Attr{slog.Int("status", 200)},
		}
		if err := j.Record(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
}

// Serve runs sinks until stop is called, or the test ends.
func Serve(t *testing.T, dir string, j *journal.Journal, specs ...sink.Spec) (set *sink.Set, stop func()) {
	t.Helper()
	set = sink.New(sink.Options{Dir: dir, End: j.End, Record: j})
	set.Replace(specs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		set.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return set, stop
}

// WaitFor waits for what happens on other goroutines and on the disk.
func WaitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen in time")
		}
	}
}

// Fast are pauses for tests.
func Fast() sink.Pace {
	return sink.Pace{Least: time.Millisecond, Most: 20 * time.Millisecond, Slow: 20 * time.Millisecond}
}

// Order checks what a server got. It is safe for concurrent use.
type Order struct {
	mu     sync.Mutex
	next   int // number that has not been there yet
	again  int
	broken error
}

// Take notes the numbers of a batch that the server has taken. Some may have
// been there before; none may come before those below it.
func (o *Order) Take(numbers ...int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range numbers {
		switch {
		case n == o.next:
			o.next++
		case n < o.next:
			o.again++
		case o.broken == nil:
			o.broken = fmt.Errorf("event %d came before event %d", n, o.next)
		}
	}
}

// Next is the number of events that were there, from the first one on.
func (o *Order) Next() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next
}

// Check returns how many events came again, and what came out of order.
func (o *Order) Check() (again int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.again, o.broken
}

// Endure fills the journal with total events while make's sinks are stopped
// and started again at random, and waits until all have arrived at the server
// that o stands for.
func Endure(t *testing.T, o *Order, total int, sinkOf func() sink.Spec) {
	t.Helper()
	dir, j := Journal(t)
	rng := rand.New(rand.NewPCG(uint64(total), 7)) //nolint:gosec // a test
	for from := 0; from < total; {
		_, stop := Serve(t, dir, j, sinkOf())
		to := min(total, from+1+rng.IntN(total/3))
		Fill(t, j, from, to)
		from = to
		time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond) // somewhere in the middle of something
		stop()
	}
	set, stop := Serve(t, dir, j, sinkOf())
	defer stop()
	WaitFor(t, func() bool { return o.Next() >= total })
	again, err := o.Check()
	if err != nil {
		t.Error(err)
	}
	WaitFor(t, func() bool { return set.Views()[0].LagRecords == 0 })
	t.Logf("%d events arrived, %d of them more than once", total, again)
}
