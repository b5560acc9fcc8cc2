package consent

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

// Book grants and withdraws consents. It is safe for concurrent use.
type Book struct {
	store    Store
	recorder portcullis.Recorder
	now      func() time.Time
	purposes atomic.Pointer[map[string]Purpose]

	change sync.Mutex // one change at a time

	mu      sync.RWMutex // guards what follows
	active  map[key]Consent
	streams map[*stream]struct{}
}

type key struct{ principal, purpose string }

// stream is one that runs by consents.
type stream struct {
	principal string
	purposes  []string
	end       func()
}

// NewBook returns the book of a store, with what is in force. now may be nil.
func NewBook(ctx context.Context, store Store, recorder portcullis.Recorder, now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	b := &Book{store: store, recorder: recorder, now: now, active: map[key]Consent{}, streams: map[*stream]struct{}{}}
	b.Use(nil)
	list, err := store.ActiveConsents(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	for _, c := range list {
		b.active[key{c.Principal, c.Purpose}] = c
	}
	return b, nil
}

// Use puts the purposes of a configuration into force. Streams by consents that
// do not count any more end.
func (b *Book) Use(purposes []Purpose) {
	m := make(map[string]Purpose, len(purposes))
	for _, p := range purposes {
		m[p.Name] = p
	}
	b.purposes.Store(&m)
	b.endStreams()
}

// Purposes lists what is declared, by name.
func (b *Book) Purposes() []Purpose {
	var out []Purpose
	for _, p := range *b.purposes.Load() {
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y Purpose) int { return compare(x.Name, y.Name) })
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Check says whether a principal's consent to a purpose counts now. It reads
// memory only. A purpose that nobody declared has no consents.
func (b *Book) Check(principal, purpose string) (State, Purpose) {
	p, declared := (*b.purposes.Load())[purpose]
	if !declared || principal == "" {
		return Missing, Purpose{Name: purpose}
	}
	b.mu.RLock()
	c, ok := b.active[key{principal, purpose}]
	b.mu.RUnlock()
	if !ok {
		return Missing, p
	}
	return p.counts(entry{c.Version, c.GrantedAt}, b.now()), p
}

// Grant notes that a principal agrees to a purpose. version must be the one in
// force; "" stands for it.
func (b *Book) Grant(ctx context.Context, c Consent, by portcullis.Actor) (Consent, error) {
	ctx = context.WithoutCancel(ctx)
	p, ok := (*b.purposes.Load())[c.Purpose]
	switch {
	case !ok:
		return Consent{}, ErrPurpose
	case c.Version != "" && c.Version != p.Version:
		return Consent{}, ErrVersion
	}
	c = Consent{
		ID: obs.NewID(), Principal: c.Principal, Purpose: p.Name, Version: p.Version, Evidence: c.Evidence,
		GrantedAt: stored(b.now()), GrantedBy: by.ID,
	}
	if err := c.Validate(); err != nil {
		return Consent{}, err
	}
	b.change.Lock()
	defer b.change.Unlock()
	list := []Consent{c}
	if old, ok := b.find(c.Principal, c.Purpose); ok {
		old.WithdrawnAt, old.WithdrawnBy, old.Replaced = c.GrantedAt, by.ID, true
		list = []Consent{old, c}
	}
	if err := b.note(ctx, portcullis.EventConsentGranted, portcullis.OutcomeSuccess, c, by); err != nil { // not recorded, not done
		return Consent{}, fmt.Errorf("recording a consent: %w", err)
	}
	if err := b.store.SaveConsents(ctx, list...); err != nil {
		return Consent{}, errors.Join(fmt.Errorf("storing a consent: %w", err), b.note(ctx, portcullis.EventConsentGranted, portcullis.OutcomeFailure, c, by))
	}
	b.mu.Lock()
	b.active[key{c.Principal, c.Purpose}] = c
	b.mu.Unlock()
	return c, nil
}

// Withdraw ends a principal's consent to a purpose. It counts at once, whatever
// happens then: when it can be neither recorded nor stored, the error says so
// and this process goes on without the consent.
func (b *Book) Withdraw(ctx context.Context, principal, purpose string, by portcullis.Actor) (Consent, error) {
	ctx = context.WithoutCancel(ctx)
	b.change.Lock()
	defer b.change.Unlock()
	c, ok := b.find(principal, purpose)
	if !ok { // a withdrawal that was not stored is tried again
		history, err := b.store.Consents(ctx, principal)
		if err != nil {
			return Consent{}, fmt.Errorf("reading consents: %w", err)
		}
		i := slices.IndexFunc(history, func(c Consent) bool { return c.Purpose == purpose && c.WithdrawnAt.IsZero() })
		if i < 0 {
			return Consent{}, ErrNotGiven
		}
		c = history[i]
	}
	b.mu.Lock()
	delete(b.active, key{principal, purpose})
	b.mu.Unlock()
	b.endStreams()
	c.WithdrawnAt, c.WithdrawnBy = stored(b.now()), by.ID
	var errs []error
	if err := b.store.SaveConsents(ctx, c); err != nil {
		errs = append(errs, fmt.Errorf("storing a withdrawal: %w", err))
	}
	out := portcullis.OutcomeSuccess
	if len(errs) > 0 {
		out = portcullis.OutcomeFailure
	}
	if err := b.note(ctx, portcullis.EventConsentWithdrawn, out, c, by); err != nil {
		errs = append(errs, fmt.Errorf("recording a withdrawal: %w", err))
	}
	return c, errors.Join(errs...)
}

// find returns the consent in force.
func (b *Book) find(principal, purpose string) (Consent, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	c, ok := b.active[key{principal, purpose}]
	return c, ok
}

// Status is what is known of a principal and a purpose.
type Status struct {
	Purpose Purpose
	State   State
	Latest  Consent // zero = none
}

// Statuses lists what a principal agreed to, with a line for each purpose.
func (b *Book) Statuses(ctx context.Context, principal string) ([]Status, error) {
	history, err := b.store.Consents(ctx, principal)
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	latest := map[string]Consent{}
	for _, c := range history {
		latest[c.Purpose] = c
	}
	var out []Status
	for _, p := range b.Purposes() {
		c := latest[p.Name]
		delete(latest, p.Name)
		out = append(out, Status{p, p.state(c, b.now()), c})
	}
	for _, c := range history { // to purposes that are not declared any more
		if l, ok := latest[c.Purpose]; ok && l.ID == c.ID {
			state := Missing
			if !c.WithdrawnAt.IsZero() {
				state = Withdrawn
			}
			out = append(out, Status{Purpose{Name: c.Purpose}, state, c})
		}
	}
	return out, nil
}

// History returns all consents of a principal, oldest first.
func (b *Book) History(ctx context.Context, principal string) ([]Consent, error) {
	return b.store.Consents(ctx, principal)
}

// Count is the number of consents in force.
func (b *Book) Count() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.active)
}

// Forget removes a principal with its history, when it is erased. Its streams
// end.
func (b *Book) Forget(ctx context.Context, principal string) error {
	b.change.Lock()
	defer b.change.Unlock()
	b.mu.Lock()
	for k := range b.active {
		if k.principal == principal {
			delete(b.active, k)
		}
	}
	b.mu.Unlock()
	b.endStreams()
	if err := b.store.DropConsents(context.WithoutCancel(ctx), principal); err != nil {
		return fmt.Errorf("forgetting consents: %w", err)
	}
	return nil
}

// Watch calls end, once and from another goroutine, when one of the consents
// that a stream needs does not count any more. stop ends the watch. A consent
// that expires ends streams at their next message.
func (b *Book) Watch(principal string, purposes []string, end func()) (stop func()) {
	s := &stream{principal, purposes, end}
	b.mu.Lock()
	b.streams[s] = struct{}{}
	b.mu.Unlock()
	if !b.all(s) { // withdrawn since it was let in
		b.endStreams()
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.streams, s)
	}
}

func (b *Book) all(s *stream) bool {
	for _, p := range s.purposes {
		if state, _ := b.Check(s.principal, p); state != Given {
			return false
		}
	}
	return true
}

func (b *Book) endStreams() {
	b.mu.RLock()
	running := make([]*stream, 0, len(b.streams))
	for s := range b.streams {
		running = append(running, s)
	}
	b.mu.RUnlock()
	for _, s := range running {
		if b.all(s) {
			continue
		}
		b.mu.Lock()
		_, there := b.streams[s]
		delete(b.streams, s)
		b.mu.Unlock()
		if there {
			go s.end()
		}
	}
}

// note writes a change as an event of the principal, whose personal data is
// sealed in the audit log; who did it stands in the details if it is another.
func (b *Book) note(ctx context.Context, t portcullis.EventType, out portcullis.Outcome, c Consent, by portcullis.Actor) error {
	actor := by
	details := []slog.Attr{slog.String("purpose", c.Purpose), slog.String("policy_version", c.Version), slog.String("consent", c.ID)}
	if by.ID != c.Principal {
		actor = portcullis.Actor{ID: c.Principal}
		details = append(details, slog.String("by", by.ID), slog.String("by_method", by.Method))
	}
	return b.recorder.Record(ctx, &portcullis.Event{
		Time: b.now(), Type: t, Severity: portcullis.SeverityInfo, Outcome: out,
		Actor: actor, Resource: "consent:" + c.Purpose, Details: details,
	})
}

// stored is a time as stores keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
