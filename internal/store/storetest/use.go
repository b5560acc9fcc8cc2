package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/quota"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
)

// Taints checks a driver against the contract of taint.Store.
func Taints(t *testing.T, open func(t *testing.T) taint.Store) {
	t.Helper()
	mark := func(who string, l taint.Label, at, until time.Duration) taint.Mark {
		return taint.Mark{Principal: who, Label: l, Route: "files", At: base().Add(at), Until: base().Add(until)}
	}
	save := func(t *testing.T, s taint.Store, list ...taint.Mark) {
		t.Helper()
		for _, m := range list {
			if err := s.SaveTaint(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := func(t *testing.T, what string, got []taint.Mark, err error, want ...taint.Mark) {
		t.Helper()
		if err != nil || !slices.EqualFunc(got, want, func(a, b taint.Mark) bool {
			return a.Principal == b.Principal && a.Label == b.Label && a.Route == b.Route && a.At.Equal(b.At) && a.Until.Equal(b.Until)
		}) {
			t.Errorf("%s = %v, %v, want %v", what, got, err, want)
		}
	}
	a, b := mark("alice", taint.Confidential, 0, time.Hour), mark("alice", taint.Untrusted, 0, 2*time.Hour)
	c := mark("bob", taint.Confidential, 0, time.Hour)
	t.Run("one of a label", func(t *testing.T) {
		s := open(t)
		longer := mark("alice", taint.Confidential, time.Minute, 3*time.Hour)
		longer.Route = "mail"
		save(t, s, a, b, c, longer)
		got, err := s.Taints(t.Context(), "alice", base())
		same(t, "Taints", got, err, longer, b)
		got, err = s.Taints(t.Context(), "nobody", base())
		same(t, "Taints of nobody", got, err)
	})
	t.Run("time", func(t *testing.T) {
		s := open(t)
		save(t, s, a, b)
		got, err := s.Taints(t.Context(), "alice", a.Until.Add(-time.Microsecond))
		same(t, "just before the end", got, err, a, b)
		got, err = s.Taints(t.Context(), "alice", a.Until)
		same(t, "at the end of one", got, err, b)
		late := mark("carol", taint.Untrusted, time.Hour, 3*time.Hour)
		save(t, s, late)
		got, err = s.ListTaints(t.Context(), base(), 10)
		same(t, "after one was over", got, err, b, late)
	})
	t.Run("drop and list", func(t *testing.T) {
		s := open(t)
		save(t, s, c, b, a)
		got, err := s.ListTaints(t.Context(), base(), 2)
		same(t, "the first two", got, err, a, b)
		if err := s.DropTaints(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		got, err = s.ListTaints(t.Context(), base(), 10)
		same(t, "what is left", got, err, c)
	})
}

// Usage checks a driver against the contract of quota.Store.
func Usage(t *testing.T, open func(t *testing.T) quota.Store) {
	t.Helper()
	counter := func(route, who, session string, n int64, until time.Duration) quota.Counter {
		return quota.Counter{
			Key: quota.Key{Route: route, Principal: who, Session: session},
			Use: quota.Use{Calls: n, Bytes: n << 33, Spent: n << 35}, Until: base().Add(until),
		}
	}
	save := func(t *testing.T, s quota.Store, now time.Time, list ...quota.Counter) {
		t.Helper()
		if err := s.SaveUsage(t.Context(), now, list); err != nil {
			t.Fatal(err)
		}
	}
	same := func(t *testing.T, what string, got []quota.Counter, err error, want ...quota.Counter) {
		t.Helper()
		if err != nil || !slices.EqualFunc(got, want, func(a, b quota.Counter) bool {
			return a.Key == b.Key && a.Use == b.Use && a.Until.Equal(b.Until)
		}) {
			t.Errorf("%s = %v, %v, want %v", what, got, err, want)
		}
	}
	a, b, c := counter("a", "alice", "", 1, time.Hour), counter("a", "alice", "s1", 2, 2*time.Hour), counter("a", "bob", "", 3, time.Hour)
	d := counter("b", "alice", "", 4, time.Hour)
	t.Run("replaces", func(t *testing.T) {
		s := open(t)
		save(t, s, base(), d, c, b, a)
		a2 := counter("a", "alice", "", 9, 90*time.Minute)
		save(t, s, base(), a2)
		got, err := s.Usage(t.Context(), a.Key, base())
		same(t, "Usage", []quota.Counter{got}, err, a2)
		list, err := s.ListUsage(t.Context(), "", base(), 10)
		same(t, "ListUsage", list, err, a2, b, c, d)
		list, err = s.ListUsage(t.Context(), "alice", base(), 2)
		same(t, "ListUsage of alice", list, err, a2, b)
		got, err = s.Usage(t.Context(), quota.Key{Route: "x", Principal: "alice"}, base())
		same(t, "Usage of nothing", []quota.Counter{got}, err, quota.Counter{Key: quota.Key{Route: "x", Principal: "alice"}})
	})
	t.Run("time", func(t *testing.T) {
		s := open(t)
		save(t, s, base(), a, b)
		got, err := s.Usage(t.Context(), a.Key, a.Until)
		same(t, "at the end", []quota.Counter{got}, err, quota.Counter{Key: a.Key})
		save(t, s, a.Until)
		list, err := s.ListUsage(t.Context(), "", base(), 10)
		same(t, "after one was over", list, err, b)
	})
}
