package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Rules say how long secrets are kept.
type Rules struct {
	Refresh     time.Duration // how often a secret without a lease is read again
	MaxAge      time.Duration // how long one without a lease is used while its source does not answer
	Timeout     time.Duration // of one question to a source
	MinInterval time.Duration // least time between two questions that refused calls make
}

// DefaultRules returns the defaults.
func DefaultRules() Rules {
	return Rules{Refresh: 5 * time.Minute, MaxAge: time.Hour, Timeout: 10 * time.Second, MinInterval: 2 * time.Second}
}

// Observer is told what happens to secrets. The references it gets have no
// field, and errors no secret. Its methods must not block.
type Observer interface {
	// Read tells of a secret that was read; changed if there was another, or
	// none, before.
	Read(ref Ref, first, changed bool)
	// Failed tells of one that could not be read; first after a success.
	Failed(ref Ref, first bool, err error)
}

// Resolver keeps the secrets of one configuration. It is safe for concurrent
// use.
type Resolver struct {
	sources map[string]Source
	rules   Rules
	watch   Observer
	from    *Resolver // whose secrets are taken over; nil once loaded

	mu   sync.Mutex
	docs map[Ref]*document
}

// New returns a resolver that knows no secret yet.
func New(sources map[string]Source, rules Rules, watch Observer) *Resolver {
	return &Resolver{sources: sources, rules: rules, watch: watch, docs: map[Ref]*document{}}
}

// Next returns a resolver for another configuration. Secrets that it is asked
// for and r knows of the very same source are shared, not read again.
func (r *Resolver) Next(sources map[string]Source) *Resolver {
	n := New(sources, r.rules, r.watch)
	n.from = r
	return n
}

// Handle is one secret that is kept ready. It is safe for concurrent use.
type Handle struct {
	ref    Ref
	doc    *document
	picked atomic.Pointer[picked]
}

// picked is the field of one reading.
type picked struct {
	from *reading
	text string
	err  error
}

// Value is a secret as it was at one moment.
type Value struct {
	Text    string
	Reading uint64 // another number is another content; the same for all fields
}

// String returns a mask.
func (Value) String() string { return "[secret]" }

// GoString returns a mask.
func (Value) GoString() string { return "[secret]" }

// Handle returns the handle of a reference. It asks nobody; [Resolver.Load]
// does.
func (r *Resolver) Handle(ref Ref) (*Handle, error) {
	s := r.sources[ref.Source]
	if s == nil {
		return nil, fmt.Errorf("%s: there is no source %q: want %s", ref, ref.Source, r.names())
	}
	key := ref.document()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.docs[key]
	if d == nil && r.from != nil {
		d = r.from.known(key)
	}
	if d == nil || d.source != s {
		d = newDocument(key, s, r.rules, r.watch)
	}
	r.docs[key] = d
	d.uses(ref.Field)
	return &Handle{ref: ref, doc: d}, nil
}

func (r *Resolver) names() string {
	return strings.Join(slices.Sorted(maps.Keys(r.sources)), ", ")
}

func (r *Resolver) known(key Ref) *document {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.docs[key]
}

func (r *Resolver) all() []*document {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.docs))
}

// Load reads every secret that was asked for and not read yet, side by side,
// and ends the sharing with the resolver before. [Handle.Get] says of each
// whether it succeeded.
func (r *Resolver) Load(ctx context.Context) {
	each(r.all(), func(_ int, d *document) { d.load(ctx) })
	r.mu.Lock()
	r.from = nil
	r.mu.Unlock()
}

// atOnce bounds how many sources are asked at the same time.
const atOnce = 8

func each(docs []*document, do func(int, *document)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, d := range docs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i, d)
		})
	}
	wg.Wait()
}

// Refresh reads again what is due. Failures are told to the observer; the last
// good value stays until its lease ends.
func (r *Resolver) Refresh(ctx context.Context) {
	now := time.Now()
	due := slices.DeleteFunc(r.all(), func(d *document) bool { return d.now.Load() == nil || d.dueAt().After(now) })
	each(due, func(_ int, d *document) {
		if d.take(ctx) != nil {
			return
		}
		defer d.give()
		_ = d.ask(ctx) // told to the observer
	})
}

// State is what can be said about the secrets of one source.
type State struct {
	Secrets int
	Oldest  time.Duration // since the secret that was confirmed longest ago was read or renewed
	Expired int           // whose lease has ended
}

// States returns the state of each source that is used.
func (r *Resolver) States() map[string]State {
	now, out := time.Now(), map[string]State{}
	for _, d := range r.all() {
		s := out[d.ref.Source]
		s.Secrets++
		if at := d.now.Load(); at != nil {
			if !at.secret.Fixed {
				s.Oldest = max(s.Oldest, now.Sub(at.at))
			}
			if at.expired(now) {
				s.Expired++
			}
		}
		out[d.ref.Source] = s
	}
	return out
}

func (r *reading) expired(now time.Time) bool { return !r.ends.IsZero() && !now.Before(r.ends) }

// ErrExpired says that a lease has ended and the source gave no other secret.
var ErrExpired = errors.New("its lease has ended and the source gave no other")

var errNotRead = errors.New("it was not read yet")

// Ref returns the reference.
func (h *Handle) Ref() Ref { return h.ref }

// Get returns the secret as it was read last. It asks nobody and allocates
// nothing. Errors name the reference: the field is missing, or the lease has
// ended ([ErrExpired]).
func (h *Handle) Get() (Value, error) {
	r := h.doc.now.Load()
	if r == nil {
		return Value{}, fmt.Errorf("%s: %w", h.ref, h.doc.failure())
	}
	if r.expired(time.Now()) {
		return Value{}, fmt.Errorf("%s: %w", h.ref, ErrExpired)
	}
	p := h.picked.Load()
	if p == nil || p.from != r {
		text, err := r.secret.Pick(h.ref.Field) // one that was read before this field was asked for
		if err != nil {
			err = fmt.Errorf("%s: %w", h.ref, err)
		}
		p = &picked{from: r, text: text, err: err}
		h.picked.Store(p)
	}
	return Value{Text: p.text, Reading: r.number}, p.err
}

// Refresh asks the source again because the value of a reading was not
// accepted. It reports whether there is another one now. However many ask,
// the source is asked once, and not more often than [Rules.MinInterval].
func (h *Handle) Refresh(ctx context.Context, seen uint64) (bool, error) {
	return h.doc.refresh(ctx, seen)
}

// Info is what may be told about a secret.
type Info struct {
	Version string
	Ends    time.Time // of its lease; zero = it has none
}

// Info returns what may be told about the secret.
func (h *Handle) Info() Info {
	r := h.doc.now.Load()
	if r == nil {
		return Info{}
	}
	i := Info{Version: r.secret.Version}
	if r.secret.Lease.For > 0 {
		i.Ends = r.ends
	}
	return i
}
