package rotateall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is a store and a changer in memory. It dies when its budget of writes is
// used up, before or behind a write.
type world struct {
	runs    []Run
	things  map[string]int // version of each
	changed map[string]int // how often each was replaced
	fails   map[string]bool
	manual  map[string]bool
	budget  int // of writes; below zero it never dies
	told    int
}

var errKilled = errors.New("killed")

// write is a write that may be the last.
func (w *world) write(do func()) error {
	if w.budget == 0 {
		return errKilled
	}
	w.budget--
	do()
	if w.budget == 0 {
		return errKilled // done, and nobody heard of it
	}
	return nil
}

func (w *world) AddRun(_ context.Context, r Run) error {
	if _, err := w.RunningRun(context.Background()); err == nil {
		return ErrBusy
	}
	r.Items = slices.Clone(r.Items)
	return w.write(func() { w.runs = append(w.runs, r) })
}

func (w *world) SaveItem(_ context.Context, run string, n int, i Item) error {
	for k := range w.runs {
		if w.runs[k].ID == run {
			return w.write(func() { w.runs[k].Items[n] = i })
		}
	}
	return ErrNotFound
}

func (w *world) SaveRun(_ context.Context, r Run) error {
	for k := range w.runs {
		if w.runs[k].ID == r.ID {
			return w.write(func() { w.runs[k].State, w.runs[k].Ended = r.State, r.Ended })
		}
	}
	return ErrNotFound
}

func (w *world) Run(_ context.Context, id string) (Run, error) {
	for _, r := range slices.Backward(w.runs) {
		if r.ID == id || id == "" {
			r.Items = slices.Clone(r.Items)
			return r, nil
		}
	}
	return Run{}, ErrNotFound
}

func (w *world) RunningRun(context.Context) (Run, error) {
	for _, r := range w.runs {
		if r.State == Running {
			r.Items = slices.Clone(r.Items)
			return r, nil
		}
	}
	return Run{}, ErrNotFound
}

func (*world) Kind() string { return "thing" }

func (w *world) Items(context.Context) (out []Item, err error) {
	for name, v := range w.things {
		out = append(out, Item{Kind: "thing", Name: name, Base: fmt.Sprint(v)})
	}
	slices.SortFunc(out, func(a, b Item) int { return len(a.Name) - len(b.Name) })
	return out, nil
}

func (w *world) Change(_ context.Context, _ *Run, i Item) (Item, error) {
	switch {
	case w.fails[i.Name]:
		return i, errors.New("the disk is full")
	case w.manual[i.Name]:
		i.State = Manual
		return i, nil
	}
	if fmt.Sprint(w.things[i.Name]) == i.Base {
		if err := w.write(func() { w.things[i.Name]++; w.changed[i.Name]++ }); err != nil {
			return i, err
		}
	}
	i.State, i.Result = Done, fmt.Sprint(w.things[i.Name])
	return i, nil
}

func (w *world) engine() *Engine {
	return &Engine{Store: w, Changers: []Changer{w}, Now: time.Now, Tell: func(context.Context, *Run, int) error { w.told++; return nil }}
}

func newWorld(n int) *world {
	w := &world{things: map[string]int{}, changed: map[string]int{}, fails: map[string]bool{}, manual: map[string]bool{}, budget: -1}
	for i := range n {
		w.things[fmt.Sprintf("%0*d", i+1, i)] = 1
	}
	return w
}

// alive runs f as a process that may be killed: errors of a dead one are taken
// for its end.
func alive(ctx context.Context, w *world, e *Engine) (Run, error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	e.Changers = []Changer{killer{w, kill}}
	return e.Continue(ctx)
}

// killer ends the process that a changer of a dead world runs in.
type killer struct {
	*world
	kill context.CancelFunc
}

func (k killer) Change(ctx context.Context, r *Run, i Item) (Item, error) {
	out, err := k.world.Change(ctx, r, i)
	if errors.Is(err, errKilled) {
		k.kill()
	}
	return out, err
}

// TestKilledAtAnyWrite: however often a process dies, before or behind any
// write, each thing is replaced once, and the run ends.
func TestKilledAtAnyWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.IntRange(0, 6).Draw(t, "things"))
		e := w.engine()
		plan, err := e.Plan(t.Context(), Order{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Start(t.Context(), Order{}, plan.Plan); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 12).Draw(t, "kills") {
			w.budget = rapid.IntRange(1, 9).Draw(t, "writes")
			_, _ = alive(t.Context(), w, w.engine()) // its end is what is wanted
		}
		w.budget = -1
		r, err := w.engine().Continue(t.Context())
		if errors.Is(err, ErrNotFound) { // it ended before the last kill
			r, err = w.Run(t.Context(), "")
		}
		if err != nil || r.State != Done {
			t.Fatalf("the run is %s: %v", r.State, err)
		}
		for name := range w.things {
			if w.changed[name] != 1 {
				t.Fatalf("%s was replaced %d times", name, w.changed[name])
			}
		}
		for _, i := range r.Items {
			if i.State != Done || i.Result != "2" {
				t.Fatalf("%s is %s, %s", i.ID(), i.State, i.Result)
			}
		}
	})
}

// TestMoves: only the moves of the drawing are made.
func TestMoves(t *testing.T) {
	all := []State{Planned, Running, Done, Failed, Manual}
	allowed := map[State][]State{Planned: {Running}, Running: {Running, Done, Failed, Manual}, Failed: {Planned}, Manual: {Planned}}
	for _, from := range all {
		for _, to := range all {
			w := newWorld(0)
			w.runs = []Run{{ID: "r", Items: []Item{{Kind: "thing", Name: "a", State: from}}}}
			r, err := w.Run(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			err = w.engine().move(t.Context(), &r, 0, to)
			if want := slices.Contains(allowed[from], to); (err == nil) != want {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
		}
	}
}

func TestPlanAndStart(t *testing.T) {
	w := newWorld(3)
	e := w.engine()
	ctx := t.Context()
	plan, err := e.Plan(ctx, Order{Exclude: []string{"thing:0"}})
	if err != nil || len(plan.Items) != 2 || len(w.runs) != 0 {
		t.Fatalf("a plan of %d, %d runs: %v", len(plan.Items), len(w.runs), err)
	}
	for name, tc := range map[string]struct {
		o    Order
		plan string
		want error
	}{
		"no plan":             {Order{}, "", ErrChanged},
		"another plan":        {Order{}, plan.Plan, ErrChanged},
		"another overlap":     {Order{Exclude: []string{"thing:0"}, Overlap: time.Hour}, plan.Plan, ErrChanged},
		"too long an overlap": {Order{Overlap: MaxOverlap + 1}, plan.Plan, ErrInvalid},
		"excluding nothing":   {Order{Exclude: []string{"thing:9"}}, plan.Plan, ErrInvalid},
	} {
		if _, err := e.Start(ctx, tc.o, tc.plan); !errors.Is(err, tc.want) || len(w.runs) != 0 {
			t.Errorf("%s: %v, %d runs", name, err, len(w.runs))
		}
	}
	if _, err := e.Start(ctx, Order{Exclude: []string{"thing:0"}}, plan.Plan); err != nil {
		t.Fatal(err)
	}
	full, err := e.Plan(ctx, Order{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(ctx, Order{}, full.Plan); !errors.Is(err, ErrBusy) {
		t.Errorf("a second run: %v", err)
	}
}

// TestResume: what failed or waited is tried again, what was done is not.
func TestResume(t *testing.T) {
	w := newWorld(3)
	w.fails["01"], w.manual["002"] = true, true
	e := w.engine()
	ctx := t.Context()
	plan, err := e.Plan(ctx, Order{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(ctx, Order{}, plan.Plan); err != nil {
		t.Fatal(err)
	}
	r, err := e.Continue(ctx)
	if err != nil || r.Items[0].State != Done || r.Items[1].State != Failed || r.Items[1].Detail != "the disk is full" || r.Items[2].State != Manual {
		t.Fatalf("%+v: %v", r, err)
	}
	clear(w.fails)
	clear(w.manual)
	if _, err := e.Resume(ctx, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("resuming nothing: %v", err)
	}
	if _, err := e.Resume(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	r, err = e.Continue(ctx)
	if err != nil || r.Items[1].State != Done || r.Items[2].State != Done || w.changed["0"] != 1 {
		t.Errorf("%+v, %v: %v", r, w.changed, err)
	}
}
