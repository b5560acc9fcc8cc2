// Package rotateall replaces everything that may have been stolen, item by item:
// a plan that a person has seen, a run that is stored before each step, and
// steps that can be done again.
//
//	planned ─▶ running ─▶ done
//	   ▲          │ ├───▶ failed ──(resume)──▶ planned
//	   └──(kill)──┘ └───▶ manual: a person must give a new value
//
// A process that dies leaves items that are running. Whether such a step was
// done, the thing itself knows: a key has a successor, an entry of the wallet a
// newer version. So steps are asked for again, and what was done is not done
// twice.
package rotateall

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Errors of this package.
var (
	ErrNotFound = errors.New("no such rotation")
	ErrBusy     = errors.New("a rotation is not over: wait for it, or go on with 'portcullis incident rotate-all --resume last'")
	ErrChanged  = errors.New("what is to be rotated has changed since the plan: look at it again")
	ErrInvalid  = errors.New("not a rotation")
)

// State of an item, or of a run.
type State string

// States. A run is running, or done: its items tell what came of it.
const (
	Planned State = "planned"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Manual  State = "manual"
)

// Over reports whether nothing more happens to an item by itself.
func (s State) Over() bool { return s == Done || s == Failed || s == Manual }

// next says which states follow a state.
func next(s State) []State {
	switch s {
	case Planned:
		return []State{Running}
	case Running:
		return []State{Running, Done, Failed, Manual} // again, by who comes after a process that died
	case Failed, Manual:
		return []State{Planned}
	}
	return nil
}

// Item is one thing that is replaced.
type Item struct {
	Kind   string `json:"kind"` // key, signing or wallet
	Name   string `json:"name"`
	Base   string `json:"base,omitempty"` // what it is now: how a step knows that it was done
	State  State  `json:"state"`
	Result string `json:"result,omitempty"` // what it is then: the id of a successor, a version
	Detail string `json:"detail,omitempty"` // for people
}

// ID names an item: kind:name.
func (i *Item) ID() string { return i.Kind + ":" + i.Name }

// Run is one rotation of everything.
type Run struct {
	ID       string        `json:"id"`
	Plan     string        `json:"plan"` // digest of what was planned
	State    State         `json:"state"`
	Overlap  time.Duration `json:"overlap"` // 0 = the old ones end at once
	By       string        `json:"by"`
	Reason   string        `json:"reason,omitempty"`
	Incident string        `json:"incident,omitempty"`
	Created  time.Time     `json:"created_at"`
	Ended    time.Time     `json:"ended_at,omitzero"`
	Items    []Item        `json:"items"`
}

// Order says what to rotate, and how.
type Order struct {
	Overlap  time.Duration
	Exclude  []string // ids of items, or kinds
	Reason   string
	Incident string
	By       string
}

// MaxOverlap bounds how long what may be stolen goes on working.
const MaxOverlap = 7 * 24 * time.Hour

// Store keeps runs. A driver passes storetest/rotations.
type Store interface {
	// AddRun stores a run with its items. It is ErrBusy if another is running.
	AddRun(ctx context.Context, r Run) error
	// SaveItem stores the state of item number n of a run.
	SaveItem(ctx context.Context, run string, n int, i Item) error
	// SaveRun stores the state and end of a run.
	SaveRun(ctx context.Context, r Run) error
	// Run returns a run with its items, or ErrNotFound. "" is the newest.
	Run(ctx context.Context, id string) (Run, error)
	// RunningRun returns the run that is running, or ErrNotFound.
	RunningRun(ctx context.Context) (Run, error)
}

// Changer replaces things of one kind.
type Changer interface {
	Kind() string
	// Items lists what there is now, with their Base.
	Items(ctx context.Context) ([]Item, error)
	// Change replaces one. Called again about one that it had replaced, it does
	// nothing and says so. What it returns has a state that is over, unless there
	// is an error: then the item has failed.
	Change(ctx context.Context, r *Run, i Item) (Item, error)
}

// Engine plans and carries out runs. It is safe for concurrent use.
type Engine struct {
	Store    Store
	Changers []Changer
	// Tell records what happens to a run, before it starts and behind each item.
	// n is the number of the item, -1 for the run.
	Tell func(ctx context.Context, r *Run, n int) error
	Now  func() time.Time

	mu sync.Mutex // held while a run is carried out
}

// Plan lists what a run would replace, and the digest by which it is asked for.
func (e *Engine) Plan(ctx context.Context, o Order) (Run, error) {
	r := Run{State: Planned, Overlap: o.Overlap, By: o.By, Reason: o.Reason, Incident: o.Incident, Items: []Item{}}
	if o.Overlap < 0 || o.Overlap > MaxOverlap {
		return r, fmt.Errorf("%w: overlap: want 0 to %s", ErrInvalid, MaxOverlap)
	}
	used := map[string]bool{}
	for _, c := range e.Changers {
		items, err := c.Items(ctx)
		if err != nil {
			return r, fmt.Errorf("listing what is to be rotated: %w", err)
		}
		used[c.Kind()] = true
		for _, i := range items {
			used[i.ID()] = true
			if slices.Contains(o.Exclude, i.ID()) || slices.Contains(o.Exclude, i.Kind) {
				continue
			}
			i.State = Planned
			r.Items = append(r.Items, i)
		}
	}
	for _, x := range o.Exclude {
		if !used[x] {
			return r, fmt.Errorf("%w: exclude: there is no %q", ErrInvalid, x)
		}
	}
	r.Plan = digest(&r)
	return r, nil
}

// digest is of all that a person decides on.
func digest(r *Run) string {
	text, err := json.Marshal(struct {
		Overlap time.Duration
		Items   []Item
	}{r.Overlap, r.Items})
	if err != nil { // of texts and a number: not reached
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Start stores a run of the plan with a digest. [Engine.Continue] carries it out.
func (e *Engine) Start(ctx context.Context, o Order, plan string) (Run, error) {
	r, err := e.Plan(ctx, o)
	if err != nil {
		return r, err
	}
	if plan != r.Plan {
		return r, fmt.Errorf("%w: it is %s now", ErrChanged, r.Plan)
	}
	r.ID, r.State, r.Created = obs.NewID(), Running, e.Now().UTC().Truncate(time.Microsecond)
	if err := e.Tell(ctx, &r, -1); err != nil { // not recorded, not done
		return r, err
	}
	return r, e.Store.AddRun(ctx, r)
}

// Resume lets the items of a run be tried again that failed, or that waited for
// a person.
func (e *Engine) Resume(ctx context.Context, id string) (Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r, err := e.Store.RunningRun(ctx); err == nil && r.ID != id {
		return r, ErrBusy
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return r, err
	}
	r, err := e.Store.Run(ctx, id)
	if err != nil {
		return r, err
	}
	for n := range r.Items {
		if s := r.Items[n].State; s == Failed || s == Manual {
			if err := e.move(ctx, &r, n, Planned); err != nil {
				return r, err
			}
		}
	}
	r.State, r.Ended = Running, time.Time{}
	return r, e.Store.SaveRun(ctx, r)
}

// Continue carries out the run that is running, if there is one, and returns it
// when each of its items is over. It is called after Start and Resume, and when
// the process starts.
func (e *Engine) Continue(ctx context.Context) (Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, err := e.Store.RunningRun(ctx)
	if err != nil {
		return r, err
	}
	for n := range r.Items {
		if r.Items[n].State.Over() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if err := e.one(ctx, &r, n); err != nil {
			return r, err
		}
	}
	r.State, r.Ended = Done, e.Now().UTC().Truncate(time.Microsecond)
	if err := e.Store.SaveRun(ctx, r); err != nil {
		return r, err
	}
	return r, e.Tell(ctx, &r, -1)
}

// one replaces one thing: stored that it begins, done, stored what came of it.
func (e *Engine) one(ctx context.Context, r *Run, n int) error {
	if err := e.move(ctx, r, n, Running); err != nil {
		return err
	}
	i := r.Items[n]
	at := slices.IndexFunc(e.Changers, func(c Changer) bool { return c.Kind() == i.Kind })
	if at < 0 {
		i.State, i.Detail = Failed, "this version knows no such thing"
	} else {
		changed, err := e.Changers[at].Change(ctx, r, i)
		switch {
		case err != nil && ctx.Err() != nil: // the process ends: the next one goes on
			return ctx.Err()
		case err != nil:
			i.State, i.Detail = Failed, err.Error()
		case !changed.State.Over():
			i.State, i.Detail = Failed, "nothing came of it"
		default:
			i = changed
		}
	}
	r.Items[n].Result, r.Items[n].Detail = i.Result, i.Detail
	if err := e.move(context.WithoutCancel(ctx), r, n, i.State); err != nil {
		return err
	}
	return e.Tell(context.WithoutCancel(ctx), r, n)
}

// move takes an item to a state, and stores it.
func (e *Engine) move(ctx context.Context, r *Run, n int, to State) error {
	i := &r.Items[n]
	if !slices.Contains(next(i.State), to) {
		return fmt.Errorf("%w: %s cannot go from %s to %s", ErrInvalid, i.ID(), i.State, to)
	}
	i.State = to
	if err := e.Store.SaveItem(ctx, r.ID, n, *i); err != nil {
		return fmt.Errorf("storing the rotation of %s: %w", i.ID(), err)
	}
	return nil
}
