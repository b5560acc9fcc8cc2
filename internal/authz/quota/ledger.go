package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/book"
)

// Ledger counts for all routes. It is safe for concurrent use.
type Ledger struct {
	store    Store
	now      func() time.Time
	counters *book.Book[Key, counter]

	mu      sync.Mutex
	changed map[Key]struct{} // not stored yet; a key is added when its count was

	flushing sync.Mutex // one flush at a time: an older count never overwrites a newer
}

// counter is the count of a key.
type counter struct {
	loaded bool
	Use
	until   time.Time
	version uint64 // of the count
	stored  uint64 // version that the store has
}

func (c *counter) unstored() bool { return c.version != c.stored }

// NewLedger returns a ledger. About maxKeys counters are kept in memory (0 = a
// default); the store has all. now may be nil.
func NewLedger(store Store, maxKeys int, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	return &Ledger{store: store, now: now, changed: map[Key]struct{}{}, counters: book.New[Key](maxKeys, (*counter).unstored)}
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

// count notes a change of a locked counter.
func (l *Ledger) count(k Key, c *counter) {
	stored := !c.unstored()
	c.version++
	if stored {
		l.mu.Lock()
		l.changed[k] = struct{}{}
		l.mu.Unlock()
	}
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
	l.count(k, &s.Value)
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
	l.count(k, c)
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
	l.count(k, &e.Value)
	return nil
}

// batch is how many counters one transaction stores.
const batch = 1000

// Flush stores what was counted until now.
func (l *Ledger) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	changed := l.changed
	l.changed = map[Key]struct{}{}
	l.mu.Unlock()
	var errs []error
	list, versions := make([]Counter, 0, min(batch, len(changed))), make([]uint64, 0, min(batch, len(changed)))
	write := func() {
		if err := l.store.SaveUsage(ctx, l.now(), list); err != nil {
			errs = append(errs, err)
			versions = nil
		}
		l.stored(list, versions)
		list, versions = list[:0], versions[:0]
	}
	for k := range changed {
		e, err := l.counters.Take(k)
		if err != nil { // it holds what is not stored, so it is there
			errs = append(errs, err)
			continue
		}
		list, versions = append(list, Counter{Key: k, Use: e.Value.Use, Until: e.Value.until}), append(versions, e.Value.version)
		e.Release()
		if len(list) == batch {
			write()
		}
	}
	if len(list) > 0 {
		write()
	}
	return errors.Join(errs...)
}

// stored notes which versions the store has; without versions, that it has none
// of them. Keys that changed meanwhile, or were not stored, are due again.
func (l *Ledger) stored(list []Counter, versions []uint64) {
	for i := range list {
		e, err := l.counters.Take(list[i].Key)
		if err != nil {
			continue
		}
		if versions != nil {
			e.Value.stored = versions[i]
		}
		if e.Value.unstored() {
			l.mu.Lock()
			l.changed[list[i].Key] = struct{}{}
			l.mu.Unlock()
		}
		e.Release()
	}
}

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
