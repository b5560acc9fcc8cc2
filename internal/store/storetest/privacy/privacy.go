// Package privacy is the contract of stores of consents and break-glass grants.
package privacy

import (
	"reflect"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
)

// base is when everything begins.
func base() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC) }

// Consents checks a driver against the contract of consent.Store.
func Consents(t *testing.T, open func(t *testing.T) consent.Store) {
	t.Helper()
	given := func(id, who, purpose string, at time.Duration) consent.Consent {
		return consent.Consent{ID: id, Principal: who, Purpose: purpose, Version: "1", GrantedAt: base().Add(at), GrantedBy: who, Evidence: "form 7"}
	}
	s := open(t)
	a, b, c := given("a", "user:alice", "news", 0), given("b", "user:alice", "research", time.Second), given("c", "user:bob", "news", time.Minute)
	if err := s.SaveConsents(t.Context(), c, a, b); err != nil {
		t.Fatal(err)
	}
	want := func(what string, got []consent.Consent, err error, want ...consent.Consent) {
		t.Helper()
		if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v; want %+v", what, got, err, want)
		}
	}
	got, err := s.ActiveConsents(t.Context())
	want("ActiveConsents", got, err, a, b, c)
	if err := s.SaveConsents(t.Context(), given("x", "user:carol", "news", 0), given("y", "user:bob", "news", time.Hour)); err == nil {
		t.Error("two consents in force to one purpose")
	}
	got, err = s.Consents(t.Context(), "user:carol")
	want("Consents after a write that failed", got, err)
	ended := a
	ended.WithdrawnAt, ended.WithdrawnBy, ended.Replaced = base().Add(time.Hour), "local:root", true
	newer := given("d", "user:alice", "news", time.Hour)
	if err := s.SaveConsents(t.Context(), ended, newer); err != nil {
		t.Fatal(err)
	}
	got, err = s.Consents(t.Context(), "user:alice")
	want("Consents", got, err, ended, b, newer)
	got, err = s.ActiveConsents(t.Context())
	want("ActiveConsents after a newer one", got, err, newer, b, c)
	changed := newer
	changed.Version, changed.Evidence, changed.GrantedAt = "9", "forged", base()
	if err := s.SaveConsents(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	got, err = s.Consents(t.Context(), "user:alice")
	want("what was agreed to, after a try to change it", got, err, ended, b, newer)
	for range 2 {
		if err := s.DropConsents(t.Context(), "user:alice"); err != nil {
			t.Fatal(err)
		}
	}
	got, err = s.ActiveConsents(t.Context())
	want("ActiveConsents after one was forgotten", got, err, c)
}

// BreakGlass checks a driver against the contract of phi.Store.
func BreakGlass(t *testing.T, open func(t *testing.T) phi.Store) {
	t.Helper()
	grant := func(id string, at time.Duration) phi.Grant {
		return phi.Grant{ID: id, Principal: "user:" + id, Reason: "why", By: "local:root", At: base().Add(at), Until: base().Add(at + time.Hour)}
	}
	s := open(t)
	a, b := grant("a", 0), grant("b", time.Minute)
	for _, g := range []phi.Grant{b, a} {
		if err := s.SaveBreakGlass(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	a.EndedAt, a.EndedBy = base().Add(time.Minute), "local:eve"
	if err := s.SaveBreakGlass(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, err := s.BreakGlass(t.Context(), 10); err != nil || !reflect.DeepEqual(got, []phi.Grant{b, a}) {
		t.Errorf("BreakGlass = %+v, %v; want %+v", got, err, []phi.Grant{b, a})
	}
	if got, err := s.BreakGlass(t.Context(), 1); err != nil || len(got) != 1 || got[0] != b {
		t.Errorf("the newest = %+v, %v", got, err)
	}
}
