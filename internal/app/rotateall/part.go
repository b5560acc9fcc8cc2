// Package rotateall replaces the keys of callers, the keys that sign tokens and
// the keys of providers in one run, which goes on where a process that died left
// it.
package rotateall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/rotateall"
	"github.com/portcullis-dev/portcullis/internal/app/keyrotation"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
)

// name is the action's, in playbooks and events.
const name = "rotate-all"

// Part implements part.Part.
type Part struct {
	env     part.Env
	engine  *rotateall.Engine
	rotator *keyrotation.Part
	tasks   sync.WaitGroup
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ playbook.Action   = action{}
)

// New returns the part.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, rotator: keyrotation.ByHand(env)}
	p.engine = &rotateall.Engine{
		Store: env.DB.Rotations(), Changers: []rotateall.Changer{entries{p.rotator}, signing{env}, keys{env}}, Tell: p.tell, Now: time.Now,
	}
	return p, env.Response.Actions.Add(action{p})
}

// Next implements part.Part.
func (p *Part) Next(ctx context.Context, cfg *config.Config, secrets part.Secrets) (func(), error) {
	return p.rotator.Next(ctx, cfg, secrets)
}

// Run implements part.Part: it goes on with what an earlier process began.
func (p *Part) Run(ctx context.Context) {
	p.carryOut(ctx)
	<-ctx.Done()
	p.tasks.Wait()
}

func (p *Part) carryOut(ctx context.Context) {
	if r, err := p.engine.Continue(ctx); err != nil && !errors.Is(err, rotateall.ErrNotFound) && ctx.Err() == nil {
		p.env.Log.Error("rotating everything: it goes on at the next start, or with 'portcullis incident rotate-all --resume'", "run", r.ID, "error", err)
	}
}

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// Plan implements api.Rotations.
func (p *Part) Plan(ctx context.Context, o rotateall.Order) (rotateall.Run, error) {
	return p.engine.Plan(ctx, o)
}

// Start implements api.Rotations: the run is stored when it returns, and carried
// out behind it.
func (p *Part) Start(ctx context.Context, o rotateall.Order, plan string, force bool) (rotateall.Run, error) {
	cases := p.env.Response.Cases
	if o.Incident != "" {
		i, _, err := cases.Find(ctx, o.Incident)
		if err == nil && !i.Open() {
			err = casebook.ErrClosed
		}
		if err != nil {
			return rotateall.Run{}, err
		}
	}
	// Everything is rotated: evidence of one incident is none of another.
	if err := order.Ask(ctx, cases, "", name, true, force); err != nil {
		return rotateall.Run{}, err
	}
	r, err := p.engine.Start(ctx, o, plan)
	if err == nil {
		p.tasks.Go(func() { p.carryOut(context.WithoutCancel(ctx)) })
	}
	return r, err
}

// Resume implements api.Rotations.
func (p *Part) Resume(ctx context.Context, id string) (rotateall.Run, error) {
	r, err := p.Get(ctx, id)
	if err != nil {
		return r, err
	}
	r, err = p.engine.Resume(ctx, r.ID)
	if err == nil {
		p.tasks.Go(func() { p.carryOut(context.WithoutCancel(ctx)) })
	}
	return r, err
}

// Get implements api.Rotations. "last" is the newest run.
func (p *Part) Get(ctx context.Context, id string) (rotateall.Run, error) {
	if id == "last" {
		id = ""
	}
	return p.env.DB.Rotations().Run(ctx, id)
}

// Deliver implements api.Rotations: claim tokens for successors that nobody has
// fetched.
func (p *Part) Deliver(ctx context.Context, id string) (out []apikey.Rotation, err error) {
	r, err := p.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, i := range r.Items {
		if i.Kind != KindKey || i.State != rotateall.Done || i.Result == "" {
			continue
		}
		made, ok, err := keys{p.env}.deliver(ctx, &r, i)
		if err != nil {
			return out, fmt.Errorf("key %s: %w", i.Name, err)
		}
		if ok {
			out = append(out, made)
		}
	}
	return out, nil
}

// tell records a run as it begins and ends, and each item that did not go well:
// those that did have events of their own.
func (p *Part) tell(ctx context.Context, r *rotateall.Run, n int) error {
	e := &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventIncidentAction, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess,
		Actor: actor(r), Action: name, Resource: "rotation:" + r.ID, Reason: r.Reason,
	}
	if r.Incident != "" {
		e.Details = append(e.Details, slog.String("incident", r.Incident))
	}
	if n >= 0 {
		i := &r.Items[n]
		if i.State == rotateall.Done {
			return nil
		}
		e.Outcome, e.Severity, e.Reason = portcullis.OutcomeFailure, portcullis.SeverityError, string(i.State)
		e.Details = append(e.Details, slog.String("item", i.ID()))
		return p.env.Journal.Record(ctx, e)
	}
	if r.State == rotateall.Running {
		e.Outcome = portcullis.OutcomePending
	}
	done := 0
	for i := range r.Items {
		if r.Items[i].State == rotateall.Done {
			done++
		}
	}
	e.Details = append(e.Details, slog.String("plan", r.Plan), slog.Int("items", len(r.Items)), slog.Int("done", done), slog.String("overlap", r.Overlap.String()))
	return p.env.Journal.Record(ctx, e)
}

// Arguments of the action.
const (
	ArgOverlap = "overlap" // a duration; none = the old ones end at once
	ArgExclude = "exclude" // ids of items or kinds, apart by spaces
)

// action lets playbooks rotate everything.
type action struct{ p *Part }

func (action) Name() string { return name }

func (action) Destructive() bool { return true }

func rotation(args playbook.Args) (o rotateall.Order, err error) {
	if err := args.Only(ArgOverlap, ArgExclude, "reason"); err != nil { // a slip would rotate what was to be left out
		return o, err
	}
	o = rotateall.Order{Exclude: strings.Fields(args[ArgExclude]), Incident: args[playbook.ArgIncident], By: args[playbook.ArgBy], Reason: runOf(args)}
	if text := args[ArgOverlap]; text != "" {
		o.Overlap, err = time.ParseDuration(text)
	}
	return o, err
}

// runOf names the step that a rotation belongs to: the same step asked for again
// goes on with it.
func runOf(args playbook.Args) string {
	return "playbook run " + args[playbook.ArgRun] + " step " + args[playbook.ArgStep] + " " + args["reason"]
}

func (a action) Plan(ctx context.Context, args playbook.Args) (string, error) {
	o, err := rotation(args)
	if err != nil {
		return "", err
	}
	r, err := a.p.engine.Plan(ctx, o)
	return fmt.Sprintf("rotate %d keys and secrets, overlap %s", len(r.Items), r.Overlap), err
}

func (a action) Do(ctx context.Context, args playbook.Args, note func(string)) error {
	o, err := rotation(args)
	if err != nil {
		return err
	}
	r, err := a.p.env.DB.Rotations().Run(ctx, "")
	if err != nil || r.Reason != o.Reason || args[playbook.ArgRun] == "" { // not begun before the process died
		plan, err := a.p.engine.Plan(ctx, o)
		if err != nil {
			return err
		}
		if r, err = a.p.engine.Start(ctx, o, plan.Plan); err != nil {
			return err
		}
	}
	if _, err := a.p.engine.Continue(ctx); err != nil && !errors.Is(err, rotateall.ErrNotFound) {
		return err
	}
	if r, err = a.p.env.DB.Rotations().Run(ctx, r.ID); err != nil {
		return err
	}
	var left []string
	for i := range r.Items {
		if r.Items[i].State != rotateall.Done {
			left = append(left, r.Items[i].ID())
		}
	}
	note(fmt.Sprintf("rotation %s: %d of %d done", r.ID, len(r.Items)-len(left), len(r.Items)))
	if len(left) > 0 {
		return fmt.Errorf("rotation %s: not rotated: %s", r.ID, strings.Join(left, ", "))
	}
	return nil
}
