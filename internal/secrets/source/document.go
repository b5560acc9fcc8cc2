package source

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// document is one secret of a source, with all its fields: what is read, kept
// and read again as a whole.
type document struct {
	ref    Ref
	source Source
	rules  Rules
	watch  Observer

	now atomic.Pointer[reading] // nil until it was read once

	turn chan struct{} // one token: who holds it asks the source
	mu   sync.Mutex    // guards what follows
	need []string      // fields that are used; a reading without one is no good
	due  time.Time     // when to ask again
	fail int           // failures in a row
	push time.Time     // when a refused call asked last
	err  error         // of the last question
}

// reading is what was read at one moment. It never changes.
type reading struct {
	secret Secret
	number uint64    // 1, 2, 3, …: another number is another content
	at     time.Time // when it was read or its lease renewed
	ends   time.Time // when it may not be used any more; zero = never
}

func newDocument(ref Ref, s Source, rules Rules, watch Observer) *document {
	d := &document{ref: ref, source: s, rules: rules, watch: watch, turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

// take waits until it is the caller's turn to ask the source.
func (d *document) take(ctx context.Context) error {
	select {
	case <-d.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *document) give() { d.turn <- struct{}{} }

// load reads the secret if it was not read yet. What went wrong stays for
// failure to tell.
func (d *document) load(ctx context.Context) {
	if d.take(ctx) != nil {
		return
	}
	defer d.give()
	if d.now.Load() == nil {
		_ = d.ask(ctx)
	}
}

// failure says why there is no reading.
func (d *document) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	return errNotRead
}

// refresh asks again, unless another content came since the reading that the
// caller saw, or refused calls asked only a moment ago. It reports whether there is another content now.
func (d *document) refresh(ctx context.Context, seen uint64) (bool, error) {
	if err := d.take(ctx); err != nil {
		return false, err
	}
	defer d.give()
	if r := d.now.Load(); r != nil && r.number != seen {
		return true, nil
	}
	d.mu.Lock()
	now := time.Now()
	early := now.Sub(d.push) < d.rules.MinInterval
	if !early {
		d.push = now
	}
	d.mu.Unlock()
	if early {
		return false, nil
	}
	if err := d.fetch(ctx); err != nil {
		return false, err
	}
	return d.now.Load().number != seen, nil
}

// ask renews the lease or reads the secret, and says when to come again. The
// caller has the turn.
func (d *document) ask(ctx context.Context) error {
	if r := d.now.Load(); r != nil && r.secret.Lease.Renewable {
		if renewer, ok := d.source.(Renewer); ok && d.renew(ctx, renewer, r) {
			return nil
		}
	}
	return d.fetch(ctx)
}

// renew makes a lease longer. It reports false if the secret has to be read
// anew: the lease was given back, or has come to its greatest length.
func (d *document) renew(ctx context.Context, renewer Renewer, r *reading) bool {
	ctx, cancel := context.WithTimeout(ctx, d.rules.Timeout)
	defer cancel()
	lease, err := renewer.Renew(ctx, d.ref, r.secret.Lease)
	if err != nil || lease.For < r.secret.Lease.For/3 {
		return false
	}
	next := *r
	// How long it was asked for stays the measure of when it grows too short.
	next.secret.Lease.For, next.at = max(lease.For, r.secret.Lease.For), time.Now()
	next.ends = next.at.Add(lease.For)
	d.now.Store(&next)
	d.plan(next.at, lease.For, nil)
	return true
}

func (d *document) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.rules.Timeout)
	defer cancel()
	s, err := d.source.Fetch(ctx, d.ref)
	if err == nil {
		err = d.check(s)
	}
	now := time.Now()
	if err != nil {
		d.plan(now, 0, err)
		return err
	}
	old := d.now.Load()
	next := &reading{secret: s, at: now, number: 1, ends: d.end(now, s)}
	changed := true
	if old != nil {
		changed = !same(old.secret, s)
		next.number = old.number
		if changed {
			next.number++
		}
	}
	d.now.Store(next)
	life := s.Lease.For
	if s.Poll > 0 {
		life = 0
	}
	d.plan(now, life, nil)
	d.watch.Read(d.ref, old == nil, changed)
	return nil
}

// uses notes that a field is used.
func (d *document) uses(field string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.need, field) {
		d.need = append(d.need, field)
	}
}

// check refuses a reading that lacks a field in use, so that the last good one
// stays.
func (d *document) check(s Secret) error {
	if len(s.Text) > MaxBytes {
		return fmt.Errorf("is larger than %d bytes", MaxBytes)
	}
	d.mu.Lock()
	need := slices.Clone(d.need)
	d.mu.Unlock()
	var errs []error
	for _, field := range need {
		_, err := s.Pick(field)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// end is when a secret read now may not be used any more.
func (d *document) end(now time.Time, s Secret) time.Time {
	switch {
	case s.Fixed:
		return time.Time{}
	case s.Lease.For > 0:
		return now.Add(s.Lease.For)
	}
	return now.Add(d.rules.MaxAge)
}

// same reports whether two readings mean the same secret.
func same(a, b Secret) bool {
	if a.Text != b.Text || a.Version != b.Version || len(a.Fields) != len(b.Fields) || a.Lease.ID != b.Lease.ID {
		return false
	}
	for name, text := range a.Fields {
		if other, ok := b.Fields[name]; !ok || other != text {
			return false
		}
	}
	return true
}

// firstPause is the wait after a failure; it doubles with each further one.
const firstPause = time.Second

// plan decides when to ask again: at two thirds of a lease or after the
// configured time, sooner or later by up to a tenth so that many secrets and
// many gateways do not ask at once, and after a failure with growing pauses.
func (d *document) plan(now time.Time, lease time.Duration, err error) {
	d.mu.Lock()
	first := err != nil && d.fail == 0
	d.err = err
	wait := d.rules.Refresh
	r := d.now.Load()
	switch {
	case err != nil:
		wait = min(firstPause<<min(d.fail, 16), d.rules.Refresh, time.Minute)
		d.fail++
	case lease > 0:
		wait = lease * 2 / 3
	case r != nil && r.secret.Fixed:
		wait = 365 * 24 * time.Hour
	case r != nil && r.secret.Poll > 0:
		wait = r.secret.Poll
	}
	if err == nil {
		d.fail = 0
	}
	wait = max(wait, d.rules.MinInterval/2)
	d.due = now.Add(wait - time.Duration(rand.Int64N(int64(wait)/5+1)) + wait/10)
	d.mu.Unlock()
	if err != nil {
		d.watch.Failed(d.ref, first, err)
	}
}

func (d *document) dueAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.due
}
