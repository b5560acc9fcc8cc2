package storetest

import (
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
)

// Owners checks a driver against the contract of ownership.Store.
func Owners(t *testing.T, open func(t *testing.T) ownership.Store) {
	t.Helper()
	record := func(id, who string, until time.Duration) ownership.Record {
		return ownership.Record{Key: ownership.KeyOf("agent", ownership.Task, id), Principal: who, Until: base().Add(until)}
	}
	save := func(t *testing.T, s ownership.Store, now time.Duration, list ...ownership.Record) {
		t.Helper()
		if err := s.SaveOwners(t.Context(), base().Add(now), list); err != nil {
			t.Fatal(err)
		}
	}
	owner := func(t *testing.T, s ownership.Store, k ownership.Key, now time.Duration, want ownership.Record) {
		t.Helper()
		got, err := s.Owner(t.Context(), k, base().Add(now))
		if err != nil || got.Key != want.Key || got.Principal != want.Principal || !got.Until.Equal(want.Until) {
			t.Errorf("Owner = %+v, %v, want %+v", got, err, want)
		}
	}
	a, b := record("a", "alice", time.Hour), record("b", "bob", 2*time.Hour)
	t.Run("each thing by itself", func(t *testing.T) {
		s := open(t)
		save(t, s, 0, a, b)
		owner(t, s, a.Key, 0, a)
		owner(t, s, b.Key, 0, b)
		for _, k := range []ownership.Key{
			ownership.KeyOf("agent", ownership.Task, "c"), ownership.KeyOf("agent", ownership.Context, "a"), ownership.KeyOf("other", ownership.Task, "a"),
		} {
			owner(t, s, k, 0, ownership.Record{})
		}
	})
	t.Run("the first owner stays", func(t *testing.T) {
		s := open(t)
		save(t, s, 0, a)
		save(t, s, 0, record("a", "mallory", 3*time.Hour))
		owner(t, s, a.Key, 0, a)
		longer := record("a", "alice", 4*time.Hour)
		save(t, s, 0, longer)
		owner(t, s, a.Key, 0, longer)
	})
	t.Run("time", func(t *testing.T) {
		s := open(t)
		save(t, s, 0, a, b)
		owner(t, s, a.Key, time.Hour-time.Microsecond, a)
		owner(t, s, a.Key, time.Hour, ownership.Record{})
		next := record("a", "bob", 3*time.Hour)
		save(t, s, time.Hour, next)
		owner(t, s, a.Key, time.Hour, next)
		owner(t, s, b.Key, time.Hour, b)
	})
}
