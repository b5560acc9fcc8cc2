// Package incidents holds the contracts of the stores of a bad day:
// containments, incidents and runs of playbooks. Package storetest has the
// others.
package incidents

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
)

// Containments checks a driver against the contract of containment.Store.
func Containments(t *testing.T, open func(t *testing.T) containment.Store) {
	t.Helper()
	with := func(id string, s containment.Subject, at time.Duration) containment.Containment {
		return containment.Containment{
			ID: id, Subject: s, Measure: containment.Block, Reason: "why", By: "local:root",
			At: base().Add(at), Until: base().Add(at + time.Hour),
		}
	}
	same := func(t *testing.T, what string, got []containment.Containment, err error, want ...containment.Containment) {
		t.Helper()
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s = %+v, %v, want %+v", what, got, err, want)
		}
		for i := range want {
			if g, w := fmt.Sprintf("%+v", got[i]), fmt.Sprintf("%+v", want[i]); g != w {
				t.Errorf("%s[%d] = %s, want %s", what, i, g, w)
			}
		}
	}
	a := with("a", containment.Subject{Kind: containment.KindPrincipal, ID: "key:odd name"}, 0)
	b := with("b", containment.Subject{Kind: containment.KindAddress, Net: netip.MustParsePrefix("2001:db8::/64")}, time.Minute)
	b.Measure, b.PerHour, b.Auto, b.Admin, b.Incident = containment.Throttle, 60, true, true, "i1"
	c := with("c", containment.Subject{Kind: containment.KindTool, Route: "files", ID: "a/b c"}, 2*time.Minute)
	c.Held, c.Auto = "0123456789ab", true
	d := with("d", containment.Subject{Kind: containment.KindCredential, ID: "9f8e"}, 3*time.Minute)
	d.Measure, d.Cleared = containment.StepUp, []string{"s1", "s2"}
	s := open(t)
	for _, x := range []containment.Containment{d, c, b, a} {
		if err := s.SaveContainment(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.ActiveContainments(t.Context())
	same(t, "ActiveContainments", got, err, a, b, c, d)
	if n, err := s.AutoContainments(t.Context(), base().Add(time.Minute)); err != nil || n != 1 {
		t.Errorf("AutoContainments behind the first = %d, %v, want 1", n, err)
	}
	if n, err := s.AutoContainments(t.Context(), base()); err != nil || n != 2 {
		t.Errorf("AutoContainments = %d, %v, want 2", n, err)
	}
	b.EndedAt, b.EndedBy, b.EndedFor = base().Add(5*time.Minute), "alice", "false alarm"
	a.Until = base().Add(9 * time.Hour)
	for _, x := range []containment.Containment{a, b} {
		if err := s.SaveContainment(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	got, err = s.ActiveContainments(t.Context())
	same(t, "ActiveContainments after one ended", got, err, a, c, d)
	got, err = s.Containments(t.Context(), 3)
	same(t, "the newest three", got, err, d, c, b)
}

// Incidents checks a driver against the contract of casebook.Store.
func Incidents(t *testing.T, open func(t *testing.T) casebook.Store) {
	t.Helper()
	incident := func(id, key string, at time.Duration) casebook.Incident {
		return casebook.Incident{
			ID: id, Key: key, Subject: "ip:203.0.113.9", Rule: "r", Summary: "s", Score: 85, Count: 1,
			OpenedAt: base().Add(at), SeenAt: base().Add(at), Severity: casebook.P2, Phase: casebook.Detect,
		}
	}
	save := func(t *testing.T, s casebook.Store, list ...casebook.Incident) {
		t.Helper()
		for _, i := range list {
			if err := s.SaveIncident(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := func(t *testing.T, what string, got []casebook.Incident, err error, want ...casebook.Incident) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v, want %+v", what, got, err, want)
		}
	}
	a, b, c := incident("a", "k1", 0), incident("b", "k2", time.Minute), incident("c", "k1", time.Hour)
	s := open(t)
	save(t, s, b, a)
	if err := s.SaveIncident(t.Context(), c); err == nil {
		t.Error("two incidents are open for one key")
	}
	got, err := s.OpenIncidents(t.Context())
	same(t, "OpenIncidents", got, err, a, b)
	a.Count, a.Score, a.SeenAt = 7, 100, base().Add(time.Minute)
	a.Severity, a.Phase, a.Owner, a.Subjects, a.Preserved = casebook.P1, casebook.Review, "bob", []string{"key:1", "user:a b"}, base().Add(90*time.Second)
	a.ClosedAt, a.ClosedBy, a.Note = base().Add(2*time.Minute), "alice", "done"
	save(t, s, a, c)
	got, err = s.OpenIncidents(t.Context())
	same(t, "OpenIncidents after one was closed", got, err, b, c)
	got, err = s.Incidents(t.Context(), 2)
	same(t, "the newest two", got, err, c, b)
	got, err = s.Incidents(t.Context(), 9)
	same(t, "all", got, err, c, b, a)
	if n, err := s.OpenedIncidents(t.Context(), base()); err != nil || n != 2 {
		t.Errorf("OpenedIncidents = %d, %v, want 2", n, err)
	}
	one, err := s.Incident(t.Context(), "a")
	same(t, "Incident", []casebook.Incident{one}, err, a)
	if _, err := s.Incident(t.Context(), "z"); !errors.Is(err, casebook.ErrNotFound) {
		t.Errorf("Incident of nobody: %v", err)
	}
	entry := func(id, incident string, at time.Duration, events ...string) casebook.Entry {
		return casebook.Entry{ID: id, Incident: incident, At: base().Add(at), Actor: "local:root", Kind: casebook.KindNote, Text: "a line\nand another", Events: events}
	}
	x, y, z := entry("x", "a", time.Minute, "e1", "e2"), entry("y", "a", time.Second, "e3"), entry("x", "b", 0, "e4")
	again := x
	again.Text = "changed"
	for _, e := range []casebook.Entry{x, y, z, again} {
		if err := s.AddEntry(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Entries(t.Context(), "a"); err != nil || !reflect.DeepEqual(got, []casebook.Entry{y, x}) {
		t.Errorf("Entries = %+v, %v", got, err)
	}
	if got, err := s.Entries(t.Context(), "c"); err != nil || len(got) != 0 {
		t.Errorf("Entries of an incident without any = %+v, %v", got, err)
	}
}

// base is when everything begins.
func base() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }
