package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
)

// OpenSessions returns an empty store that is closed when the test ends, and a
// function that closes it and opens it again with what it holds.
type OpenSessions func(t *testing.T) (store token.Store, reopen func() token.Store)

// Sessions checks a driver against the contract of token.Store.
func Sessions(t *testing.T, open OpenSessions) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, OpenSessions){
		"round trip":       testSessionRoundTrip,
		"refresh":          testSessionRefresh,
		"refresh race":     testSessionRefreshRace,
		"end":              testSessionEnd,
		"end all":          testSessionEndAll,
		"limit":            testSessionLimit,
		"list":             testSessionList,
		"purge":            testSessionPurge,
		"revoked tokens":   testRevokedTokens,
		"signing keys":     testSigningKeys,
		"cancelled":        testSessionsCancelled,
		"outlives reopens": testSessionsReopen,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func session(n int) token.Session {
	at := base().Add(time.Duration(n) * time.Second)
	s := token.Session{
		ID: id(n), Subject: "alice", Name: "Zoë \"Q\" 鍵", Method: "basic", Roles: []string{"editor"}, Scopes: []string{"tools:*", "manage"},
		IP: "2001:db8::1", CreatedAt: at, UsedAt: at, ExpiresAt: at.Add(12 * time.Hour),
	}
	s.Refresh[0], s.Refresh[31] = 1, byte(n)
	return s
}

func add(t *testing.T, s token.Store, sessions ...token.Session) {
	t.Helper()
	for _, sn := range sessions {
		if ended, err := s.AddSession(t.Context(), sn, 1000, "limit"); err != nil || len(ended) != 0 {
			t.Fatalf("AddSession: %v, %v", ended, err)
		}
	}
}

func stored(t *testing.T, s token.Store, id string) token.Session {
	t.Helper()
	sn, err := s.Session(t.Context(), id)
	if err != nil {
		t.Fatalf("Session(%s): %v", id, err)
	}
	return sn
}

func testSessionRoundTrip(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	if _, err := s.Session(t.Context(), id(1)); !errors.Is(err, token.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	want := session(1)
	add(t, s, want)
	if got := stored(t, s, want.ID); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	if _, err := s.AddSession(t.Context(), want, 1000, ""); err == nil {
		t.Error("an id was taken twice")
	}
	bare := token.Session{ID: id(2), Subject: "s", Method: "jwt", Roles: []string{}, Scopes: []string{}, CreatedAt: base(), UsedAt: base(), ExpiresAt: base()}
	add(t, s, bare)
	if got := stored(t, s, bare.ID); !reflect.DeepEqual(got, bare) {
		t.Fatalf("got  %+v\nwant %+v", got, bare)
	}
}

func testSessionRefresh(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	one := session(1)
	add(t, s, one, session(2))
	next, at := [32]byte{9}, base().Add(time.Hour)
	for _, c := range []struct {
		what, id string
		old, new [32]byte
		want     bool
	}{
		{"of nobody", id(3), one.Refresh, next, false},
		{"with another's hash", id(2), one.Refresh, next, false},
		{"with the right hash", id(1), one.Refresh, next, true},
		{"with the old hash", id(1), one.Refresh, [32]byte{10}, false},
	} {
		if done, err := s.Refresh(t.Context(), c.id, c.old, c.new, at); err != nil || done != c.want {
			t.Errorf("refresh %s: %t, %v", c.what, done, err)
		}
	}
	one.Refresh, one.UsedAt = next, at
	if got := stored(t, s, one.ID); !reflect.DeepEqual(got, one) {
		t.Fatalf("got  %+v\nwant %+v", got, one)
	}
	if done, err := s.Refresh(t.Context(), one.ID, next, [32]byte{11}, base()); err != nil || !done || !stored(t, s, one.ID).UsedAt.Equal(at) {
		t.Errorf("a clock that was set back: %t, %v, used at %v", done, err, stored(t, s, one.ID).UsedAt)
	}
	issued := session(4)
	issued.Refresh = [32]byte{}
	add(t, s, issued)
	if done, err := s.Refresh(t.Context(), issued.ID, issued.Refresh, next, at); err != nil || done {
		t.Errorf("what has no refresh token was refreshed: %v", err)
	}
}

func testSessionRefreshRace(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	one := session(1)
	add(t, s, one)
	var won atomic.Int64
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() {
			done, err := s.Refresh(t.Context(), one.ID, one.Refresh, [32]byte{100, byte(n)}, base())
			if err != nil {
				t.Error(err)
			}
			if done {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of %d won", won.Load(), racers)
	}
}

func testSessionEnd(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	one := session(1)
	add(t, s, one)
	at := base().Add(time.Minute)
	for i, want := range []bool{true, false} {
		if done, err := s.End(t.Context(), one.ID, fmt.Sprintf("reason %d", i), at.Add(time.Duration(i)*time.Hour)); err != nil || done != want {
			t.Errorf("end %d: %t, %v", i, done, err)
		}
	}
	if done, err := s.End(t.Context(), id(2), "", at); err != nil || done {
		t.Errorf("the end of nothing: %t, %v", done, err)
	}
	if done, err := s.Refresh(t.Context(), one.ID, one.Refresh, [32]byte{1}, at); err != nil || done {
		t.Errorf("a session that ended was refreshed: %v", err)
	}
	if got := stored(t, s, one.ID); !got.EndedAt.Equal(at) || got.EndReason != "reason 0" {
		t.Errorf("ended at %v, %q", got.EndedAt, got.EndReason)
	}
}

func testSessionEndAll(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	over, bob := session(3), session(4)
	over.ExpiresAt, bob.Subject = base(), "bob"
	add(t, s, session(1), session(2), over, bob)
	at := base().Add(time.Hour)
	if _, err := s.End(t.Context(), id(1), "before", at); err != nil {
		t.Fatal(err)
	}
	ids, err := s.EndAll(t.Context(), "alice", "left", at)
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{id(2), id(3)}) {
		t.Errorf("ended %v, %v", ids, err)
	}
	if got := stored(t, s, id(1)); got.EndReason != "before" {
		t.Errorf("ended twice: %q", got.EndReason)
	}
	if ids, err := s.EndAll(t.Context(), "", "all", at); err != nil || !slices.Equal(ids, []string{id(4)}) {
		t.Errorf("ended %v, %v", ids, err)
	}
	if ids, err := s.EndAll(t.Context(), "", "all", at); err != nil || len(ids) != 0 {
		t.Errorf("ended %v again, %v", ids, err)
	}
}

// testSessionLimit: a further login ends the session that was longest unused,
// never the new one, and no issued token.
func testSessionLimit(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	over, issued, bob := session(5), session(6), session(7)
	over.ExpiresAt, issued.Refresh, bob.Subject = base(), [32]byte{}, "bob"
	add(t, s, session(1), session(2), session(3), over, issued, bob)
	if done, err := s.Refresh(t.Context(), id(1), session(1).Refresh, [32]byte{50}, base().Add(time.Minute)); err != nil || !done {
		t.Fatal(done, err)
	}
	late := session(10)
	late.UsedAt = base().Add(-time.Hour) // a clock that was set back
	ended, err := s.AddSession(t.Context(), late, 3, "max_sessions")
	if err != nil || !slices.Equal(ended, []string{id(2)}) {
		t.Fatalf("ended %v, %v", ended, err)
	}
	if got := stored(t, s, id(2)); got.EndReason != "max_sessions" || !got.EndedAt.Equal(late.CreatedAt) {
		t.Errorf("%+v", got)
	}
	for _, n := range []int{1, 3, 5, 6, 7, 10} {
		if !stored(t, s, id(n)).EndedAt.IsZero() {
			t.Errorf("session %d ended", n)
		}
	}
}

func testSessionList(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	over, bob := session(3), session(4)
	over.ExpiresAt, bob.Subject = base().Add(time.Minute), "bob"
	add(t, s, bob, over, session(2), session(1))
	if _, err := s.End(t.Context(), id(2), "", base()); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string][]string{"": {id(1), id(4)}, "alice": {id(1)}, "bob": {id(4)}, "carol": nil} {
		list, err := s.Sessions(t.Context(), subject, base().Add(time.Hour))
		var got []string
		for _, sn := range list {
			got = append(got, sn.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("of %q: %v, %v, want %v", subject, got, err, want)
		}
	}
}

func testSessionPurge(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	add(t, s, session(1), session(100))
	for n := range 2 {
		if err := s.RevokeToken(t.Context(), token.RevokedToken{ID: fmt.Sprint(n), RevokedAt: base().Add(time.Duration(n) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge(t.Context(), session(50).ExpiresAt, base().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(t.Context(), id(1)); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	stored(t, s, id(100))
	if list, err := s.RevokedTokens(t.Context()); err != nil || len(list) != 1 || list[0].ID != "1" {
		t.Errorf("%v, %v", list, err)
	}
}

func testRevokedTokens(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	want := []token.RevokedToken{{ID: "jti:1", RevokedAt: base(), Reason: "it's"}, {ID: "jti:2", RevokedAt: base().Add(time.Hour)}}
	for _, r := range []token.RevokedToken{want[1], want[0], {ID: "jti:1", RevokedAt: base().Add(time.Hour), Reason: "again"}} {
		if err := s.RevokeToken(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.RevokedTokens(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func testSigningKeys(t *testing.T, open OpenSessions) {
	s, reopen := open(t)
	one := signing.Record{KID: "a", Sealed: []byte{0, 1, 255}, CreatedAt: base(), ActiveAt: base().Add(time.Hour)}
	two := signing.Record{KID: "b", Sealed: []byte{2}, CreatedAt: base(), ActiveAt: base()}
	for _, r := range []signing.Record{one, two} {
		if err := s.AddSigningKey(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddSigningKey(t.Context(), one); err == nil {
		t.Error("a key was stored twice")
	}
	one.ActiveAt = base().Add(time.Minute)
	if err := s.MoveSigningKey(t.Context(), "a", one.ActiveAt); err != nil {
		t.Fatal(err)
	}
	if got, err := reopen().SigningKeys(t.Context()); err != nil || !reflect.DeepEqual(got, []signing.Record{two, one}) {
		t.Errorf("got %+v, %v", got, err)
	}
	s = reopen()
	if err := s.DeleteSigningKey(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.SigningKeys(t.Context()); err != nil || len(got) != 1 || !bytes.Equal(got[0].Sealed, one.Sealed) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func testSessionsReopen(t *testing.T, open OpenSessions) {
	s, reopen := open(t)
	add(t, s, session(1), session(2))
	if _, err := s.End(t.Context(), id(1), "leaked", base()); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), token.RevokedToken{ID: "jti:1", RevokedAt: base()}); err != nil {
		t.Fatal(err)
	}
	s = reopen()
	if got := stored(t, s, id(1)); got.EndReason != "leaked" || !got.EndedAt.Equal(base()) {
		t.Errorf("%+v", got)
	}
	if got := stored(t, s, id(2)); !reflect.DeepEqual(got, session(2)) {
		t.Errorf("%+v", got)
	}
	if list, err := s.RevokedTokens(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

func testSessionsCancelled(t *testing.T, open OpenSessions) {
	s, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.AddSession(ctx, session(1), 10, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Session(t.Context(), id(1)); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("stored all the same: %v", err)
	}
}
