package phi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Grant lets one principal read what is marked, in an emergency.
type Grant struct {
	ID        string
	Principal string
	Reason    string
	By        string
	At        time.Time
	Until     time.Time
	EndedAt   time.Time // zero = nobody ended it before its time
	EndedBy   string
}

// active reports whether the grant is in force.
func (g Grant) active(now time.Time) bool { return g.EndedAt.IsZero() && now.Before(g.Until) }

// Store keeps grants. Times come back in microseconds, in UTC.
type Store interface {
	// SaveBreakGlass writes a grant; one with its id is replaced.
	SaveBreakGlass(ctx context.Context, g Grant) error
	// BreakGlass returns the newest grants, newest first.
	BreakGlass(ctx context.Context, limit int) ([]Grant, error)
}

// Errors of a [Glass].
var (
	ErrInvalid  = errors.New("invalid break-glass grant")
	ErrNotFound = errors.New("no such break-glass grant is in force")
)

// maxGrants is how many are read back at a start: none lasts longer than a day.
const maxGrants = 10000

// Glass is who may read what is marked in an emergency. An operator grants it:
// a caller cannot break the glass alone. It is safe for concurrent use.
type Glass struct {
	store    Store
	recorder portcullis.Recorder
	now      func() time.Time
	max      atomic.Int64 // nanoseconds
	active   atomic.Pointer[map[string]Grant]

	mu sync.Mutex // one change at a time
}

// NewGlass returns what a store holds, in force. now may be nil.
func NewGlass(ctx context.Context, store Store, recorder portcullis.Recorder, now func() time.Time) (*Glass, error) {
	if now == nil {
		now = time.Now
	}
	g := &Glass{store: store, recorder: recorder, now: now}
	g.Use(Default())
	list, err := store.BreakGlass(ctx, maxGrants)
	if err != nil {
		return nil, fmt.Errorf("reading break-glass grants: %w", err)
	}
	in := map[string]Grant{}
	for _, x := range slices.Backward(list) { // the newest of a principal counts
		if x.active(now()) {
			in[x.Principal] = x
		}
	}
	g.active.Store(&in)
	return g, nil
}

// Use puts a configuration into force.
func (g *Glass) Use(c Config) { g.max.Store(int64(c.BreakGlassMax)) }

// Of returns the grant of a principal that is in force. It reads memory only.
func (g *Glass) Of(principal string) (Grant, bool) {
	if g == nil || principal == "" {
		return Grant{}, false
	}
	x, ok := (*g.active.Load())[principal]
	return x, ok && x.active(g.now())
}

// Grant breaks the glass for a principal. One that is in force is replaced.
func (g *Glass) Grant(ctx context.Context, principal, reason string, long time.Duration, by portcullis.Actor) (Grant, error) {
	ctx = context.WithoutCancel(ctx)
	limit := time.Duration(g.max.Load())
	switch reason = strings.TrimSpace(reason); {
	case principal == "" || len(principal) > MaxPrincipal || !printable(principal):
		return Grant{}, fmt.Errorf("%w: principal: want the id of a caller, such as user:alice", ErrInvalid)
	case reason == "" || len(reason) > MaxReason || !printable(reason):
		return Grant{}, fmt.Errorf("%w: reason: want 1 to %d bytes of text in one line", ErrInvalid, MaxReason)
	case long < time.Minute || long > limit:
		return Grant{}, fmt.Errorf("%w: time: want 1m to %s", ErrInvalid, limit)
	case by.ID == principal:
		return Grant{}, fmt.Errorf("%w: nobody grants it to themselves", ErrInvalid)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := stored(g.now())
	x := Grant{ID: obs.NewID(), Principal: principal, Reason: reason, By: by.ID, At: now, Until: now.Add(long)}
	if err := g.note(ctx, portcullis.EventBreakGlassGranted, portcullis.SeverityCritical, portcullis.OutcomeSuccess, x, by); err != nil {
		return Grant{}, fmt.Errorf("recording a break-glass grant: %w", err)
	}
	if old, ok := g.Of(principal); ok {
		old.EndedAt, old.EndedBy = now, by.ID
		if err := g.store.SaveBreakGlass(ctx, old); err != nil {
			return Grant{}, errors.Join(fmt.Errorf("storing a break-glass grant: %w", err), g.note(ctx, portcullis.EventBreakGlassGranted, portcullis.SeverityCritical, portcullis.OutcomeFailure, x, by))
		}
	}
	if err := g.store.SaveBreakGlass(ctx, x); err != nil {
		return Grant{}, errors.Join(fmt.Errorf("storing a break-glass grant: %w", err), g.note(ctx, portcullis.EventBreakGlassGranted, portcullis.SeverityCritical, portcullis.OutcomeFailure, x, by))
	}
	g.publish(func(m map[string]Grant) { m[principal] = x })
	return x, nil
}

// publish puts a change into force, without what is over. The caller holds mu.
func (g *Glass) publish(change func(map[string]Grant)) {
	next := map[string]Grant{}
	for p, x := range *g.active.Load() {
		if x.active(g.now()) {
			next[p] = x
		}
	}
	change(next)
	g.active.Store(&next)
}

// Revoke ends a grant before its time, by its id or its principal. It counts at
// once, whether it can be stored or not; one whose end could not be stored is
// ended again, or it would be back after a restart.
func (g *Glass) Revoke(ctx context.Context, which string, by portcullis.Actor) (Grant, error) {
	ctx = context.WithoutCancel(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	list := slices.Collect(maps.Values(*g.active.Load()))
	if !slices.ContainsFunc(list, func(x Grant) bool { return g.named(x, which) }) {
		var err error
		if list, err = g.store.BreakGlass(ctx, maxGrants); err != nil {
			return Grant{}, fmt.Errorf("reading break-glass grants: %w", err)
		}
	}
	for _, x := range list {
		if !g.named(x, which) {
			continue
		}
		g.publish(func(m map[string]Grant) { delete(m, x.Principal) })
		x.EndedAt, x.EndedBy = stored(g.now()), by.ID
		out := portcullis.OutcomeSuccess
		err := g.store.SaveBreakGlass(ctx, x)
		if err != nil {
			out, err = portcullis.OutcomeFailure, fmt.Errorf("storing a break-glass grant: %w", err)
		}
		return x, errors.Join(err, g.note(ctx, portcullis.EventBreakGlassEnded, portcullis.SeverityWarn, out, x, by))
	}
	return Grant{}, ErrNotFound
}

// named reports whether a grant is in force and called so.
func (g *Glass) named(x Grant, which string) bool {
	return (x.ID == which || x.Principal == which) && x.active(g.now())
}

// Active lists what is in force, oldest first.
func (g *Glass) Active() []Grant {
	out := []Grant{}
	for _, x := range *g.active.Load() {
		if x.active(g.now()) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Grant) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// History lists the newest grants, those that are over included.
func (g *Glass) History(ctx context.Context, limit int) ([]Grant, error) {
	return g.store.BreakGlass(ctx, limit)
}

// note writes a change as an event of the principal, whose personal data is
// sealed in the audit log.
func (g *Glass) note(ctx context.Context, t portcullis.EventType, sev portcullis.Severity, out portcullis.Outcome, x Grant, by portcullis.Actor) error {
	return g.recorder.Record(ctx, &portcullis.Event{
		Time: g.now(), Type: t, Severity: sev, Outcome: out, Actor: portcullis.Actor{ID: x.Principal},
		Resource: "break_glass:" + x.ID, Reason: x.Reason,
		Details: []slog.Attr{slog.String("by", by.ID), slog.String("by_method", by.Method), slog.Time("until", x.Until)},
	})
}

// stored is a time as stores keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
