package casebook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
)

type memory struct {
	mu      sync.Mutex
	kept    map[string]Incident
	saves   int
	events  []portcullis.Event
	entries []Entry
	fail    error // of the store
	mute    error // of the recorder
}

func (m *memory) SaveIncident(_ context.Context, i Incident) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.saves++
	m.kept[i.ID] = i
	return nil
}

func (m *memory) OpenIncidents(context.Context) (out []Incident, err error) {
	for _, i := range m.kept {
		if i.Open() {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b Incident) int { return strings.Compare(a.ID, b.ID) })
	return out, m.fail
}

func (m *memory) Incident(_ context.Context, id string) (Incident, error) {
	if i, ok := m.kept[id]; ok {
		return i, m.fail
	}
	return Incident{}, ErrNotFound
}

func (m *memory) AddEntry(_ context.Context, e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.entries, func(have Entry) bool { return have.ID == e.ID }) {
		return m.fail
	}
	m.entries = append(m.entries, e)
	return m.fail
}

func (m *memory) Entries(_ context.Context, incident string) (out []Entry, err error) {
	for _, e := range m.entries {
		if e.Incident == incident {
			out = append(out, e)
		}
	}
	return out, m.fail
}

func (m *memory) Incidents(context.Context, int) ([]Incident, error) { return nil, m.fail }

func (m *memory) OpenedIncidents(_ context.Context, since time.Time) (n int, err error) {
	for _, i := range m.kept {
		if i.OpenedAt.After(since) {
			n++
		}
	}
	return n, m.fail
}

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	if m.mute != nil {
		return m.mute
	}
	m.events = append(m.events, *e)
	return nil
}

func (m *memory) count(t portcullis.EventType) (n int) {
	for _, e := range m.events {
		if e.Type == t {
			n++
		}
	}
	return n
}

func newBook(t *testing.T, m *memory) *Book {
	t.Helper()
	b, err := NewBook(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func of(key string, score int) Incident {
	return Incident{Actor: portcullis.Actor{ID: "mallory"}, Key: key, Subject: key, Rule: "r", Summary: "s", Score: score}
}

var alice = portcullis.Actor{ID: "user:alice"}

// TestAStormIsOneIncident: what is noticed again updates the incident that is
// open, wakes nobody, and is not stored each time.
func TestAStormIsOneIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{kept: map[string]Incident{}}
		b := newBook(t, m)
		for i := range 1000 {
			got, opened, err := b.Notice(t.Context(), of("ip:203.0.113.9", 81+i%20), slog.Bool("scanning", true))
			if err != nil || opened != (i == 0) || got.Count != i+1 {
				t.Fatalf("%d: %+v, %t, %v", i, got, opened, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if m.count(portcullis.EventIncidentOpened) != 1 || m.saves > 10 {
			t.Errorf("%d events, stored %d times", m.count(portcullis.EventIncidentOpened), m.saves)
		}
		e := m.events[0]
		if e.RiskScore != 81 || e.Severity != portcullis.SeverityCritical || e.Actor.ID != "mallory" || e.Resource == "incident:" || "dedup_key="+strings.TrimPrefix(e.Resource, "incident:") != e.Details[0].String() || !strings.Contains(fmt.Sprint(e.Details), "scanning") {
			t.Errorf("%+v", e)
		}
		time.Sleep(saveEvery)
		if err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := newBook(t, m) // a restart
		got, opened, err := again.Notice(t.Context(), of("ip:203.0.113.9", 85))
		if err != nil || opened || got.Count != 1001 || got.Score != 100 {
			t.Errorf("after a restart: %+v, %t, %v", got, opened, err)
		}
		closed, err := again.Close(t.Context(), got.ID, "password forgotten", alice)
		if err != nil || closed.Open() || closed.ClosedBy != alice.ID || again.Count() != 0 {
			t.Errorf("closed: %+v, %v", closed, err)
		}
		if _, err := again.Close(t.Context(), got.ID, "", alice); !errors.Is(err, ErrNotFound) {
			t.Errorf("closed twice: %v", err)
		}
		if _, opened, err := again.Notice(t.Context(), of("ip:203.0.113.9", 85)); err != nil || !opened {
			t.Errorf("a new one after it was closed: %t, %v", opened, err)
		}
	})
}

func TestTooManyBecomeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{kept: map[string]Incident{}}
		b := newBook(t, m)
		b.Use(Settings{PerHour: 3, Quiet: time.Hour})
		for i := range 50 {
			if _, _, err := b.Notice(t.Context(), of(fmt.Sprint(i), 90)); err != nil {
				t.Fatal(err)
			}
		}
		if n := m.count(portcullis.EventIncidentOpened); n != 4 { // three and the one for all others
			t.Errorf("%d were opened", n)
		}
		if _, err := NewBook(t.Context(), m, m, nil); err != nil || b.Count() != 4 {
			t.Error(b.Count(), err)
		}
		time.Sleep(time.Hour)
		if err := b.Sweep(t.Context()); err != nil || b.Count() != 0 || m.count(portcullis.EventIncidentClosed) != 4 {
			t.Errorf("after an hour of quiet %d are open, %v", b.Count(), err)
		}
		if i, opened, err := b.Notice(t.Context(), of("new", 90)); err != nil || !opened || i.Key != "new" {
			t.Errorf("in the next hour: %+v, %t, %v", i, opened, err)
		}
	})
}

func TestNotRecordedNotOpened(t *testing.T) {
	m := &memory{kept: map[string]Incident{}, mute: errors.New("disk full")}
	b := newBook(t, m)
	if _, opened, err := b.Notice(t.Context(), of("a", 90)); err == nil || opened || b.Count() != 0 {
		t.Errorf("%t, %v", opened, err)
	}
	m.mute, m.fail = nil, errors.New("gone")
	if _, opened, err := b.Notice(t.Context(), of("a", 90)); err == nil || opened || b.Count() != 0 {
		t.Errorf("%t, %v", opened, err)
	}
	if _, err := NewBook(t.Context(), m, m, nil); err == nil {
		t.Error("a store that cannot be read passes for an empty one")
	}
	m.fail = nil
	for _, bad := range []Incident{{Summary: "no key"}, {Key: "k", Summary: strings.Repeat("x", MaxText+1)}} {
		if _, _, err := b.Notice(t.Context(), bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	i, _, err := b.Notice(t.Context(), of("a", 90))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Close(t.Context(), i.ID, strings.Repeat("x", MaxText+1), alice); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	m.mute = errors.New("disk full")
	if _, err := b.Close(t.Context(), i.ID, "", alice); err == nil || b.Count() != 1 {
		t.Errorf("closed without a record: %v", err)
	}
}
