package duty

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
)

// Store keeps what is known of duties. A driver passes storetest/duties.
type Store interface {
	// Duties returns all records.
	Duties(ctx context.Context) ([]Record, error)
	// SaveDuty stores one, new or not.
	SaveDuty(ctx context.Context, r Record) error
}

// View is a duty and where it stands.
type View struct {
	Duty
	Standing
	Record Record
}

// Book knows where all duties stand. It is safe for concurrent use.
type Book struct {
	store    Store
	recorder portcullis.Recorder
	now      func() time.Time

	writing sync.Mutex // one change at a time
	mu      sync.Mutex
	duties  []Duty
	records map[string]Record
}

// NewBook reads what is stored. now is nil for the clock.
func NewBook(ctx context.Context, store Store, recorder portcullis.Recorder, now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	list, err := store.Duties(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading duties: %w", err)
	}
	b := &Book{store: store, recorder: recorder, now: now, records: map[string]Record{}}
	for _, r := range list {
		b.records[r.Name] = r
	}
	return b, nil
}

// Use puts other duties into force. What is known of those that are gone is
// kept: who leaves a duty out for a while is not excused from it.
func (b *Book) Use(list []Duty) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.duties = slices.Clone(list)
}

// record is what is known of a duty. One that was not known before begins now.
func (b *Book) record(name string) Record {
	if r, ok := b.records[name]; ok {
		return r
	}
	return Record{Name: name, Since: stored(b.now())}
}

// stored is a time as stores keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// List says where all stand.
func (b *Book) List() []View {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]View, len(b.duties))
	for i, d := range b.duties {
		out[i] = b.view(d)
	}
	return out
}

func (b *Book) view(d Duty) View {
	now := b.now()
	r := d.Mend(b.record(d.Name), stored(now))
	return View{d, d.At(r, now), r}
}

// Get says where one stands.
func (b *Book) Get(name string) (View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.duties {
		if d.Name == name {
			return b.view(d), nil
		}
	}
	return View{}, ErrNotFound
}

// Overdue names those that are overdue. It looks into memory only.
func (b *Book) Overdue() []string {
	var out []string
	for _, v := range b.List() {
		if v.State == Overdue {
			out = append(out, v.Name)
		}
	}
	return out
}

// Sign signs a duty off: it is done until its next date. It is not done if it
// cannot be recorded.
func (b *Book) Sign(ctx context.Context, name, note string, by portcullis.Actor) (View, error) {
	note = strings.TrimSpace(note)
	if note == "" || len(note) > MaxNote || !utf8.ValidString(note) {
		return View{}, fmt.Errorf("%w: note: want what was done, in at most %d bytes", ErrInvalid, MaxNote)
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	v, err := b.Get(name)
	if err != nil {
		return v, err
	}
	r := v.Record
	now := stored(b.now())
	if now.After(r.Signed) { // a clock that is set back takes nothing back
		r.Signed = now
	}
	next := v.At(r, b.now())
	e := event(v, portcullis.EventDutySigned, portcullis.SeverityInfo, portcullis.OutcomeSuccess)
	e.Time, e.Actor, e.Reason = now, by, note
	e.Details = append(e.Details, slog.String("next", next.Due.Format(time.RFC3339)))
	if err := b.recorder.Record(ctx, e); err != nil {
		return v, err
	}
	r.Event = e.ID
	if err := b.save(ctx, r); err != nil {
		failed := event(v, portcullis.EventDutySigned, portcullis.SeverityError, portcullis.OutcomeFailure)
		failed.Time, failed.Actor, failed.Reason = stored(b.now()), by, "not stored"
		return v, errors.Join(err, b.recorder.Record(ctx, failed))
	}
	return b.Get(name)
}

func (b *Book) save(ctx context.Context, r Record) error {
	if err := b.store.SaveDuty(ctx, r); err != nil {
		return fmt.Errorf("storing duty %s: %w", r.Name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records[r.Name] = r
	return nil
}

// Tell tells people through the audit log of what has become due or overdue,
// and returns when there may be more to tell. Killed between the two, it tells
// again.
func (b *Book) Tell(ctx context.Context) (next time.Time, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	for _, v := range b.List() {
		if next.IsZero() || v.Next.Before(next) {
			next = v.Next
		}
		err = errors.Join(err, b.tell(ctx, v))
	}
	return next, err
}

func (b *Book) tell(ctx context.Context, v View) error {
	r, state := v.Remind(v.Record, b.now())
	switch state {
	case Due:
		e := event(v, portcullis.EventDutyDue, portcullis.SeverityInfo, portcullis.OutcomePending)
		e.Time, e.Reason = stored(b.now()), "due"
		if err := b.recorder.Record(ctx, e); err != nil {
			return err
		}
	case Overdue:
		e := event(v, portcullis.EventDutyOverdue, portcullis.SeverityWarn, portcullis.OutcomeFailure)
		e.Time, e.Reason = stored(b.now()), "overdue"
		if err := b.recorder.Record(ctx, e); err != nil {
			return err
		}
	}
	b.mu.Lock()
	known, ok := b.records[r.Name]
	b.mu.Unlock()
	if ok && known == r {
		return nil
	}
	return b.save(ctx, r)
}

func event(v View, t portcullis.EventType, severity portcullis.Severity, out portcullis.Outcome) *portcullis.Event {
	return &portcullis.Event{
		Type: t, Severity: severity, Outcome: out, Actor: portcullis.Actor{ID: "portcullis"}, Action: "duty", Resource: "duty:" + v.Name,
		Details: []slog.Attr{
			slog.String("every", v.Every.String()), slog.String("due", v.Due.Format(time.RFC3339)), slog.Int("missed", v.Missed),
		},
	}
}
