package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
	api "github.com/portcullis-dev/portcullis/internal/admin/privacy"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

// Who asked.
const (
	bySubject  = "subject"
	byOperator = "operator"
)

// Access implements api.Desk.
func (p *Part) Access(ctx context.Context, who string, export bool, by portcullis.Actor) (subject.Export, error) {
	person, err := p.identify(ctx, who, false)
	if err != nil {
		return subject.Export{}, err
	}
	return p.show(ctx, &person, export, by)
}

// show collects what is held. What is shown is recorded first.
func (p *Part) show(ctx context.Context, person *subject.Person, export bool, by portcullis.Actor) (subject.Export, error) {
	kind, action := portcullis.EventDataAccessed, "privacy/access"
	if export {
		kind, action = portcullis.EventDataExported, "privacy/export"
	}
	err := p.env.Journal.Record(ctx, &portcullis.Event{
		Type: kind, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Actor: by, Action: action,
		Details: []slog.Attr{slog.String("principal", person.ID)},
	})
	if err != nil {
		return subject.Export{}, fmt.Errorf("recording access to personal data: %w", err)
	}
	p.metrics.shown.WithLabelValues(action[len("privacy/"):]).Inc()
	out := subject.Export{Format: subject.Format, Made: time.Now().UTC(), Subject: *person, Attributes: map[string]string{}}
	wishes, err := p.store.Wishes(ctx, p.hash(person.ID))
	if err != nil {
		return out, err
	}
	for _, w := range wishes {
		out.Restricted = w.Restricted
		for k, v := range w.Attributes {
			out.Attributes[k] = v
		}
	}
	out.Holdings, err = subject.Collect(ctx, p.holders, person)
	return out, err
}

// Erase implements api.Desk.
func (p *Part) Erase(ctx context.Context, who string, dry bool, by portcullis.Actor) (api.Erased, error) {
	person, err := p.identify(ctx, who, false)
	if err != nil {
		return api.Erased{}, err
	}
	if dry {
		return p.wouldErase(ctx, &person)
	}
	s, err := p.erase(ctx, person, byOperator, by)
	return api.Erased{Status: s}, err
}

// wouldErase counts what an erasure would remove.
func (p *Part) wouldErase(ctx context.Context, person *subject.Person) (api.Erased, error) {
	out := api.Erased{Dry: true, Status: subject.Status{State: "dry-run", Steps: []subject.Step{}}}
	all, err := subject.Collect(ctx, p.holders, person)
	for _, c := range all {
		step := subject.Step{Place: c.Name, Count: len(c.Items), At: time.Now().UTC()}
		if c.Name == placeAudit {
			if step.Kept, err = p.holds(person); err != nil {
				return out, err
			}
			step.Wait = len(step.Kept) > 0
		}
		out.Steps = append(out.Steps, step)
	}
	return out, err
}

// erase begins an erasure, or goes on with the one that is open, and takes it as
// far as it comes. It is recorded, and stored, before it begins.
func (p *Part) erase(ctx context.Context, person subject.Person, asked string, by portcullis.Actor) (subject.Status, error) {
	ctx = context.WithoutCancel(ctx) // whoever asked may leave
	p.running.Lock()
	defer p.running.Unlock()
	run, err := p.openRun(ctx, person, asked, by)
	if err != nil {
		return subject.Status{}, err
	}
	if err := p.advance(ctx, &run); err != nil {
		p.env.Log.Warn("an erasure is not finished, it will be tried again", "erasure", run.ID, "error", err)
		p.nudge()
	}
	return subject.StatusOf(&run), nil
}

func (p *Part) openRun(ctx context.Context, person subject.Person, asked string, by portcullis.Actor) (subject.Run, error) {
	open, err := p.store.OpenErasures(ctx)
	if err != nil {
		return subject.Run{}, err
	}
	for _, r := range open {
		if r.Hash == p.hash(person.ID) {
			return r, nil
		}
	}
	run := subject.Run{ID: obs.NewID(), Hash: p.hash(person.ID), Person: person, State: subject.Running, By: asked, At: time.Now().UTC()}
	err = p.env.Journal.Record(ctx, &portcullis.Event{
		Type: portcullis.EventDataErased, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomePending, Actor: by,
		Resource: "erasure:" + run.ID, Action: "privacy/erase", Details: []slog.Attr{slog.String("asked_by", asked)},
	})
	if err != nil {
		return run, fmt.Errorf("recording an erasure: %w", err)
	}
	return run, p.store.SaveErasure(ctx, run)
}

// Erasures implements api.Desk.
func (p *Part) Erasures(ctx context.Context, max int) ([]subject.Status, error) {
	runs, err := p.store.Erasures(ctx, max)
	out := make([]subject.Status, len(runs))
	for i := range runs {
		out[i] = subject.StatusOf(&runs[i])
	}
	return out, err
}

// Erasure implements api.Desk.
func (p *Part) Erasure(ctx context.Context, id string) (subject.Status, error) {
	run, err := p.store.Erasure(ctx, id)
	return subject.StatusOf(&run), err
}

// Restrict implements api.Desk.
func (p *Part) Restrict(ctx context.Context, who string, on bool, reason string, by portcullis.Actor) error {
	return p.wish(ctx, who, by, "privacy/restrict", func(w *wishbook.Wish) { w.Restricted, w.Reason = on, reason }, slog.Bool("restricted", on))
}

// Rectify implements api.Desk.
func (p *Part) Rectify(ctx context.Context, who string, attributes map[string]string, by portcullis.Actor) error {
	return p.wish(ctx, who, by, "privacy/rectify", func(w *wishbook.Wish) {
		if w.Attributes == nil {
			w.Attributes = map[string]string{}
		}
		for k, v := range attributes {
			if delete(w.Attributes, k); v != "" {
				w.Attributes[k] = v
			}
		}
	}, slog.Int("attributes", len(attributes)))
}

// wish changes what a person wishes: recorded, stored, in force.
func (p *Part) wish(ctx context.Context, who string, by portcullis.Actor, action string, change func(*wishbook.Wish), facts ...slog.Attr) error {
	person, err := p.identify(ctx, who, false)
	if err != nil {
		return err
	}
	p.running.Lock()
	defer p.running.Unlock()
	w := wishbook.Wish{Hash: p.hash(person.ID), ID: person.ID}
	have, err := p.store.Wishes(ctx, w.Hash)
	if err != nil {
		return err
	}
	if len(have) > 0 {
		w = have[0]
	}
	change(&w)
	w.Changed = time.Now().UTC()
	err = p.env.Journal.Record(ctx, &portcullis.Event{
		Type: portcullis.EventDataRectified, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess, Actor: by, Action: action,
		Details: append([]slog.Attr{slog.String("principal", person.ID)}, facts...),
	})
	if err != nil {
		return errors.Join(errors.New("recording what a person wishes"), err)
	}
	if err := p.store.SaveWish(ctx, w); err != nil {
		return err
	}
	p.guard.set(person.ID, w.Restricted)
	return nil
}

// Map implements api.Desk.
func (p *Part) Map() []subject.Place {
	out := make([]subject.Place, len(p.holders))
	for i, h := range p.holders {
		out[i] = h.Place
	}
	return out
}

// Key implements api.Desk.
func (p *Part) Key() string { return p.key.Text() }
