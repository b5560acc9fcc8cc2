package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/deadletter"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Folder is where dead letters are, below the audit directory.
const Folder = "deadletter"

// Options are what sinks need besides their own settings.
type Options struct {
	Dir    string                  // the audit directory
	End    func() journal.Cursor   // where the journal ends
	Record portcullis.Recorder     // takes events about sinks; nil = nobody
	Log    *slog.Logger            // nil discards
	Window *feed.Window            // what others have read of the journal; nil = all is read anew
	Unseal func(*portcullis.Event) // completes an event whose personal data is sealed; nil = it stays so

	// Open gives a sink its way through the journal; damaged hears of records
	// that are not there any more. nil = its feed.
	Open func(spec Spec, damaged func(error)) (Source, error)

	Service string // that test events name

	TellAfter time.Duration // how long a server is away before an event says so; 0 = 30 s
	TellEvery time.Duration // least time between two such events of one sink; 0 = 10 min
}

// ErrUnknown says that there is no sink of that name.
var ErrUnknown = errors.New("there is no such sink")

// Set is the sinks of a gateway. It is safe for concurrent use.
type Set struct {
	opts Options
	log  *slog.Logger

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before it and after
	specs   []Spec
	workers map[string]*worker
	states  map[string]*state
	dead    map[string]*deadletter.File
	running sync.WaitGroup
}

// New returns a set without sinks.
func New(opts Options) *Set {
	if opts.TellAfter == 0 {
		opts.TellAfter = 30 * time.Second
	}
	if opts.TellEvery == 0 {
		opts.TellEvery = 10 * time.Minute
	}
	s := &Set{opts: opts, log: opts.Log, workers: map[string]*worker{}, states: map[string]*state{}, dead: map[string]*deadletter.File{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Replace makes specs the sinks. The ones before stop, each after what it is
// sending; those of the same name go on where they stopped. It does not wait.
func (s *Set) Replace(specs []Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.workers
	for _, w := range before {
		w.stop()
	}
	s.specs, s.workers = nil, map[string]*worker{}
	for _, spec := range specs {
		s.specs = append(s.specs, spec.withDefaults())
	}
	names := map[string]bool{}
	for _, spec := range s.specs {
		names[spec.Name] = true
		st := s.states[spec.Name]
		if st == nil {
			st = &state{v: View{Status: Waiting}}
			s.states[spec.Name] = st
			s.dead[spec.Name] = deadletter.Open(filepath.Join(s.opts.Dir, Folder), spec.Name)
		}
		st.mu.Lock()
		st.v.Name, st.v.Kind = spec.Name, spec.Kind
		st.mu.Unlock()
		s.start(spec, before[spec.Name])
	}
	maps.DeleteFunc(s.states, func(name string, _ *state) bool { return !names[name] })
	maps.DeleteFunc(s.dead, func(name string, _ *deadletter.File) bool { return !names[name] })
}

// start begins a worker, which waits for the one before it. Callers hold mu.
func (s *Set) start(spec Spec, before *worker) {
	w := &worker{
		spec: spec, set: s, state: s.states[spec.Name], dead: s.dead[spec.Name], log: s.log,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), done: make(chan struct{}), stop: func() {},
	}
	w.turn <- struct{}{}
	s.workers[spec.Name] = w
	if s.ctx == nil { // Run starts it
		s.peek(w)
		return
	}
	s.launch(w, before)
}

// peek learns how far a sink is that does not run here, as that of a verb which
// only looks. Callers hold mu.
func (s *Set) peek(w *worker) {
	if s.opts.Open != nil {
		return
	}
	from, err := feed.Open(s.opts.Dir, cursorOf(w.spec.Name), feed.Options{Log: s.log})
	if err != nil {
		return // told when it runs
	}
	w.state.done(from.Committed().Seq)
	_ = from.Close() // it was not even read
}

// launch runs a worker. Callers hold mu.
func (s *Set) launch(w, before *worker) {
	var ctx context.Context
	ctx, w.stop = context.WithCancel(s.ctx)
	s.running.Go(func() {
		defer close(w.done)
		if before != nil {
			<-before.done
		}
		s.serve(ctx, w)
	})
}

// serve opens the journal for a worker and runs it.
func (s *Set) serve(ctx context.Context, w *worker) {
	defer func() {
		<-w.turn // a test may be under way
		if err := w.spec.Sender.Close(); err != nil {
			s.log.Warn("closing an audit sink", "sink", w.spec.Name, "error", err)
		}
	}()
	for ctx.Err() == nil {
		from, err := s.open(w.spec, w.damaged)
		if err != nil {
			w.failed(&Error{Fault: Away, Err: fmt.Errorf("opening the journal: %w", err)})
			w.pause(ctx, w.spec.Pace.Most)
			continue
		}
		w.from = from
		w.state.done(from.Cursor().Seq)
		w.run(ctx)
		if err := from.Close(); err != nil {
			s.log.Warn("closing the journal of an audit sink", "sink", w.spec.Name, "error", err)
		}
	}
}

// Run serves the sinks until ctx ends and what is being sent has been taken,
// or a few seconds have passed.
func (s *Set) Run(ctx context.Context) {
	s.mu.Lock()
	s.ctx = ctx
	for _, w := range s.workers {
		s.launch(w, nil)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.running.Wait()
}

// Views tells of the sinks, in the order of the configuration.
func (s *Set) Views() []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.opts.End().Seq
	out := make([]View, 0, len(s.specs))
	for _, spec := range s.specs {
		st := s.states[spec.Name]
		v := st.view()
		v.LagRecords = st.behind(end)
		if n, err := s.dead[spec.Name].Count(); err == nil {
			v.DeadLetters = n
		}
		out = append(out, v)
	}
	return out
}

func (s *Set) worker(name string) (*worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[name]
	if w == nil {
		return nil, ErrUnknown
	}
	return w, nil
}

// Test sends one marked event through a sink, past its filter and its queue,
// and returns what became of it. It stands in no journal. Success ends a pause.
func (s *Set) Test(ctx context.Context, name string) (id string, err error) {
	w, err := s.worker(name)
	if err != nil {
		return "", err
	}
	probe, err := w.probe()
	if err == nil {
		err = w.send(ctx, []Item{probe})
	}
	if err != nil {
		return probe.Event.ID, err
	}
	w.nudge()
	return probe.Event.ID, nil
}

// probe returns a plain event that stands in no journal.
func (w *worker) probe() (Item, error) {
	e := portcullis.Event{
		ID: obs.NewID(), Time: time.Now(), Type: portcullis.EventSinkTest, Severity: portcullis.SeverityInfo,
		Outcome: portcullis.OutcomeSuccess, Reason: "test", Environment: w.spec.Environment, Service: w.set.opts.Service,
		Details: []slog.Attr{slog.String("sink", w.spec.Name), slog.Bool("test", true)},
	}
	item := Item{Event: &e, Entry: auditlog.AppendEntry(nil, &e)}
	item.Data, item.unsendable = w.encode(nil, &e)
	return item, item.unsendable
}

func (w *worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Retried is what became of dead letters.
type Retried struct {
	Sent    int `json:"sent"`
	Refused int `json:"refused"` // once more
	Left    int `json:"left"`    // dead letters that there are now
}

// Retry sends the dead letters of a sink again, one by one. They arrive behind
// events that are younger.
func (s *Set) Retry(ctx context.Context, name string) (Retried, error) {
	w, err := s.worker(name)
	if err != nil {
		return Retried{}, err
	}
	var out Retried
	out.Sent, out.Left, err = w.dead.Retry(ctx, func(l deadletter.Letter) (*deadletter.Letter, error) {
		why, err := w.again(ctx, l)
		if err != nil || why == "" {
			return nil, err
		}
		out.Refused++
		l.Reason = why
		return &l, nil
	})
	if out.Sent > 0 {
		w.state.sent(out.Sent, 0)
	}
	return out, err
}

// again sends one dead letter. It returns why it is refused once more, or why
// it could not be sent now.
func (w *worker) again(ctx context.Context, l deadletter.Letter) (refused string, err error) {
	e, err := auditlog.ParseEntry(l.Entry)
	if err != nil {
		return "reading the entry: " + err.Error(), nil
	}
	if w.set.opts.Unseal != nil {
		w.set.opts.Unseal(&e)
	}
	item := Item{Event: &e, Seq: l.Seq, Entry: slices.Clone(l.Entry)}
	if item.Data, err = w.encode(nil, &e); err != nil {
		return "encoding: " + err.Error(), nil
	}
	err = w.send(ctx, []Item{item})
	var each *ItemsError
	switch {
	case errors.As(err, &each) && each.Refused[0] != "":
		return impersonal(each.Refused[0], &e), nil
	case err != nil && faultOf(err).Fault == Refused:
		return impersonal(Explain(err), &e), nil
	}
	return "", err
}
