package toolpin

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Book is what is known of the tools of all routes. It outlives tables of
// routes, and may be used concurrently.
type Book struct {
	store    Store
	recorder portcullis.Recorder
	now      func() time.Time
	names    skeletons
	scan     func() (*scanner, error) // made when first needed: its rules take a while to compile

	mu     sync.Mutex // one change at a time; nobody who only looks takes it
	tracks map[string]*track
}

// track is one route. Calls look at the view; a change replaces it.
type track struct {
	name    string
	guarded bool // this process has had a guard on it; guarded by mu of the book
	view    atomic.Pointer[view]
}

// view is immutable.
type view struct {
	route Route
	pins  map[string]*entry
	held  int
}

// entry is a pin as it is kept in memory.
type entry struct {
	Pin
	skeleton string
}

// NewBook returns the book of a store, read whole. Without a store it is kept
// in memory. now may be nil.
func NewBook(ctx context.Context, store Store, recorder portcullis.Recorder, now func() time.Time) (*Book, error) {
	if store == nil {
		store = NewMemory()
	}
	if now == nil {
		now = time.Now
	}
	b := &Book{store: store, recorder: recorder, now: now, names: newSkeletons(), scan: sync.OnceValues(newScanner), tracks: map[string]*track{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b, b.load(ctx)
}

// load reads all from the store. The caller holds mu.
func (b *Book) load(ctx context.Context) error {
	routes, pins, err := b.store.LoadPins(ctx)
	if err != nil {
		return fmt.Errorf("reading the pins of tools: %w", err)
	}
	views := map[string]*view{}
	of := func(route string) *view {
		v := views[route]
		if v == nil {
			v = &view{route: Route{Name: route}, pins: map[string]*entry{}}
			views[route] = v
		}
		return v
	}
	for _, r := range routes {
		of(r.Name).route = r
	}
	for _, p := range pins {
		of(p.Route).put(b.entry(p))
	}
	for name, v := range views {
		b.track(name).view.Store(v)
	}
	return nil
}

func (b *Book) entry(p Pin) *entry { return &entry{Pin: p, skeleton: b.names.of(p.Tool)} }

func (v *view) put(e *entry) {
	if old := v.pins[e.Tool]; old != nil && old.State != Trusted {
		v.held--
	}
	if e.State != Trusted {
		v.held++
	}
	v.pins[e.Tool] = e
}

// track returns that of a route. The caller holds mu.
func (b *Book) track(route string) *track {
	t := b.tracks[route]
	if t == nil {
		t = &track{name: route}
		t.view.Store(&view{route: Route{Name: route}})
		b.tracks[route] = t
	}
	return t
}

// save stores pins of one route and then shows them to calls. The caller holds
// mu. If the store knows better, the book reads it anew, and the change is not
// made.
func (b *Book) save(ctx context.Context, t *track, r Route, pins []Pin, versions []Version) error {
	for i := range pins {
		pins[i].Revision++
	}
	if err := b.store.SavePins(ctx, r, pins, versions); err != nil {
		if rerr := b.load(ctx); rerr != nil {
			return fmt.Errorf("%w; %w", err, rerr)
		}
		return err
	}
	old := t.view.Load()
	next := &view{route: r, pins: make(map[string]*entry, len(old.pins)+len(pins)), held: old.held}
	maps.Copy(next.pins, old.pins)
	for _, p := range pins {
		next.put(b.entry(p))
	}
	t.view.Store(next)
	return nil
}

// Held returns how many tools of each route are held or quarantined.
func (b *Book) Held() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]int, len(b.tracks))
	for name, t := range b.tracks {
		out[name] = t.view.Load().held
	}
	return out
}
