package containment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Tools holds tools and lets them go again.
type Tools interface {
	// Hold holds a tool. It returns what Release needs to put back what was.
	Hold(ctx context.Context, route, tool, reason string, by portcullis.Actor) (was string, err error)
	// Release lets a tool go if it was in use before it was held, and reports
	// whether it is in use now.
	Release(ctx context.Context, route, tool, was, reason string, by portcullis.Actor) (free bool, err error)
}

// Book makes and ends containments. It is safe for concurrent use.
type Book struct {
	store    Store
	recorder portcullis.Recorder
	tools    Tools
	now      func() time.Time
	guard    *Guard
	state    atomic.Pointer[snapshot]

	upstreams atomic.Pointer[map[string]string] // of routes

	mu     sync.Mutex // one change at a time; guards what follows
	active []Containment
	spared map[Subject]time.Time // until when responses leave those alone whom a person let go
}

// Grace is how long responses leave alone whom a person released.
const Grace = 15 * time.Minute

// NewBook returns the book of a store, with what it holds in force. tools may
// be nil: tools are not held then. now may be nil.
func NewBook(ctx context.Context, store Store, recorder portcullis.Recorder, tools Tools, now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	b := &Book{store: store, recorder: recorder, tools: tools, now: now, spared: map[Subject]time.Time{}}
	b.guard = &Guard{now: now, state: &b.state, upstreams: &b.upstreams}
	list, err := store.ActiveContainments(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading containments: %w", err)
	}
	b.active = list
	latest, err := store.Containments(ctx, MaxActive)
	if err != nil {
		return nil, fmt.Errorf("reading containments: %w", err)
	}
	for _, c := range latest {
		if until := c.EndedAt.Add(Grace); !c.EndedAt.IsZero() && c.EndedBy != schedule && until.After(now()) && until.After(b.spared[c.Subject]) {
			b.spared[c.Subject] = until
		}
	}
	b.publish()
	return b, nil
}

// schedule is who ends what is over.
const schedule = "portcullis"

// Guard returns the guard that refuses whom the book contains.
func (b *Book) Guard() *Guard { return b.guard }

// UseUpstreams says which upstream each route has, by the names that
// containments write.
func (b *Book) UseUpstreams(byRoute map[string]string) { b.upstreams.Store(&byRoute) }

// publish puts what is active into force. The caller holds mu, or is alone.
func (b *Book) publish() {
	b.state.Store(newSnapshot(b.active, b.state.Load()))
	b.guard.endStreams()
}

// Contain puts a containment into force and returns it with its id. One of the
// same measure that is in force for the subject already is replaced.
func (b *Book) Contain(ctx context.Context, c Containment, by portcullis.Actor) (Containment, error) {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	c.At, c.By = stored(b.now()), by.ID
	c.Until = stored(c.Until)
	c.Cleared, c.EndedAt, c.EndedBy, c.EndedFor, c.Held = nil, time.Time{}, "", "", ""
	if err := c.Validate(); err != nil {
		return Containment{}, err
	}
	c.ID = obs.NewID()
	i := slices.IndexFunc(b.active, func(have Containment) bool {
		return have.Subject == c.Subject && have.Measure == c.Measure && have.Active(c.At)
	})
	if i >= 0 {
		c.ID, c.Held = b.active[i].ID, b.active[i].Held
	} else if len(b.active) >= MaxActive {
		return Containment{}, ErrFull
	}
	if err := b.note(ctx, "contain", portcullis.OutcomeSuccess, c, c.Reason, by); err != nil {
		return Containment{}, fmt.Errorf("recording the containment: %w", err)
	}
	if c.Subject.Kind == KindTool && i < 0 {
		if b.tools == nil {
			return Containment{}, fmt.Errorf("%w: tools cannot be held here", ErrInvalid)
		}
		was, err := b.tools.Hold(ctx, c.Subject.Route, c.Subject.ID, c.Reason, by)
		if err != nil {
			return Containment{}, errors.Join(fmt.Errorf("holding a tool: %w", err), b.undone(ctx, "contain", c, by))
		}
		c.Held = was
	}
	if err := b.store.SaveContainment(ctx, c); err != nil {
		return Containment{}, errors.Join(fmt.Errorf("storing a containment: %w", err), b.undone(ctx, "contain", c, by))
	}
	if i >= 0 {
		b.active[i] = c
	} else {
		b.active = append(b.active, c)
	}
	b.publish()
	return c, nil
}

// Released is a containment that was ended.
type Released struct {
	Containment
	StillHeld bool // a tool that was not in use before it was held, or changed since
}

// Release ends the containment with an id, or all of a subject. It returns
// ErrNotFound if there is none.
func (b *Book) Release(ctx context.Context, id string, reason string, by portcullis.Actor) ([]Released, error) {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	subject, err := ParseSubject(id)
	now := b.now()
	var out []Released
	for _, c := range slices.Clone(b.active) {
		if !c.Active(now) || c.ID != id && (err != nil || c.Subject != subject) {
			continue
		}
		r, err := b.end(ctx, c, "release", reason, by)
		if err != nil {
			return out, err
		}
		if len(b.spared) >= MaxActive {
			clear(b.spared)
		}
		b.spared[c.Subject] = now.Add(Grace)
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, ErrNotFound
	}
	return out, nil
}

// end ends c. The caller holds mu.
func (b *Book) end(ctx context.Context, c Containment, action, reason string, by portcullis.Actor) (Released, error) {
	if err := b.note(ctx, action, portcullis.OutcomeSuccess, c, reason, by); err != nil {
		return Released{}, fmt.Errorf("recording the release: %w", err)
	}
	r := Released{Containment: c}
	if c.Subject.Kind == KindTool && b.tools != nil {
		free, err := b.tools.Release(ctx, c.Subject.Route, c.Subject.ID, c.Held, reason, by)
		if err != nil {
			return Released{}, errors.Join(fmt.Errorf("releasing a tool: %w", err), b.undone(ctx, action, c, by))
		}
		r.StillHeld = !free
	}
	r.EndedAt, r.EndedBy, r.EndedFor = stored(b.now()), by.ID, reason
	if err := b.store.SaveContainment(ctx, r.Containment); err != nil {
		return Released{}, errors.Join(fmt.Errorf("storing a release: %w", err), b.undone(ctx, action, c, by))
	}
	b.active = slices.DeleteFunc(b.active, func(have Containment) bool { return have.ID == c.ID })
	b.publish()
	return r, nil
}

// Sweep ends what is over: the guard did not hold it any more.
func (b *Book) Sweep(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var errs []error
	for _, c := range slices.Clone(b.active) {
		if !now.Before(c.Until) {
			_, err := b.end(ctx, c, "expire", "its time is over", portcullis.Actor{ID: schedule, Method: "schedule"})
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// LoggedIn says that a principal has logged in anew: the session counts again
// for step-ups that were there before.
func (b *Book) LoggedIn(ctx context.Context, principal, session string, at time.Time) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range b.active {
		if c.Measure != StepUp || c.Subject != (Subject{Kind: KindPrincipal, ID: principal}) ||
			!at.After(c.At) || slices.Contains(c.Cleared, session) {
			continue
		}
		c.Cleared = append(slices.Clone(c.Cleared), session)
		c.Cleared = c.Cleared[max(0, len(c.Cleared)-MaxCleared):]
		if err := b.store.SaveContainment(ctx, c); err != nil {
			return fmt.Errorf("storing a step-up: %w", err)
		}
		b.active[i] = c
		b.publish()
	}
	return nil
}

// Spared reports whether a person released a subject just now.
func (b *Book) Spared(s Subject) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now().Before(b.spared[s])
}

// Active lists what is in force, oldest first.
func (b *Book) Active() []Containment {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	out := make([]Containment, 0, len(b.active))
	for _, c := range b.active {
		if c.Active(now) {
			out = append(out, c)
		}
	}
	return out
}

// History lists the newest containments, those that are over included.
func (b *Book) History(ctx context.Context, max int) ([]Containment, error) {
	return b.store.Containments(ctx, max)
}

// AutoSince counts what responses contained since a time.
func (b *Book) AutoSince(ctx context.Context, since time.Time) (int, error) {
	return b.store.AutoContainments(ctx, since)
}

// undone writes that what was recorded did not happen.
func (b *Book) undone(ctx context.Context, action string, c Containment, by portcullis.Actor) error {
	return b.note(ctx, action, portcullis.OutcomeFailure, c, "it could not be done", by)
}

// note writes what is about to be done. Of whom a response contains, the event
// tells as of its actor, whose personal data is sealed in the audit log; an
// operator names somebody, and that is written as it was said.
func (b *Book) note(ctx context.Context, action string, out portcullis.Outcome, c Containment, reason string, by portcullis.Actor) error {
	details := []slog.Attr{
		slog.String("measure", string(c.Measure)), slog.String("kind", c.Subject.Kind.String()),
		slog.Time("until", c.Until), slog.Bool("automatic", c.Auto),
	}
	if !c.Auto || c.Subject.Kind == KindTool {
		details = append(details, slog.String("subject", c.Subject.String()))
	} else if action == "contain" {
		details = append(details, slog.String("by", by.ID))
		by = c.Subject.Actor()
	}
	if c.PerHour > 0 {
		details = append(details, slog.Int("per_hour", c.PerHour))
	}
	if c.Incident != "" {
		details = append(details, slog.String("incident", c.Incident))
	}
	return b.recorder.Record(ctx, &portcullis.Event{
		Time: b.now(), Type: portcullis.EventIncidentAction, Severity: portcullis.SeverityWarn, Outcome: out,
		Actor: by, Action: action, Resource: "containment:" + c.ID, Reason: reason, Details: details,
	})
}

// stored is a time as stores keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
