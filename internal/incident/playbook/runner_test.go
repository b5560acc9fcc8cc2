package playbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
)

// world is a store of runs, the incidents and the audit log.
type world struct {
	mu     sync.Mutex
	runs   map[string]string // as JSON: nobody shares a slice
	cases  casebook.Incident
	events []portcullis.Event
	fail   error // of the store
	mute   error // of the log
}

func newWorld() *world {
	return &world{runs: map[string]string{}, cases: casebook.Incident{ID: "i1", Summary: "odd", Severity: casebook.P2, Phase: casebook.Detect, Subjects: []string{"key:k1"}}}
}

func (w *world) SaveRun(_ context.Context, r Run) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := json.Marshal(r)
	if err == nil {
		err = w.fail
	}
	if err == nil {
		w.runs[r.ID] = string(b)
	}
	return err
}

func (w *world) Run(_ context.Context, id string) (r Run, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, ok := w.runs[id]
	if !ok {
		return r, ErrNotFound
	}
	return r, json.Unmarshal([]byte(text), &r)
}

func (w *world) Runs(_ context.Context, incident string, _ int) (out []Run, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.runs {
		var r Run
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, err
		}
		if incident == "" || r.Incident == incident {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Run) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func (w *world) RunningRuns(ctx context.Context) ([]Run, error) {
	list, err := w.Runs(ctx, "", 0)
	return slices.DeleteFunc(list, func(r Run) bool { return r.State != Running }), err
}

func (w *world) AutoRuns(ctx context.Context, _ time.Time) (n int, err error) {
	list, err := w.Runs(ctx, "", 0)
	for _, r := range list {
		if r.Auto {
			n++
		}
	}
	return n, err
}

func (w *world) Find(_ context.Context, id string) (casebook.Incident, []casebook.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id != "" && id != w.cases.ID {
		return casebook.Incident{}, nil, casebook.ErrNotFound
	}
	return w.cases, nil, nil
}

func (w *world) Preserved(context.Context, string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cases.Preserved.IsZero(), nil
}

func (w *world) Reach(_ context.Context, _ string, to casebook.Phase, _ bool, _ portcullis.Actor) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cases.Phase.Before(to) {
		w.cases.Phase = to
	}
	return nil
}

func (w *world) Record(_ context.Context, e *portcullis.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute != nil {
		return w.mute
	}
	w.events = append(w.events, *e)
	return nil
}

func (w *world) told() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		out = append(out, fmt.Sprintf("%s %s %s", e.Action, e.Outcome, e.Reason))
	}
	return out
}

// act is an action that remembers.
type act struct {
	name     string
	destroys bool
	do       func(ctx context.Context, args Args, note func(string)) error

	mu   sync.Mutex
	done []Args
}

func (a *act) Name() string      { return a.name }
func (a *act) Destructive() bool { return a.destroys }
func (a *act) Plan(_ context.Context, args Args) (string, error) {
	if args["bad"] != "" {
		return "", errors.New("bad argument")
	}
	return a.name + " " + args["subject"], nil
}

func (a *act) Do(ctx context.Context, args Args, note func(string)) error {
	a.mu.Lock()
	a.done = append(a.done, args)
	a.mu.Unlock()
	note(a.name + " was done")
	if a.do != nil {
		return a.do(ctx, args, note)
	}
	return nil
}

func (a *act) times() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.done)
}

const tale = `title = "tale"
[[step]]
name = "hold"
action = "contain"
phase = "contain"
args = { subject = "{subject}" }
[[step]]
name = "keep"
action = "evidence"
phase = "preserve"
[[step]]
name = "change"
action = "rotate-all"
phase = "eradicate"
[[step]]
name = "tell"
action = "notify"
optional = true
args = { message = "{ticket}" }
`

type stage struct {
	*world
	r                         *Runner
	contain, evidence, rotate *act
}

func newStage(t *testing.T, text string, without ...string) *stage {
	t.Helper()
	s := &stage{world: newWorld(), contain: &act{name: "contain"}, evidence: &act{name: Evidence}, rotate: &act{name: "rotate-all", destroys: true}}
	s.evidence.do = func(context.Context, Args, func(string)) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cases.Preserved = time.Now()
		return nil
	}
	s.restart(t, text, without...)
	return s
}

// restart is a new process on the same store.
func (s *stage) restart(t *testing.T, text string, without ...string) {
	t.Helper()
	reg := new(Registry)
	for _, a := range []*act{s.contain, s.evidence, s.rotate, {name: "notify"}} {
		if slices.Contains(without, a.name) {
			continue
		}
		if err := reg.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.r, err = New(Options{Store: s.world, Actions: reg, Cases: s.world, Recorder: s.world}); err != nil {
		t.Fatal(err)
	}
	p, err := Parse("tale", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s.r.Use(Library{"tale": p}, 2)
}

// run starts the tale and carries it out.
func (s *stage) run(t *testing.T, q Request) Run {
	t.Helper()
	q.Playbook, q.By = "tale", portcullis.Actor{ID: "alice"}
	run, err := s.r.Start(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s.work(t, run.ID)
}

func (s *stage) work(t *testing.T, id string) Run {
	t.Helper()
	if err := s.r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, err := s.r.Run(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func states(r Run) string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, string(s.State))
	}
	return string(r.State) + ": " + strings.Join(out, " ")
}

func TestRun(t *testing.T) {
	s := newStage(t, tale)
	run := s.run(t, Request{Vars: map[string]string{"ticket": "4711"}})
	if got := states(run); got != "done: done done done done" {
		t.Fatalf("%s: %+v", got, run.Steps)
	}
	args := s.contain.done[0]
	if args["subject"] != "key:k1" || args[ArgIncident] != "i1" || args[ArgRun] != run.ID || args[ArgStep] != "1" || args[ArgBy] != "alice" || args[ArgAuto] != "false" {
		t.Errorf("%v", args)
	}
	if s.cases.Phase != casebook.Eradicate || run.EndedAt.IsZero() || run.Steps[0].Notes[0] != "contain was done" {
		t.Errorf("%s, %+v", s.cases.Phase, run)
	}
	want := []string{"start success the playbook begins", "step success hold: contain was done", "step success keep: evidence was done", "step success change: rotate-all was done", "step success tell: notify was done", "end success the playbook is done"}
	if got := s.told(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestOptionalIsSkipped: what is not known of the incident does not hold up a
// run if it is optional.
func TestOptionalIsSkipped(t *testing.T) {
	s := newStage(t, tale)
	if got := states(s.run(t, Request{})); got != "incomplete: done done done skipped" {
		t.Error(got)
	}
	s = newStage(t, strings.Replace(tale, "{subject}", "{nobody}", 1))
	if got := states(s.run(t, Request{})); got != "failed: failed waiting waiting skipped" || s.contain.times() != 0 {
		t.Error(got)
	}
}

// TestMissingIsNotDone: an action that nobody registered is shown, the rest goes
// on, and what destroys is refused as there is no evidence.
func TestMissingIsNotDone(t *testing.T) {
	s := newStage(t, tale, Evidence)
	run := s.run(t, Request{Vars: map[string]string{"ticket": "4711"}})
	if got := states(run); got != "incomplete: done missing refused done" || s.rotate.times() != 0 {
		t.Fatalf("%s: %+v", got, run.Steps)
	}
	_, plan, err := s.r.Plan(t.Context(), Request{Playbook: "tale"})
	if err != nil || plan[1].State != StepMissing || plan[2].State != StepRefused || plan[3].State != StepSkipped {
		t.Errorf("%+v, %v", plan, err)
	}
	if run, err = s.r.Resume(t.Context(), run.ID, true, portcullis.Actor{ID: "bob"}); err != nil {
		t.Fatal(err)
	}
	if run = s.work(t, run.ID); states(run) != "incomplete: done missing done done" || run.By != "bob" || s.contain.times() != 1 {
		t.Errorf("by force: %s", states(run))
	}
}

// TestWrongOrder: a playbook that destroys before it preserves is not begun,
// unless a person insists.
func TestWrongOrder(t *testing.T) {
	text := "title = \"x\"\n[[step]]\nname = \"a\"\naction = \"rotate-all\"\n[[step]]\nname = \"b\"\naction = \"evidence\"\n"
	s := newStage(t, text)
	if _, err := s.r.Start(t.Context(), Request{Playbook: "tale"}); !errors.Is(err, order.ErrEvidence) || len(s.runs) != 0 || len(s.events) != 0 {
		t.Fatalf("%v", err)
	}
	if got := states(s.run(t, Request{Force: true})); got != "done: done done" {
		t.Error(got)
	}
	s = newStage(t, text)
	s.cases.Preserved = time.Now()
	if got := states(s.run(t, Request{})); got != "done: done done" {
		t.Errorf("evidence was there before: %s", got)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	s := newStage(t, tale)
	_, plan, err := s.r.Plan(t.Context(), Request{Playbook: "tale", Vars: map[string]string{"ticket": "1"}})
	if err != nil || len(plan) != 4 || plan[0].Text != "contain key:k1" || plan[2].State != StepWaiting || !plan[2].Destructive {
		t.Errorf("%+v, %v", plan, err)
	}
	if len(s.runs)+len(s.events)+s.contain.times() != 0 || s.cases.Phase != casebook.Detect {
		t.Error("something changed")
	}
	for _, q := range []Request{{Playbook: "nothing"}, {Playbook: "tale", Incident: "other"}, {Playbook: "tale", Vars: map[string]string{"A b": "x"}}} {
		if _, _, err := s.r.Plan(t.Context(), q); err == nil {
			t.Errorf("%+v is planned", q)
		}
		if _, err := s.r.Start(t.Context(), q); err == nil {
			t.Errorf("%+v is started", q)
		}
	}
	s.cases.ClosedAt = time.Now()
	if _, err := s.r.Start(t.Context(), Request{Playbook: "tale"}); !errors.Is(err, casebook.ErrClosed) {
		t.Errorf("a closed incident: %v", err)
	}
}

// TestKilled: a process that dies in the middle of a step leaves a run that the
// next one carries on with that step, and no step before it is done again.
func TestKilled(t *testing.T) {
	s := newStage(t, tale)
	ctx, kill := context.WithCancel(t.Context())
	keep := s.evidence.do
	s.evidence.do = func(ctx context.Context, _ Args, _ func(string)) error {
		kill()
		<-ctx.Done()
		return ctx.Err()
	}
	run, err := s.r.Start(t.Context(), Request{Playbook: "tale", Vars: map[string]string{"ticket": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	s.r.Work(ctx)
	if run, err = s.r.Run(t.Context(), run.ID); err != nil || states(run) != "running: done running waiting waiting" {
		t.Fatalf("%s, %v", states(run), err)
	}
	s.evidence.do = keep
	s.restart(t, tale)
	if run = s.work(t, run.ID); states(run) != "done: done done done done" || s.contain.times() != 1 || s.evidence.times() != 2 || s.rotate.times() != 1 {
		t.Errorf("%s; %d, %d, %d", states(run), s.contain.times(), s.evidence.times(), s.rotate.times())
	}
}

// TestFailureStops: behind a step that failed nothing is done until somebody
// resumes the run; a panic is a failure.
func TestFailureStops(t *testing.T) {
	s := newStage(t, tale)
	keep := s.evidence.do
	for _, do := range []func(context.Context, Args, func(string)) error{
		func(context.Context, Args, func(string)) error { return errors.New("disk\nfull") },
		func(context.Context, Args, func(string)) error { panic("oh") },
	} {
		s.evidence.do = do
		run := s.run(t, Request{})
		if states(run) != "failed: done failed waiting skipped" || strings.Contains(run.Steps[1].Error, "\n") || s.rotate.times() != 0 {
			t.Errorf("%s: %+v", states(run), run.Steps)
		}
	}
	runs, err := s.r.Runs(t.Context(), "i1", 9)
	if err != nil || len(runs) != 2 {
		t.Fatal(runs, err)
	}
	s.evidence.do = keep
	if _, err := s.r.Resume(t.Context(), runs[0].ID, false, portcullis.Actor{ID: "bob"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.r.Resume(t.Context(), runs[0].ID, false, portcullis.Actor{ID: "bob"}); !errors.Is(err, ErrBusy) {
		t.Errorf("resumed twice: %v", err)
	}
	if run := s.work(t, runs[0].ID); states(run) != "incomplete: done done done skipped" {
		t.Error(states(run))
	}
}

// TestRulesAreLimited: a rule starts a playbook once for an incident, and not
// more than so many in an hour. A person is not limited.
func TestRulesAreLimited(t *testing.T) {
	s := newStage(t, tale)
	start := func(auto bool) error {
		_, err := s.r.Start(t.Context(), Request{Playbook: "tale", Auto: auto})
		return err
	}
	if err := start(true); err != nil {
		t.Fatal(err)
	}
	if err := start(true); !errors.Is(err, ErrAgain) {
		t.Error(err)
	}
	s.cases.ID = "i2"
	if err := start(true); err != nil {
		t.Error(err)
	}
	s.cases.ID = "i3"
	if err := start(true); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if err := start(false); err != nil {
		t.Error(err)
	}
}

// TestNotRecordedNotDone: a run that cannot be put on record or stored is not
// begun, and a step that cannot be stored is not done.
func TestNotRecordedNotDone(t *testing.T) {
	s := newStage(t, tale)
	s.mute = errors.New("disk full")
	if _, err := s.r.Start(t.Context(), Request{Playbook: "tale"}); !errors.Is(err, s.mute) || len(s.runs) != 0 {
		t.Error(err)
	}
	s.mute, s.fail = nil, errors.New("database gone")
	if _, err := s.r.Start(t.Context(), Request{Playbook: "tale"}); !errors.Is(err, s.fail) {
		t.Error(err)
	}
	s.fail = nil
	if _, err := s.r.Start(t.Context(), Request{Playbook: "tale"}); err != nil {
		t.Fatal(err)
	}
	s.fail = errors.New("database gone")
	if err := s.r.Drain(t.Context()); !errors.Is(err, s.fail) || s.contain.times() != 0 {
		t.Errorf("%v, done %d times", err, s.contain.times())
	}
}

// TestWorkWakes: a run that is started while nothing is to do is carried out.
func TestWorkWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, tale)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.r.Work(ctx); close(done) }()
		synctest.Wait()
		run, err := s.r.Start(ctx, Request{Playbook: "tale"})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if run, err = s.r.Run(ctx, run.ID); err != nil || run.State != Incomplete {
			t.Errorf("%s, %v", states(run), err)
		}
		stop()
		<-done
	})
}

// switchboard is an action of which the arguments say whether it destroys.
type switchboard struct{ act }

func (*switchboard) Destroys(args Args) bool { return args["name"] != "isolate" }

// TestArgumentsSayWhatDestroys: what does not destroy is done before evidence is
// preserved, by a playbook and by hand; what does, and what is not known, is not.
func TestArgumentsSayWhatDestroys(t *testing.T) {
	step := "[[step]]\nname = \"a\"\naction = \"hook\"\nargs = { name = \"%s\" }\n"
	keep := "[[step]]\nname = \"b\"\naction = \"evidence\"\n"
	for name, want := range map[string]error{"isolate": nil, "wipe": order.ErrEvidence, "{ticket}": order.ErrEvidence} {
		s := newStage(t, "title = \"x\"\n"+fmt.Sprintf(step, name)+keep)
		hook := &switchboard{act{name: "hook", destroys: true}}
		if err := s.r.o.Actions.Add(hook); err != nil {
			t.Fatal(err)
		}
		vars := map[string]string{"ticket": "isolate"}
		if _, err := s.r.Start(t.Context(), Request{Playbook: "tale", Vars: vars}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.r.Act(t.Context(), Act{Action: "hook", Args: map[string]string{"name": name}}); !errors.Is(err, want) || (hook.times() == 1) != (want == nil) {
			t.Errorf("%s by hand: %v, done %d times", name, err, hook.times())
		}
	}
}
