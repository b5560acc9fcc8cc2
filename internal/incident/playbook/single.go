package playbook

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
)

// ErrAction says that an action cannot be done as it was asked for.
var ErrAction = errors.New("the action was not done")

// Act asks for one action outside of a playbook.
type Act struct {
	Action   string
	Incident string // "" = the only one that is open
	Args     map[string]string
	Force    bool
	DryRun   bool // only say what it would do
	By       portcullis.Actor
}

// Acted is what became of it.
type Acted struct {
	Incident string
	Plan     string   // what it does, or would do
	Notes    []string // what it told
}

// Act does one action for an incident that is open, by the rule that playbooks
// go by, asked of all incidents that are open: a person names which it is for, and
// evidence of that one is none of another. One that destroys is on record before and behind.
func (r *Runner) Act(ctx context.Context, q Act) (Acted, error) {
	a, ok := r.o.Actions.Get(q.Action)
	if !ok {
		return Acted{}, fmt.Errorf("%w: %s", ErrAction, missing(q.Action))
	}
	i, _, err := r.o.Cases.Find(ctx, q.Incident)
	if err != nil {
		return Acted{}, err
	}
	if !i.Open() {
		return Acted{}, casebook.ErrClosed
	}
	out := Acted{Incident: i.ID}
	run := &Run{Incident: i.ID, By: q.By.ID, Force: q.Force}
	args := Args{}
	for key, v := range q.Args {
		if !argForm.MatchString(key) || reserved(key) || len(v) > maxArg {
			return out, fmt.Errorf("%w: args: %.40q: not an argument", ErrInvalid, key)
		}
		args[key] = v
	}
	maps.Copy(args, r.extra(run, 0))
	args[ArgRun], args[ArgStep] = "", ""
	if out.Plan, err = a.Plan(ctx, args); err != nil {
		return out, fmt.Errorf("%w: %w", ErrAction, err)
	}
	destroys := destroys(a, args)
	if err := order.Ask(ctx, r.o.Cases, "", q.Action, destroys, q.Force); err != nil || q.DryRun {
		return out, err
	}
	step := &StepRun{Name: q.Action, Action: q.Action}
	if destroys { // the others tell themselves what they do
		ctx = context.WithoutCancel(ctx) // whoever asked may leave: it is done whole, and told of
		if err := r.tell(ctx, run, q.Action, portcullis.OutcomePending, out.Plan); err != nil {
			return out, err
		}
	}
	run.Steps = []StepRun{{Args: q.Args}}
	step.Args = q.Args
	r.do(ctx, run, step, 0)
	out.Notes = step.Notes
	if step.State != StepDone {
		return out, errors.Join(fmt.Errorf("%w: %s", ErrAction, step.Error), r.tell(ctx, run, q.Action, portcullis.OutcomeFailure, step.Error))
	}
	if !destroys {
		return out, nil
	}
	text := out.Plan
	if n := len(step.Notes); n > 0 {
		text = step.Notes[n-1]
	}
	return out, r.tell(ctx, run, q.Action, portcullis.OutcomeSuccess, text)
}
