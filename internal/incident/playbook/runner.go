package playbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Cases is what a runner needs of *casebook.Book.
type Cases interface {
	order.Cases
	Find(ctx context.Context, id string) (casebook.Incident, []casebook.Entry, error)
	Reach(ctx context.Context, id string, to casebook.Phase, force bool, by portcullis.Actor) error
}

// Options are what a Runner is made of.
type Options struct {
	Store    Store
	Actions  *Registry
	Cases    Cases
	Recorder portcullis.Recorder
	Log      *slog.Logger
	Now      func() time.Time
}

// Defaults of a Runner.
const (
	DefaultPerHour = 10               // runs that rules start
	StepTimeout    = 15 * time.Minute // of one step
	maxNotes       = 100              // of one step; the last is always kept
	maxNote        = 500              // bytes
)

// Runner carries out runs, one at a time, in the order in which they came. It
// is safe for concurrent use.
type Runner struct {
	o    Options
	wake chan struct{}

	mu      sync.Mutex
	library Library
	perHour int
}

// New returns a runner with the built-in playbooks.
func New(o Options) (*Runner, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := BuiltIn()
	return &Runner{o: o, wake: make(chan struct{}, 1), library: l, perHour: DefaultPerHour}, err
}

// Use puts playbooks and the limit of what rules start into force.
func (r *Runner) Use(l Library, perHour int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.library, r.perHour = l, perHour
}

// Library returns the playbooks in force.
func (r *Runner) Library() Library {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.library
}

func (r *Runner) playbook(name string) (*Playbook, error) {
	p := r.Library()[name]
	if p == nil {
		return nil, fmt.Errorf("%w: %q", ErrNone, name)
	}
	return p, nil
}

// prepare finds what a request is about.
func (r *Runner) prepare(ctx context.Context, q Request) (*Playbook, casebook.Incident, map[string]string, error) {
	p, err := r.playbook(q.Playbook)
	if err != nil {
		return nil, casebook.Incident{}, nil, err
	}
	i, _, err := r.o.Cases.Find(ctx, q.Incident)
	if err != nil {
		return nil, i, nil, err
	}
	if !i.Open() {
		return nil, i, nil, casebook.ErrClosed
	}
	for key, v := range q.Vars {
		if !argForm.MatchString(key) || len(v) > maxArg {
			return nil, i, nil, fmt.Errorf("%w: --set %.40q: want a small name and at most %d bytes", ErrInvalid, key, maxArg)
		}
	}
	return p, i, Vars(&i, q.Vars), nil
}

// Plan says what a run would do now, and changes nothing.
func (r *Runner) Plan(ctx context.Context, q Request) (casebook.Incident, []Planned, error) {
	p, i, vars, err := r.prepare(ctx, q)
	if err != nil {
		return i, nil, err
	}
	preserved := !i.Preserved.IsZero()
	out := make([]Planned, len(p.Steps))
	for n := range p.Steps {
		s := &p.Steps[n]
		out[n] = Planned{Name: s.Name, Action: s.Action, Phase: string(s.Phase), Optional: s.Optional, State: StepWaiting}
		r.plan(ctx, s, &out[n], vars, r.extra(&Run{Incident: i.ID, By: q.By.ID, Auto: q.Auto, Force: q.Force}, n), preserved, q.Force)
		if s.Action == Evidence && out[n].State == StepWaiting {
			preserved = true
		}
	}
	return i, out, nil
}

func (r *Runner) plan(ctx context.Context, s *Step, out *Planned, vars map[string]string, extra Args, preserved, force bool) {
	a, ok := r.o.Actions.Get(s.Action)
	if !ok {
		out.State, out.Text = StepMissing, missing(s.Action)
		return
	}
	out.Destructive = destroys(a, s.Args)
	args, err := s.fill(vars)
	if err != nil {
		out.State, out.Text = unknown(s.Optional), err.Error()
		return
	}
	out.Args, out.Destructive = maps.Clone(args), destroys(a, args)
	if err := order.Check(s.Action, out.Destructive, preserved, force); err != nil {
		out.State, out.Text = StepRefused, err.Error()
		return
	}
	maps.Copy(args, extra)
	if out.Text, err = a.Plan(ctx, args); err != nil {
		out.State, out.Text = StepFailed, err.Error()
	}
}

func missing(action string) string { return fmt.Sprintf("there is no action %q here", action) }

func unknown(optional bool) StepState {
	if optional {
		return StepSkipped
	}
	return StepFailed
}

// extra are the arguments that every step gets.
func (r *Runner) extra(run *Run, n int) Args {
	return Args{
		ArgIncident: run.Incident, ArgRun: run.ID, ArgStep: strconv.Itoa(n + 1), ArgBy: run.By,
		ArgAuto: strconv.FormatBool(run.Auto), ArgForce: strconv.FormatBool(run.Force),
	}
}

// misordered returns the step that destroys although evidence, which the
// playbook preserves behind it, is not preserved yet.
func (r *Runner) misordered(p *Playbook) *Step {
	var first *Step
	for n := range p.Steps {
		s := &p.Steps[n]
		if s.Action == Evidence {
			return first
		}
		if a, ok := r.o.Actions.Get(s.Action); ok && destroys(a, s.Args) && first == nil {
			first = s
		}
	}
	return nil
}

// Start begins a run and returns it at once; [Runner.Work] carries it out.
func (r *Runner) Start(ctx context.Context, q Request) (Run, error) {
	ctx = context.WithoutCancel(ctx)
	p, i, vars, err := r.prepare(ctx, q)
	if err != nil {
		return Run{}, err
	}
	if s := r.misordered(p); s != nil {
		if err := order.Check(s.Action, true, !i.Preserved.IsZero(), q.Force); err != nil {
			return Run{}, fmt.Errorf("playbook %q: step %q comes before evidence is preserved: %w", p.Name, s.Name, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.Auto {
		if err := r.mayStart(ctx, i.ID, p.Name); err != nil {
			return Run{}, err
		}
	}
	run := Run{
		ID: obs.NewID(), Incident: i.ID, Playbook: p.Name, State: Running, Force: q.Force, Auto: q.Auto, By: q.By.ID,
		StartedAt: r.now(), Steps: make([]StepRun, len(p.Steps)),
	}
	for n := range p.Steps {
		s := &p.Steps[n]
		run.Steps[n] = StepRun{Name: s.Name, Action: s.Action, Phase: string(s.Phase), Optional: s.Optional, State: StepWaiting}
		args, err := s.fill(vars)
		if err != nil {
			run.Steps[n].State, run.Steps[n].Error = unknown(s.Optional), err.Error()
		}
		run.Steps[n].Args = args
	}
	if err := r.tell(ctx, &run, "start", portcullis.OutcomeSuccess, "the playbook begins", slog.Bool("forced", q.Force)); err != nil {
		return Run{}, err
	}
	if err := r.o.Store.SaveRun(ctx, run); err != nil {
		return Run{}, fmt.Errorf("storing a run: %w", err)
	}
	r.nudge()
	return run, nil
}

// mayStart keeps rules from starting a playbook twice for an incident, and too
// many. The caller holds mu.
func (r *Runner) mayStart(ctx context.Context, incident, name string) error {
	have, err := r.o.Store.Runs(ctx, incident, 100)
	if err != nil {
		return fmt.Errorf("reading runs: %w", err)
	}
	for _, one := range have {
		if one.Auto && one.Playbook == name {
			return ErrAgain
		}
	}
	n, err := r.o.Store.AutoRuns(ctx, r.o.Now().Add(-time.Hour))
	if err != nil {
		return fmt.Errorf("reading runs: %w", err)
	}
	if n >= r.perHour {
		return ErrLimit
	}
	return nil
}

// Resume begins a run that ended without having done everything again, at its
// first step that was not done.
func (r *Runner) Resume(ctx context.Context, id string, force bool, by portcullis.Actor) (Run, error) {
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	run, err := r.o.Store.Run(ctx, id)
	if err != nil {
		return Run{}, err
	}
	if run.State == Running {
		return Run{}, ErrBusy
	}
	i, _, err := r.o.Cases.Find(ctx, run.Incident)
	if err != nil {
		return Run{}, err
	}
	if !i.Open() {
		return Run{}, casebook.ErrClosed
	}
	for n := range run.Steps {
		s := &run.Steps[n]
		unknown := s.Started == nil && (s.State == StepFailed || s.State == StepSkipped)
		if s.State == StepDone || unknown { // what was not known does not become known
			continue
		}
		s.State, s.Error, s.Ended = StepWaiting, "", nil
	}
	run.State, run.EndedAt, run.Force, run.By = Running, time.Time{}, force, by.ID
	if err := r.tell(ctx, &run, "resume", portcullis.OutcomeSuccess, "the playbook goes on", slog.Bool("forced", force)); err != nil {
		return Run{}, err
	}
	if err := r.o.Store.SaveRun(ctx, run); err != nil {
		return Run{}, fmt.Errorf("storing a run: %w", err)
	}
	r.nudge()
	return run, nil
}

// Run returns a run.
func (r *Runner) Run(ctx context.Context, id string) (Run, error) { return r.o.Store.Run(ctx, id) }

// Runs lists the newest runs, of one incident if it is not "".
func (r *Runner) Runs(ctx context.Context, incident string, most int) ([]Run, error) {
	return r.o.Store.Runs(ctx, incident, most)
}

func (r *Runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Runner) now() time.Time { return r.o.Now().UTC().Truncate(time.Microsecond) }

// tell writes what a run does, before it is done.
func (r *Runner) tell(ctx context.Context, run *Run, action string, out portcullis.Outcome, reason string, more ...slog.Attr) error {
	sev := portcullis.SeverityWarn
	if out == portcullis.OutcomeFailure {
		sev = portcullis.SeverityError
	}
	resource := "playbook:" + run.Playbook
	if run.Playbook == "" { // one action outside of one
		resource = "action:" + action
	}
	err := r.o.Recorder.Record(ctx, &portcullis.Event{
		Time: r.o.Now(), Type: portcullis.EventIncidentAction, Severity: sev, Outcome: out, Actor: portcullis.Actor{ID: run.By, Method: "playbook"},
		Action: action, Resource: resource, Reason: reason,
		Details: append([]slog.Attr{slog.String("incident", run.Incident), slog.String("run", run.ID)}, more...),
	})
	if err != nil {
		return fmt.Errorf("recording what a playbook does: %w", err)
	}
	return nil
}

// Work carries out runs until ctx ends, first those that a process before this
// one did not end.
func (r *Runner) Work(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.Drain(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Error("carrying out a playbook", "error", err)
			t := time.NewTimer(time.Second)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		}
	}
}

// Drain carries out the runs that there are. Nobody may work meanwhile.
func (r *Runner) Drain(ctx context.Context) error {
	for {
		list, err := r.o.Store.RunningRuns(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := r.carryOut(ctx, list[0]); err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}
