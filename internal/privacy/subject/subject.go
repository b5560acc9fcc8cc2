// Package subject is the rights of a data subject: to see what the gateway
// holds about them, to take it along, to have it put right, restricted and
// erased (requirement S3-38).
//
// Each place that holds data about persons is a [Holder]: it says what is
// there, why and how long, collects it and erases it. A [Desk] asks all of them.
// An erasure is a [Run], stored before it begins and after each step, so that a
// process that dies in the middle goes on where it was.
package subject

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors of a desk.
var (
	ErrUnknown   = errors.New("nothing is known of that subject")
	ErrAmbiguous = errors.New("more than one account has that name")
	ErrNotFound  = errors.New("no such erasure")
	ErrRefused   = errors.New("the upstream refused") // from [Hook].Tell: it was reached, and said no
)

// Erased is what stands where something of an erased person stood and cannot be
// left out.
const Erased = "[erased]"

// Person is a data subject under everything by which the gateway knows them.
type Person struct {
	ID        string   `json:"id"`                  // of the principal
	Names     []string `json:"names,omitempty"`     // of accounts
	Keys      []string `json:"keys,omitempty"`      // ids of API keys
	Addresses []string `json:"addresses,omitempty"` // from which they called
	Aliases   []string `json:"aliases,omitempty"`   // by which the audit log knows them
}

// Is reports whether a text is the id of a person. The name of an account is
// not: somebody else may be known by that id.
func (p *Person) Is(text string) bool { return text != "" && text == p.ID }

// Holder is one place that holds data about persons.
type Holder struct {
	Place
	// Collect returns what is held about a person; nil: nothing can be shown.
	Collect func(ctx context.Context, p *Person) ([]any, error)
	// Erase removes it, for ever and from every file. To erase again what is
	// erased is no error. It may be called again after a crash in the middle.
	// nil: there is nothing to remove, the place says why.
	Erase func(ctx context.Context, p *Person) (Done, error)
}

// Place says what a holder holds: a line of the data map.
type Place struct {
	Name      string   `json:"name" doc:"In exports and receipts"`
	Title     string   `json:"title"`
	Where     string   `json:"where" doc:"In the data folder"`
	Data      []string `json:"data" doc:"What is personal of it"`
	Source    string   `json:"source" doc:"Whom it is from"`
	Purpose   string   `json:"purpose"`
	Retention string   `json:"retention"`
	Erasure   string   `json:"erasure" doc:"What an erasure does"`
}

// Done is what an erasure did in one place.
type Done struct {
	Count int      // things that were removed or made nameless
	Kept  []string // what stays, and why: duties and holds
	Wait  bool     // Kept ends some day: the erasure goes on then
}

// State of a run.
type State uint8

// States. They only grow.
const (
	Running State = iota + 1 // holders are being asked
	Held                     // a legal hold keeps something
	Telling                  // upstreams have not all said that they erased
	Finished
)

// String names a state.
func (s State) String() string {
	switch s {
	case Running:
		return "running"
	case Held:
		return "held"
	case Telling:
		return "telling"
	case Finished:
		return "erased"
	}
	return "unknown"
}

// Step is one place that is done.
type Step struct {
	Place string    `json:"place"`
	Count int       `json:"count"`
	Kept  []string  `json:"kept,omitempty"`
	Wait  bool      `json:"waits,omitempty"`
	At    time.Time `json:"at"`

	// Of upstreams only.
	Outcome  string `json:"outcome,omitempty" enum:"done,failed,retry" doc:"What an upstream said: failed is no, retry is that it was not reached. Both are tried again."`
	Attempts int    `json:"attempts,omitempty" doc:"How often it was told"`
}

// Outcomes of telling an upstream.
const (
	ToldDone   = "done"
	ToldFailed = "failed" // it refused; it is asked again
	ToldRetry  = "retry"  // it was not reached; it is asked again
)

// open reports whether a place needs more.
func (s Step) open() bool { return s.Wait || s.Outcome == ToldFailed || s.Outcome == ToldRetry }

// Run is one erasure.
type Run struct {
	ID      string
	Hash    string // of the person, keyed
	Person  Person // empty when it is finished
	State   State
	Steps   []Step
	By      string // who asked: "subject" or "operator"
	At      time.Time
	Ended   time.Time
	Receipt string // signed; of the state as it is
}

// done reports whether a place needs nothing more.
func (r *Run) done(place string) bool {
	return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Place == place && !s.open() })
}

// step is what was done in a place so far.
func (r *Run) step(place string) Step {
	if i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Place == place }); i >= 0 {
		return r.Steps[i]
	}
	return Step{}
}

// set notes what was done in a place.
func (r *Run) set(s Step) {
	r.Steps = slices.DeleteFunc(r.Steps, func(old Step) bool {
		if old.Place == s.Place {
			s.Count += old.Count
		}
		return old.Place == s.Place
	})
	r.Steps = append(r.Steps, s)
}

// waits reports whether a place keeps something for a time.
func (r *Run) waits() bool { return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Wait }) }

// Hook tells an upstream that it has to erase a person.
type Hook struct {
	Name string
	// Tell returns nil when the upstream said that it will, and an error that wraps
	// ErrRefused when it said no. To tell again is no harm.
	Tell func(ctx context.Context, run string, p *Person) error
}

// hookPlace is the step of a hook.
func hookPlace(name string) string { return "upstream:" + name }

// Store keeps runs, with persons sealed.
type Store interface {
	// SaveErasure adds a run or replaces the one with its id. Nothing of a
	// person that a replaced one named is left in the files of the store.
	SaveErasure(ctx context.Context, r Run) error
	// Erasure returns the run with an id, or ErrNotFound.
	Erasure(ctx context.Context, id string) (Run, error)
	// OpenErasures lists those that are not finished, oldest first.
	OpenErasures(ctx context.Context) ([]Run, error)
	// Erasures lists the newest.
	Erasures(ctx context.Context, max int) ([]Run, error)
}

// Collected is what one place holds about a person.
type Collected struct {
	Place
	Items []any `json:"items"`
}

// Collect asks all holders.
func Collect(ctx context.Context, holders []Holder, p *Person) ([]Collected, error) {
	out := make([]Collected, 0, len(holders))
	for _, h := range holders {
		c := Collected{Place: h.Place, Items: []any{}}
		if h.Collect != nil {
			items, err := h.Collect(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", h.Name, err)
			}
			c.Items = append(c.Items, items...)
		}
		out = append(out, c)
	}
	return out, nil
}
