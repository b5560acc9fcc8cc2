package basic

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/password"
)

const (
	good = "correct horse battery"
	evil = "canary-wrong-password"
)

// memory is a Store.
type memory struct {
	mu   sync.Mutex
	m    map[string]Record
	err  error
	gets int
	read func() // called before Get returns what it has read
}

func (m *memory) Get(ctx context.Context, name string) (Record, error) {
	r, err := m.get(ctx, name)
	if m.read != nil {
		m.read()
	}
	return r, err
}

func (m *memory) get(_ context.Context, name string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	if m.err != nil {
		return Record{}, m.err
	}
	r, ok := m.m[name]
	if !ok {
		return Record{}, ErrNotFound
	}
	return r, nil
}

func (m *memory) Put(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.m[r.Name]
	switch {
	case m.err != nil:
		return m.err
	case r.Version == 0 && ok:
		return ErrExists
	case r.Version != 0 && !ok:
		return ErrNotFound
	case r.Version != old.Version:
		return ErrConflict
	}
	r.Version++
	m.m[r.Name] = r
	return nil
}

func (m *memory) Remove(_ context.Context, id string, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.m {
		if r.ID == id {
			if r.Version != version {
				return ErrConflict
			}
			delete(m.m, name)
			return m.err
		}
	}
	return ErrNotFound
}

func (m *memory) List(context.Context) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Record
	for _, r := range m.m {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return out, m.err
}

// journal remembers events.
type journal struct {
	mu     sync.Mutex
	events []portcullis.Event
	err    error
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, *e)
	return j.err
}

func (j *journal) types() []portcullis.EventType {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []portcullis.EventType
	for _, e := range j.events {
		out = append(out, e.Type)
	}
	return out
}

// sessions remembers whose were ended.
type sessions struct {
	mu    sync.Mutex
	ended []string
	err   error
}

func (s *sessions) EndSessions(_ context.Context, subject, reason string, _ portcullis.Actor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, subject+" "+reason)
	return s.err
}

// throttle counts failures of addresses.
type throttle struct {
	mu     sync.Mutex
	failed int
	wait   time.Duration
}

func (t *throttle) Wait(netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait
}

func (t *throttle) Failed(netip.Addr, string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	return t.wait
}

// world is a service with everything around it.
type world struct {
	*Service
	t        testing.TB
	store    *memory
	journal  *journal
	sessions *sessions
	throttle *throttle
	log      *strings.Builder
	mu       sync.Mutex
	now      time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func cheap() Config {
	c := Default()
	c.Hash = password.Params{Memory: 64, Time: 1, Threads: 1}
	return c
}

func newWorld(t testing.TB, c Config) *world {
	t.Helper()
	w := &world{
		t: t, store: &memory{m: map[string]Record{}}, journal: &journal{}, sessions: &sessions{}, throttle: &throttle{},
		log: &strings.Builder{}, now: time.Unix(1_700_000_000, 0).UTC(),
	}
	w.restart(c)
	return w
}

// restart makes a new service over the same store.
func (w *world) restart(c Config) {
	w.t.Helper()
	s, err := newService(Options{
		Config: c, Store: w.store, Recorder: w.journal, Key: []byte(strings.Repeat("k", 32)), Sessions: w.sessions, Throttle: w.throttle,
		ValidateScope: func(s string) error {
			if s == "bad scope" {
				return errors.New("bad")
			}
			return nil
		},
		CacheTTL: time.Minute, Clock: w.clock, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = s
}

func (w *world) add(name string) User {
	w.t.Helper()
	made, err := w.Add(w.t.Context(), Add{Name: name, Password: good, Roles: []string{"viewer"}, Scopes: []string{"tools:*"}, By: portcullis.Actor{ID: "op"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return made.User
}

func home() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

func elsewhere(n byte) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, n}) }

func (w *world) try(name, pass string, from netip.Addr) (portcullis.Principal, *portcullis.Error) {
	w.t.Helper()
	who, err := w.Check(w.t.Context(), Attempt{Name: name, Password: pass, Client: from})
	if err == nil {
		if who.IsZero() {
			w.t.Fatal("accepted as nobody")
		}
		return who, nil
	}
	var e *portcullis.Error
	if !errors.As(err, &e) || !who.IsZero() {
		w.t.Fatalf("%v, %v", who, err)
	}
	return who, e
}

// want tries and compares the kind; KindPreflight stands for accepted.
func (w *world) want(kind portcullis.Kind, name, pass string, from netip.Addr) *portcullis.Error {
	w.t.Helper()
	who, e := w.try(name, pass, from)
	switch {
	case e == nil && kind != accepted:
		w.t.Fatalf("%s is accepted as %+v", name, who)
	case e != nil && e.Kind != kind:
		w.t.Fatalf("%s: %d %v, want %d", name, e.Kind.Status(), e, kind.Status())
	}
	return e
}

const (
	accepted = portcullis.KindPreflight
	refused  = portcullis.KindUnauthenticated
	locked   = portcullis.KindRateLimited
)
