package ownership

import (
	"context"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/book"
)

// Life is how long an owner is remembered after the thing was last used.
const Life = 30 * 24 * time.Hour

// Ledger knows the owners of all routes. It is safe for concurrent use.
type Ledger struct {
	store  Store
	now    func() time.Time
	things *book.Saved[Key, thing, Record]
}

// thing is what is remembered of a key.
type thing struct {
	book.Version
	loaded    bool
	principal string // "" = nobody
	until     time.Time
}

// NewLedger returns a ledger. About max things are kept in memory (0 = a
// default); the store has all. now may be nil.
func NewLedger(store Store, max int, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	version := func(t *thing) *book.Version { return &t.Version }
	record := func(k Key, t *thing) Record { return Record{k, t.principal, t.until} }
	save := func(ctx context.Context, list []Record) error { return store.SaveOwners(ctx, now(), list) }
	return &Ledger{store: store, now: now, things: book.NewSaved(max, version, record, save)}
}

// take returns the entry of a key, filled and locked.
func (l *Ledger) take(ctx context.Context, k Key, now time.Time) (*book.Entry[thing], error) {
	e, err := l.things.Take(k)
	if err != nil {
		return nil, err
	}
	t := &e.Value
	if !t.loaded {
		r, err := l.store.Owner(ctx, k, now)
		if err != nil {
			e.Release()
			return nil, fmt.Errorf("reading an owner: %w", err)
		}
		t.loaded, t.principal, t.until = true, r.Principal, r.Until
	}
	if t.principal != "" && !now.Before(t.until) {
		t.principal = ""
	}
	return e, nil
}

// Owns reports whether a principal owns a thing. Nobody owns what no one is
// known to own.
func (l *Ledger) Owns(ctx context.Context, k Key, principal string) (bool, error) {
	whose, err := l.Whose(ctx, k, principal)
	return whose == Own, err
}

// Whose says what a thing is to a principal. Only the log may tell the last two
// apart.
func (l *Ledger) Whose(ctx context.Context, k Key, principal string) (Whose, error) {
	now := l.now()
	e, err := l.take(ctx, k, now)
	if err != nil {
		return Nobodys, err
	}
	defer e.Release()
	switch {
	case e.Value.principal == "":
		return Nobodys, nil
	case e.Value.principal != principal:
		return Anothers, nil
	}
	l.keep(k, &e.Value, now)
	return Own, nil
}

// Claim makes a principal the owner of a thing that nobody owns. It reports
// whether the principal owns it now.
func (l *Ledger) Claim(ctx context.Context, k Key, principal string) (bool, error) {
	if principal == "" {
		return false, nil
	}
	now := l.now()
	e, err := l.take(ctx, k, now)
	if err != nil {
		return false, err
	}
	defer e.Release()
	if e.Value.principal == "" {
		e.Value.principal, e.Value.until = principal, time.Time{}
	}
	if e.Value.principal != principal {
		return false, nil
	}
	l.keep(k, &e.Value, now)
	return true, nil
}

// keep makes a locked record last, and notes if the store does not know that.
// Not each use is written: a record that has most of its life before it stays.
func (l *Ledger) keep(k Key, t *thing, now time.Time) {
	if t.until.Sub(now) > Life/2 {
		return
	}
	t.until = now.Add(Life)
	l.things.Changed(k, t)
}

// Flush stores what was learnt until now.
func (l *Ledger) Flush(ctx context.Context) error { return l.things.Flush(ctx) }

// How soon the store knows, and how soon it is tried again after a failure.
const (
	flushAfter = 50 * time.Millisecond
	retryAfter = time.Second
)

// Run stores what is learnt until ctx ends; Flush stores the last. failed hears
// of each failure; the next try has all that was not stored.
func (l *Ledger) Run(ctx context.Context, failed func(error)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.things.Wake():
		}
		for wait := flushAfter; wait > 0; {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			wait = 0
			if err := l.Flush(ctx); err != nil && ctx.Err() == nil {
				failed(err)
				wait = retryAfter
			}
		}
	}
}
