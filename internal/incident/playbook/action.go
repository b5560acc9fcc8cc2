package playbook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Args are the arguments of a step, templated from the incident. Beside what
// the playbook writes there are always those below.
type Args map[string]string

// Only refuses arguments that an action does not take.
func (a Args) Only(names ...string) error {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if !reserved(key) && !slices.Contains(names, key) {
			return fmt.Errorf("args: there is no argument %q: want of %v", key, names)
		}
	}
	return nil
}

// Arguments that every action gets.
const (
	ArgIncident = "incident" // id of the incident
	ArgRun      = "run"      // id of the run, "" outside of one
	ArgStep     = "step"     // number of the step in the run, from 1
	ArgBy       = "by"       // id of who started the run
	ArgAuto     = "auto"     // "true" if nobody did, but a rule
	ArgForce    = "force"    // "true" if a person insists
)

// Action is something that a step of a playbook does. It is safe for
// concurrent use.
type Action interface {
	// Name is what playbooks write, such as "rotate-all".
	Name() string
	// Destructive reports whether the action destroys what an investigation may
	// need: it is refused before evidence is preserved.
	Destructive() bool
	// Plan says in a line what Do would do now, and changes nothing. It refuses
	// arguments that Do would refuse.
	Plan(ctx context.Context, args Args) (text string, err error)
	// Do does it. It is called again with the same arguments when the process
	// died meanwhile: what was done already is not done twice. note tells what
	// happens, line by line; the last is what the timeline says of the step.
	Do(ctx context.Context, args Args, note func(string)) error
}

// Judged is an [Action] of which the arguments say whether it destroys.
type Judged interface {
	Action
	// Destroys is asked in place of Destructive. Arguments may not be filled in
	// yet: what is not known destroys.
	Destroys(args Args) bool
}

func destroys(a Action, args Args) bool {
	if j, ok := a.(Judged); ok {
		return j.Destroys(args)
	}
	return a.Destructive()
}

// Registry holds the actions that there are. The zero value is empty and ready.
// It is safe for concurrent use.
type Registry struct {
	mu      sync.RWMutex
	actions map[string]Action
}

// Add registers an action. A name is taken once.
func (r *Registry) Add(a Action) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.actions[a.Name()]; taken || a.Name() == "" {
		return fmt.Errorf("the action %q is registered already", a.Name())
	}
	if r.actions == nil {
		r.actions = map[string]Action{}
	}
	r.actions[a.Name()] = a
	return nil
}

// Get returns the action of a name, or false.
func (r *Registry) Get(name string) (Action, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	a, ok := r.actions[name]
	return a, ok
}

// Names lists what is registered.
func (r *Registry) Names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.actions))
}
