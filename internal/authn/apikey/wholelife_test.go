package apikey_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// callers use the keys of a whole life at the same time.
const callers = 1000

// world is a gateway's keys over a data folder: it can be stopped and started,
// and its clock jumps.
type world struct {
	t     *testing.T
	path  string
	clock atomic.Int64
	count atomic.Int64 // events
	wrong atomic.Int64 // decisions

	gate  sync.RWMutex // held for writing while the gateway is stopped
	db    *sqlite.DB
	keys  *apikey.Service
	guard *apikey.Authenticator

	stages atomic.Pointer[[]*stage]
}

// stage is what holds between two changes: which keys are good and which are
// not. Of a key that is just changing it says nothing.
type stage struct {
	good map[string]bool // by key text
	seen atomic.Int64    // callers who have tried all of them
	all  chan struct{}   // closed when every caller has
	over chan struct{}   // closed when the next stage begins
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

func (w *world) jump(d time.Duration) { w.clock.Add(int64(d)) }

// Record implements portcullis.Recorder.
func (w *world) Record(context.Context, *portcullis.Event) error {
	w.count.Add(1)
	return nil
}

func (w *world) start() {
	var err error
	if w.db, err = sqlite.Open(context.Background(), w.path); err != nil {
		w.t.Fatal(err)
	}
	w.keys, err = apikey.New(apikey.Options{
		Config: apikey.Default(), Store: w.db.APIKeys(), Recorder: w, Pepper: make([]byte, 32), ValidateScope: scope.Validate, Clock: w.now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.guard = w.keys.Authenticator()
}

// restart ends the gateway between two calls and starts another one, at a time
// that is d later by its clock.
func (w *world) restart(d time.Duration) {
	w.gate.Lock()
	defer w.gate.Unlock()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
	w.jump(d)
	w.start()
}

// call reports whether a key is accepted.
func (w *world) call(r *http.Request, key string, at netip.Addr) bool {
	r.Header.Set("X-API-Key", key)
	w.gate.RLock()
	defer w.gate.RUnlock()
	who, err := w.guard.Authenticate(context.Background(), &portcullis.Conn{HTTP: r, Client: at, Route: "mcp", Reply: http.Header{}})
	return err == nil && !who.IsZero()
}

// caller tries every key there is in every stage, also in those in which
// something is changing, until stop is closed. A call that several stages overlap
// is judged by what they agree on.
func (w *world) caller(n int, stop <-chan struct{}) {
	at, r := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), httptest.NewRequest(http.MethodPost, "/mcp", nil)
	for {
		before := len(*w.stages.Load()) - 1
		for key := range (*w.stages.Load())[before].good {
			from := len(*w.stages.Load()) - 1
			accepted := w.call(r, key, at)
			list := *w.stages.Load()
			want, known := list[from].good[key]
			for _, s := range list[from+1:] {
				next, ok := s.good[key]
				known = known && ok && next == want
			}
			if known && accepted != want && w.wrong.Add(1) <= 5 { // the rest would read the same
				w.t.Errorf("stage %d: key %.10s… is accepted: %t, want %t", from, key, accepted, want)
			}
		}
		s := (*w.stages.Load())[before]
		if s.seen.Add(1) == callers {
			close(s.all)
		}
		select { // a thousand that spin would leave the rest no processor
		case <-s.over:
		case <-stop:
			return
		}
	}
}

func (w *world) stage(good map[string]bool) *stage {
	s := &stage{good: good, all: make(chan struct{}), over: make(chan struct{})}
	var list []*stage
	if have := w.stages.Load(); have != nil {
		list = append(list, *have...)
	}
	list = append(list, s)
	w.stages.Store(&list)
	if n := len(list); n > 1 {
		close(list[n-2].over)
	}
	return s
}

// change does something to the keys while callers go on, and waits until each
// of them has tried all keys afterwards. do returns what is different then.
func (w *world) change(changing []string, do func() map[string]bool) {
	w.t.Helper()
	list := *w.stages.Load()
	good := maps.Clone(list[len(list)-1].good)
	for _, key := range changing {
		delete(good, key)
	}
	w.stage(maps.Clone(good))
	maps.Copy(good, do())
	s := w.stage(good)
	select {
	case <-s.all:
	case <-w.t.Context().Done():
	}
}

// TestWholeLife drives a key and its successors from creation to revocation,
// over restarts and a clock that jumps both ways, with a thousand callers at
// the same time: nobody with a good key is ever refused, and no key that has
// ended is ever accepted again.
func TestWholeLife(t *testing.T) {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "p.db")}
	w.clock.Store(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	w.start()
	defer func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	}()
	by, ctx := portcullis.Actor{ID: "op"}, t.Context()
	made, err := w.keys.Create(ctx, apikey.CreateRequest{Name: "whole life", Scopes: []string{"tools:*"}, Schedule: apikey.Daily, By: by})
	if err != nil {
		t.Fatal(err)
	}
	first := made.Key.Reveal()
	w.stage(map[string]bool{first: true})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() { w.caller(n, stop) })
	}
	defer func() { close(stop); all.Wait() }()

	rotate := func(id string, o apikey.RotateOptions) (apikey.View, string) {
		o.By = by
		next, err := w.keys.Rotate(ctx, id, o)
		if err != nil {
			t.Fatal(err)
		}
		return next.View, next.Key.Reveal()
	}
	sweep := func() {
		if err := w.keys.Sweep(ctx); err != nil {
			t.Error(err)
		}
	}
	nothing := func(do func()) { w.change(nil, func() map[string]bool { do(); return nil }) }

	nothing(func() { w.restart(time.Hour) })
	nothing(func() { w.jump(-30 * time.Minute) })
	var second, third string
	var v apikey.View
	w.change(nil, func() map[string]bool { // both are good for two overlaps
		v, second = rotate(made.View.ID, apikey.RotateOptions{})
		return map[string]bool{second: true}
	})
	nothing(func() { w.jump(90 * time.Minute); sweep() }) // the first is deprecated
	nothing(func() { w.restart(-time.Hour) })
	nothing(func() { w.restart(time.Hour) })
	w.change([]string{first}, func() map[string]bool { // its end passes while the gateway is stopped
		w.restart(31 * time.Minute)
		return map[string]bool{first: false}
	})
	nothing(func() { sweep(); w.jump(-3 * time.Hour) }) // what is over stays over
	nothing(func() { w.restart(0) })
	nothing(func() { w.jump(3 * time.Hour) })
	w.change([]string{second}, func() map[string]bool { // in an emergency it ends at once
		v, third = rotate(v.ID, apikey.RotateOptions{Emergency: true, Reason: "leaked"})
		return map[string]bool{second: false, third: true}
	})
	nothing(func() { w.restart(-6 * time.Hour) })
	nothing(func() { w.restart(6 * time.Hour); sweep() })
	w.change([]string{third}, func() map[string]bool {
		if _, err := w.keys.Revoke(ctx, v.ID, "left", by); err != nil {
			t.Error(err)
		}
		return map[string]bool{third: false}
	})
	nothing(func() { w.restart(-48 * time.Hour) })
	nothing(func() { w.jump(96 * time.Hour); sweep() })
	if w.count.Load() == 0 {
		t.Error("nothing was recorded")
	}
}
