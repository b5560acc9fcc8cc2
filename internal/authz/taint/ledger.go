package taint

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/book"
)

// Ledger knows the marks of all callers of the gateway. It is safe for
// concurrent use.
type Ledger struct {
	store    Store
	recorder portcullis.Recorder
	now      func() time.Time
	callers  *book.Book[string, state]
}

// state is what is remembered of a caller: what the store has.
type state struct {
	loaded bool
	marks  [marks]Mark
}

// NewLedger returns a ledger. maxCallers are kept in memory (0 = a default);
// the store has all. now may be nil.
func NewLedger(store Store, recorder portcullis.Recorder, maxCallers int, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	return &Ledger{store: store, recorder: recorder, now: now, callers: book.New[string, state](maxCallers, nil)}
}

// take returns the entry of a caller, filled and locked.
func (l *Ledger) take(ctx context.Context, principal string, now time.Time) (*book.Entry[state], error) {
	e, err := l.callers.Take(principal)
	if err != nil {
		return nil, err
	}
	if !e.Value.loaded {
		list, err := l.store.Taints(ctx, principal, now)
		if err != nil {
			e.Release()
			return nil, fmt.Errorf("reading what a caller bears: %w", err)
		}
		for _, m := range list {
			if m.Label == Confidential || m.Label == Untrusted {
				e.Value.marks[m.Label-1] = m
			}
		}
		e.Value.loaded = true
	}
	return e, nil
}

// Borne is the live marks of a caller. Those that it does not bear are zero.
type Borne struct{ Confidential, Untrusted Mark }

// Of returns what a caller bears now.
func (l *Ledger) Of(ctx context.Context, principal string) (Borne, error) {
	now := l.now()
	e, err := l.take(ctx, principal, now)
	if err != nil {
		return Borne{}, err
	}
	defer e.Release()
	var b Borne
	if m := e.Value.marks[Confidential-1]; m.Live(now) {
		b.Confidential = m
	}
	if m := e.Value.marks[Untrusted-1]; m.Live(now) {
		b.Untrusted = m
	}
	return b, nil
}

// spare is the part of a window that a mark is written to last longer.
const spare = 10

// Mark marks a caller for a window from now on. When it returns nil, the mark
// is stored.
func (l *Ledger) Mark(ctx context.Context, principal, route string, labels Label, window time.Duration) error {
	now := l.now()
	e, err := l.take(ctx, principal, now)
	if err != nil {
		return err
	}
	defer e.Release()
	for _, label := range [...]Label{Confidential, Untrusted} {
		if labels&label == 0 || !e.Value.marks[label-1].Until.Before(now.Add(window)) {
			continue
		}
		m := Mark{Principal: principal, Label: label, Route: route, At: now, Until: now.Add(window + window/spare)}
		if err := l.store.SaveTaint(ctx, m); err != nil {
			e.Value.loaded = false // what the store has now is not known
			return fmt.Errorf("storing what a caller bears: %w", err)
		}
		e.Value.marks[label-1] = m
	}
	return nil
}

// Lift takes all marks from a caller. It reports which there were.
func (l *Ledger) Lift(ctx context.Context, principal, reason string, by portcullis.Actor) ([]Mark, error) {
	now := l.now()
	e, err := l.take(ctx, principal, now)
	if err != nil {
		return nil, err
	}
	defer e.Release()
	var lifted []Mark
	for _, m := range e.Value.marks {
		if m.Live(now) {
			lifted = append(lifted, m)
		}
	}
	if len(lifted) == 0 {
		return nil, nil
	}
	// In the audit log before it counts: not recorded, not done.
	if err := l.recorder.Record(ctx, &portcullis.Event{
		Time: now, Type: portcullis.EventTaintLifted, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess,
		Actor: by, Action: "taint/lift", Reason: reason, Details: []slog.Attr{slog.String("principal", principal)},
	}); err != nil {
		return nil, fmt.Errorf("recording that marks are lifted: %w", err)
	}
	if err := l.store.DropTaints(ctx, principal); err != nil {
		e.Value.loaded = false
		return nil, fmt.Errorf("lifting marks: %w", err)
	}
	e.Value.marks = [marks]Mark{}
	return lifted, nil
}

// maxListed is how many marks one list shows.
const maxListed = 1000

// List returns marks that count now, by caller, at most 1000.
func (l *Ledger) List(ctx context.Context) ([]Mark, error) {
	return l.store.ListTaints(ctx, l.now(), maxListed)
}
