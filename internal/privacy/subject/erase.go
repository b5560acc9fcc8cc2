package subject

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Eraser brings runs to their end. It is not safe for concurrent use: one run
// advances at a time.
type Eraser struct {
	Store   Store
	Holders []Holder // in this order
	Hooks   []Hook
	Sign    func(*Run) (string, error) // the receipt of a run as it is
	// Finish records that a run is over. It is called before that is stored, and
	// again if the process dies in between.
	Finish func(ctx context.Context, r *Run) error
	// Told records what became of telling an upstream, before that is stored and
	// only when it is something else than the last time; nil: nobody wants to know.
	Told func(ctx context.Context, r *Run, hook string, s Step) error
	Now  func() time.Time
}

// Advance takes a run as far as it comes: all places, then all upstreams. What
// waits for the end of a hold, or for an upstream, does not stop the rest; call
// it again later. An error means that it was stopped by something else, and
// goes on where it was.
func (e *Eraser) Advance(ctx context.Context, r *Run) error {
	if r.State == Finished {
		return nil
	}
	if err := e.erase(ctx, r); err != nil {
		return err
	}
	told, err := e.tell(ctx, r)
	switch {
	case r.waits():
		r.State = Held
	case !told:
		r.State = Telling
	default:
		return e.finish(ctx, r)
	}
	if serr := e.save(ctx, r); serr != nil {
		return serr
	}
	return err
}

func (e *Eraser) erase(ctx context.Context, r *Run) error {
	for _, h := range e.Holders {
		if r.done(h.Name) {
			continue
		}
		step := Step{Place: h.Name, At: e.Now().UTC()}
		if h.Erase != nil {
			done, err := h.Erase(ctx, &r.Person)
			if err != nil {
				return fmt.Errorf("erasing: %s: %w", h.Name, err)
			}
			step.Count, step.Kept, step.Wait = done.Count, done.Kept, done.Wait
		}
		r.set(step)
		if err := e.Store.SaveErasure(ctx, *r); err != nil {
			return fmt.Errorf("storing an erasure: %w", err)
		}
	}
	return nil
}

// tell asks the upstreams that have not said yes, and reports whether all have.
func (e *Eraser) tell(ctx context.Context, r *Run) (all bool, err error) {
	all = true
	for _, h := range e.Hooks {
		if r.done(hookPlace(h.Name)) {
			continue
		}
		before := r.step(hookPlace(h.Name))
		s := Step{Place: hookPlace(h.Name), Count: 1, Outcome: ToldDone, Attempts: before.Attempts + 1}
		if herr := h.Tell(ctx, r.ID, &r.Person); herr != nil {
			if ctx.Err() != nil { // it is the gateway that stopped
				return false, herr
			}
			all, err = false, errors.Join(err, fmt.Errorf("telling upstream %s: %w", h.Name, herr))
			if s.Count, s.Outcome = 0, ToldRetry; errors.Is(herr, ErrRefused) {
				s.Outcome = ToldFailed
			}
		}
		if s.At = e.Now().UTC(); s.Outcome != before.Outcome && e.Told != nil {
			if terr := e.Told(ctx, r, h.Name, s); terr != nil {
				return false, fmt.Errorf("recording what an upstream was told: %w", terr)
			}
		}
		r.set(s)
		if serr := e.Store.SaveErasure(ctx, *r); serr != nil {
			return false, fmt.Errorf("storing an erasure: %w", serr)
		}
	}
	return all, err
}

// finish forgets who it was.
func (e *Eraser) finish(ctx context.Context, r *Run) error {
	done := *r
	done.State, done.Person, done.Ended = Finished, Person{}, e.Now().UTC()
	var err error
	if done.Receipt, err = e.Sign(&done); err != nil {
		return fmt.Errorf("signing a receipt: %w", err)
	}
	if err := e.Finish(ctx, &done); err != nil {
		return fmt.Errorf("recording an erasure: %w", err)
	}
	if err := e.Store.SaveErasure(ctx, done); err != nil {
		return fmt.Errorf("storing an erasure: %w", err)
	}
	*r = done
	return nil
}

func (e *Eraser) save(ctx context.Context, r *Run) (err error) {
	if r.Receipt, err = e.Sign(r); err != nil {
		return fmt.Errorf("signing a receipt: %w", err)
	}
	if err := e.Store.SaveErasure(ctx, *r); err != nil {
		return fmt.Errorf("storing an erasure: %w", err)
	}
	return nil
}
