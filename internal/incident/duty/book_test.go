package duty

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// memory is a store and a recorder that can fail.
type memory struct {
	kept   map[string]Record
	events []portcullis.Event
	save   error
	record error
}

func (m *memory) Duties(context.Context) (out []Record, err error) {
	for _, r := range m.kept {
		out = append(out, r)
	}
	return out, nil
}

func (m *memory) SaveDuty(_ context.Context, r Record) error {
	if m.save == nil {
		m.kept[r.Name] = r
	}
	return m.save
}

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	if m.record != nil {
		return m.record
	}
	e.ID = "e" + string(rune('0'+len(m.events)))
	m.events = append(m.events, *e)
	return nil
}

// told are the types of events since the last time it was asked.
func (m *memory) told() string {
	var out []string
	for i := range m.events {
		e := &m.events[i]
		out = append(out, string(e.Type)+" "+e.Resource+" "+string(e.Outcome))
	}
	m.events = nil
	slices.Sort(out)
	return strings.Join(out, ", ")
}

type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func newBook(t *testing.T, m *memory, c *clock) *Book {
	t.Helper()
	b, err := NewBook(t.Context(), m, m, c.now)
	if err != nil {
		t.Fatal(err)
	}
	b.Use([]Duty{{"log-review", "read it", Every{1, Week}, 3 * days}, {"audit", "ask", Every{1, Quarter}, 14 * days}})
	return b
}

func tell(t *testing.T, b *Book) time.Time {
	t.Helper()
	next, err := b.Tell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

var alice = portcullis.Actor{ID: "user:alice", Method: "api_key"}

// TestALife of two duties, with a restart between any two moments.
func TestALife(t *testing.T) {
	m, c := &memory{kept: map[string]Record{}}, &clock{at(t, "2026-11-18T09:00:00Z")} // a Wednesday
	for _, step := range []struct{ now, want string }{
		{"2026-11-18T09:00:00Z", ""},
		{"2026-11-22T23:59:59Z", ""},
		{"2026-11-23T00:00:00Z", "DUTY_DUE duty:log-review pending"},
		{"2026-11-24T00:00:00Z", ""},
		{"2026-11-26T00:00:00Z", "DUTY_OVERDUE duty:log-review failure"},
		{"2026-11-27T00:00:00Z", ""},
		{"2026-11-30T00:00:00Z", ""}, // one more date, whose grace runs
		{"2026-12-03T00:00:00Z", "DUTY_OVERDUE duty:log-review failure"},
		{"2027-01-01T00:00:00Z", "DUTY_DUE duty:audit pending, DUTY_OVERDUE duty:log-review failure"},
	} {
		c.Time = at(t, step.now)
		for range 2 {
			next := tell(t, newBook(t, m, c))
			if !next.After(c.Time) {
				t.Errorf("%s: the next look is at %s", step.now, next)
			}
		}
		if got := m.told(); got != step.want {
			t.Errorf("%s: told %q, want %q", step.now, got, step.want)
		}
	}
	b := newBook(t, m, c)
	if got := b.Overdue(); !slices.Equal(got, []string{"log-review"}) {
		t.Errorf("overdue: %v", got)
	}
	v, err := b.Sign(t.Context(), "log-review", " read it all ", alice)
	if err != nil || v.State != Ahead || !v.Due.Equal(at(t, "2027-01-04T00:00:00Z")) || v.Record.Event == "" {
		t.Errorf("signed: %+v, %v", v, err)
	}
	if len(m.events) != 1 || m.events[0].Reason != "read it all" || m.events[0].Actor != alice || !slices.ContainsFunc(m.events[0].Details, func(a slog.Attr) bool {
		return a.Key == "missed" && a.Value.Int64() == 5
	}) {
		t.Errorf("recorded: %+v", m.events)
	}
	m.events = nil
	if got := newBook(t, m, c).Overdue(); len(got) != 0 {
		t.Errorf("overdue after a restart: %v", got)
	}
	if tell(t, newBook(t, m, c)); m.told() != "" {
		t.Error("told of what is signed")
	}
}

func TestSigningIsRefused(t *testing.T) {
	m, c := &memory{kept: map[string]Record{}}, &clock{at(t, "2026-11-18T09:00:00Z")}
	b := newBook(t, m, c)
	for _, note := range []string{"", " \n", strings.Repeat("x", MaxNote+1), "\xff"} {
		if _, err := b.Sign(t.Context(), "log-review", note, alice); !errors.Is(err, ErrInvalid) {
			t.Errorf("note %q: %v", note, err)
		}
	}
	if _, err := b.Sign(t.Context(), "other", "done", alice); !errors.Is(err, ErrNotFound) {
		t.Errorf("a duty that is not there: %v", err)
	}
	if m.told() != "" || len(m.kept) != 0 {
		t.Error("a refused sign-off leaves something")
	}
}

// TestNotRecordedNotDone: what the audit log does not have, is not signed and
// not told.
func TestNotRecordedNotDone(t *testing.T) {
	m, c := &memory{kept: map[string]Record{}}, &clock{at(t, "2026-11-18T09:00:00Z")}
	b := newBook(t, m, c)
	tell(t, b)
	c.Time = at(t, "2026-11-27T00:00:00Z")
	m.record = errors.New("disk full")
	if _, err := b.Sign(t.Context(), "log-review", "done", alice); err == nil || len(b.Overdue()) != 1 {
		t.Errorf("signed without a record: %v", err)
	}
	if _, err := b.Tell(t.Context()); err == nil {
		t.Error("told without a record")
	}
	m.record, m.save = nil, errors.New("disk full")
	if _, err := b.Sign(t.Context(), "log-review", "done", alice); err == nil || len(b.Overdue()) != 1 {
		t.Errorf("signed and not stored: %v", err)
	}
	if got := m.told(); got != "DUTY_SIGNED duty:log-review failure, DUTY_SIGNED duty:log-review success" {
		t.Errorf("recorded %q", got)
	}
	m.save = nil
	tell(t, b)
	if got := m.told(); got != "DUTY_OVERDUE duty:log-review failure" {
		t.Errorf("told %q", got)
	}
}

// TestGoneAndBack: who leaves a duty out for a while is not excused from it.
func TestGoneAndBack(t *testing.T) {
	m, c := &memory{kept: map[string]Record{}}, &clock{at(t, "2026-11-18T09:00:00Z")}
	b := newBook(t, m, c)
	tell(t, b)
	b.Use(nil)
	if len(b.List()) != 0 || len(b.Overdue()) != 0 || !tell(t, b).IsZero() {
		t.Error("there are duties without a duty")
	}
	c.Time = at(t, "2026-12-18T09:00:00Z")
	if got := newBook(t, m, c).Overdue(); !slices.Equal(got, []string{"log-review"}) {
		t.Errorf("overdue: %v", got)
	}
}

// TestASignOffIsNotTakenBack by a clock that is set back.
func TestASignOffIsNotTakenBack(t *testing.T) {
	m, c := &memory{kept: map[string]Record{}}, &clock{at(t, "2026-11-18T09:00:00Z")}
	b := newBook(t, m, c)
	tell(t, b)
	c.Time = at(t, "2026-11-23T00:00:01Z")
	if _, err := b.Sign(t.Context(), "log-review", "done", alice); err != nil {
		t.Fatal(err)
	}
	c.Time = at(t, "2026-11-22T23:59:59Z")
	v, err := b.Sign(t.Context(), "log-review", "done again", alice)
	if err != nil || !v.Due.Equal(at(t, "2026-11-30T00:00:00Z")) {
		t.Errorf("%+v, %v", v, err)
	}
}
