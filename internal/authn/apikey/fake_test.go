package apikey

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

var errDown = errors.New("store is down")

// memStore is a Store in memory that can be switched off.
type memStore struct {
	mu   sync.Mutex
	recs map[string]Record
	down atomic.Bool
	gets atomic.Int64
	puts atomic.Int64
	hook func(id string) // called by Get after it has read the record

	failFrom int64 // the number of the first Put that fails; 0 = none
}

func newMemStore() *memStore { return &memStore{recs: map[string]Record{}} }

func (m *memStore) Get(_ context.Context, id string) (Record, error) {
	m.gets.Add(1)
	if m.down.Load() {
		return Record{}, errDown
	}
	m.mu.Lock()
	r, ok := m.recs[id]
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		hook(id)
	}
	if !ok {
		return Record{}, ErrNotFound
	}
	return r.Clone(), nil
}

func (m *memStore) Put(_ context.Context, records ...Record) error {
	if n := m.puts.Add(1); m.failFrom > 0 && n >= m.failFrom {
		return errDown
	}
	if m.down.Load() {
		return errDown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		old, ok := m.recs[r.ID]
		switch {
		case r.Version == 0 && ok:
			return ErrExists
		case r.Version != 0 && !ok:
			return ErrNotFound
		case r.Version != old.Version:
			return ErrConflict
		case ok && r.Status < old.Status:
			return ErrRegress
		}
	}
	for _, r := range records {
		old := m.recs[r.ID]
		r.LastUsedAt = old.LastUsedAt
		if r.Version != 0 {
			r.CreatedAt = old.CreatedAt
			if !old.Unclaimed() {
				r.Hash = old.Hash
			}
		}
		r.Version++
		m.recs[r.ID] = r.Clone()
	}
	return nil
}

func (m *memStore) List(context.Context, Page) ([]Record, error) {
	if m.down.Load() {
		return nil, errDown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Record
	for _, r := range m.recs {
		out = append(out, r.Clone())
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

func (m *memStore) TouchLastUsed(_ context.Context, uses []Use) error {
	if m.down.Load() {
		return errDown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range uses {
		if r, ok := m.recs[u.ID]; ok && u.At.After(r.LastUsedAt) {
			r.LastUsedAt = u.At
			m.recs[u.ID] = r
		}
	}
	return nil
}

// journal is a Recorder in memory.
type journal struct {
	mu     sync.Mutex
	events []portcullis.Event
	err    error
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	j.events = append(j.events, *e)
	return nil
}

func (j *journal) take() []portcullis.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.events
	j.events = nil
	return out
}

// clock is a wall clock that tests set.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// harness is a service with everything around it in a test's hands.
type harness struct {
	*Service
	store   *memStore
	journal *journal
	clock   *clock
	macs    atomic.Int64 // keyed hashes made
}

func newHarness(t testing.TB, change ...func(*Options)) *harness {
	t.Helper()
	h := &harness{store: newMemStore(), journal: &journal{}, clock: &clock{}}
	h.clock.ns.Store(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	o := Options{
		Config: Default(), Store: h.store, Recorder: h.journal, Pepper: make([]byte, 32), Clock: h.clock.now,
		ValidateScope: func(s string) error {
			if strings.Contains(s, "!") {
				return errors.New("bad scope")
			}
			return nil
		},
	}
	for _, fn := range change {
		fn(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	mac := s.mac
	s.mac = func(secret *[32]byte) [32]byte {
		h.macs.Add(1)
		return mac(secret)
	}
	h.Service = s
	return h
}

func (h *harness) create(t testing.TB, req CreateRequest) Created {
	t.Helper()
	if req.Name == "" {
		req.Name = "test"
	}
	if req.Scopes == nil {
		req.Scopes = []string{"tools:*"}
	}
	c, err := h.Create(t.Context(), req)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return c
}
