package quota

import (
	"context"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/book"
)

// Ledger counts for all routes. It is safe for concurrent use.
type Ledger struct {
	store    Store
	now      func() time.Time
	counters *book.Saved[Key, counter, Counter]
}

// counter is the count of a key.
type counter struct {
	book.Version
	Use
	loaded bool
	until  time.Time
}

// NewLedger returns a ledger. About maxKeys counters are kept in memory (0 = a
// default); the store has all. now may be nil.
func NewLedger(store Store, maxKeys int, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	version := func(c *counter) *book.Version { return &c.Version }
	record := func(k Key, c *counter) Counter { return Counter{Key: k, Use: c.Use, Until: c.until} }
	save := func(ctx context.Context, list []Counter) error { return store.SaveUsage(ctx, now(), list) }
	return &Ledger{store: store, now: now, counters: book.NewSaved(maxKeys, version, record, save)}
}

// Exceeded says which limit a caller is over, and until when.
type Exceeded struct {
	Limit string // "calls_per_session", "bytes_per_day" or "budget_per_day"
	Until time.Time
}

// Error implements error.
func (e *Exceeded) Error() string { return "over " + e.Limit }

// midnight is the end of a day.
func midnight(now time.Time) time.Time { return now.Truncate(Day).Add(Day) }

// take returns the counter of a key, filled, of now, and locked.
func (l *Ledger) take(ctx context.Context, k Key, now time.Time) (*book.Entry[counter], error) {
	e, err := l.counters.Take(k)
	if err != nil {
		return nil, err
	}
	c := &e.Value
	if !c.loaded {
		have, err := l.store.Usage(ctx, k, now)
		if err != nil {
			e.Release()
			return nil, fmt.Errorf("reading what a caller used: %w", err)
		}
		c.loaded, c.Use, c.until = true, have.Use, have.Until
	}
	switch {
	case !now.Before(c.until):
		c.Use, c.until = Use{}, end(k, now)
	case c.until.Sub(now) > Day: // the clock was ahead
		c.until = end(k, now)
	}
	return e, nil
}

func end(k Key, now time.Time) time.Time {
	if k.Session != "" {
		return now.Add(Day)
	}
	return midnight(now)
}

// Admit counts one call of a tool that costs cost, if it is within the limits;
// else it counts nothing and returns an [Exceeded]. k is the caller's own key,
// with the session if there is one. With dry it only says what it would do.
func (l *Ledger) Admit(ctx context.Context, k Key, lim Limits, cost int64, dry bool) error {
	now := l.now()
	day := Key{Route: k.Route, Principal: k.Principal}
	if k.Session == "" || lim.Calls == 0 {
		e, err := l.take(ctx, day, now)
		if err != nil {
			return err
		}
		defer e.Release()
		return l.admit(day, &e.Value, lim, cost, dry)
	}
	s, err := l.take(ctx, k, now) // the session before the day: all keep to this order
	if err != nil {
		return err
	}
	defer s.Release()
	if s.Value.Calls >= lim.Calls {
		return &Exceeded{"calls_per_session", s.Value.until}
	}
	e, err := l.take(ctx, day, now)
	if err != nil {
		return err
	}
	defer e.Release()
	lim.Calls = 0
	if err := l.admit(day, &e.Value, lim, cost, dry); err != nil || dry {
		return err
	}
	s.Value.Calls++
	s.Value.until = end(k, now)
	l.counters.Changed(k, &s.Value)
	return nil
}

// admit decides on the counter of a day.
func (l *Ledger) admit(k Key, c *counter, lim Limits, cost int64, dry bool) error {
	switch {
	case lim.Calls > 0 && c.Calls >= lim.Calls:
		return &Exceeded{"calls_per_session", c.until}
	case lim.Bytes > 0 && c.Bytes >= lim.Bytes:
		return &Exceeded{"bytes_per_day", c.until}
	case lim.Budget > 0 && c.Spent+cost > lim.Budget:
		return &Exceeded{"budget_per_day", c.until}
	case dry:
		return nil
	}
	c.Calls++
	c.Spent += cost
	l.counters.Changed(k, c)
	return nil
}

// Deliver counts n bytes that are about to be sent to a caller. If they are more
// than what is left it counts nothing and returns an [Exceeded]: they must not
// be sent.
func (l *Ledger) Deliver(ctx context.Context, k Key, limit, n int64) error {
	k.Session = ""
	e, err := l.take(ctx, k, l.now())
	if err != nil {
		return err
	}
	defer e.Release()
	if e.Value.Bytes+n > limit {
		return &Exceeded{"bytes_per_day", e.Value.until}
	}
	e.Value.Bytes += n
	l.counters.Changed(k, &e.Value)
	return nil
}

// Flush stores what was counted until now.
func (l *Ledger) Flush(ctx context.Context) error { return l.counters.Flush(ctx) }

// flushEvery is how much of the counts a crash may lose.
const flushEvery = time.Second

// Run stores counts until ctx ends; Flush stores the last. failed hears of each
// failure; the next try has all that was not stored.
func (l *Ledger) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := l.Flush(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

// maxListed is how many counters one list shows.
const maxListed = 1000

// List returns what a caller used, or, if principal is "", what all did, at
// most 1000 counters.
func (l *Ledger) List(ctx context.Context, principal string) ([]Counter, error) {
	if err := l.Flush(ctx); err != nil {
		return nil, fmt.Errorf("storing what was used: %w", err)
	}
	return l.store.ListUsage(ctx, principal, l.now(), maxListed)
}
