package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
)

// OpenZKP returns an empty store that is closed when the test ends, and a
// function that closes it and opens it again with what it holds.
type OpenZKP func(t *testing.T) (store zkp.Store, reopen func() zkp.Store)

// ZKP checks a driver against the contract of zkp.Store.
func ZKP(t *testing.T, open OpenZKP) {
	t.Helper()
	t.Run("life of an enrolment", func(t *testing.T) { testEnrolment(t, open) })
	t.Run("one key, one user", func(t *testing.T) { testEnrolmentKey(t, open) })
	t.Run("race", func(t *testing.T) { testEnrolmentRace(t, open) })
}

func enrolment(n int) zkp.Enrolment {
	return zkp.Enrolment{
		UserID: fmt.Sprintf("user%02d@example.com", n), PublicKey: zkp.Element(fmt.Sprintf("%d", 1000+n)),
		Roles: []string{"editor"}, Scopes: []string{"tools:*", "prompts:a"}, EnrolledAt: base(), EnrolledBy: "local:zoë",
	}
}

func wantEnrolments(t *testing.T, s zkp.Store, want ...zkp.Enrolment) {
	t.Helper()
	got, err := s.Enrolments(t.Context())
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d enrolments, want %d; %v", len(got), len(want), err)
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("got  %+v\nwant %+v", got[i], want[i])
		}
	}
}

func testEnrolment(t *testing.T, open OpenZKP) {
	s, reopen := open(t)
	ctx := t.Context()
	_, err := s.Enrolment(ctx, "user01@example.com")
	wantErr(t, err, zkp.ErrNotEnrolled)
	wantErr(t, s.Remove(ctx, "user01@example.com"), zkp.ErrNotEnrolled)
	wantEnrolments(t, s)
	one, two := enrolment(1), enrolment(2)
	two.Roles, two.Scopes = []string{}, []string{"manage"}
	for _, e := range []zkp.Enrolment{two, one} {
		wantErr(t, s.Enrol(ctx, e, false), nil)
	}
	wantErr(t, s.Enrol(ctx, one, false), zkp.ErrEnrolled)
	s = reopen()
	wantEnrolments(t, s, one, two)
	again := enrolment(1)
	again.PublicKey, again.Scopes, again.EnrolledAt, again.EnrolledBy = "77", []string{}, base().AddDate(0, 0, 1), "bob"
	wantErr(t, s.Enrol(ctx, again, false), zkp.ErrEnrolled)
	wantErr(t, s.Enrol(ctx, again, true), nil)
	got, err := s.Enrolment(ctx, one.UserID)
	wantErr(t, err, nil)
	if !reflect.DeepEqual(got, again) {
		t.Fatalf("replaced: %+v", got)
	}
	_, err = s.Enrolment(ctx, "USER01@example.com")
	wantErr(t, err, zkp.ErrNotEnrolled)
	wantErr(t, s.Remove(ctx, one.UserID), nil)
	wantErr(t, s.Remove(ctx, one.UserID), zkp.ErrNotEnrolled)
	wantEnrolments(t, s, two)
}

func testEnrolmentKey(t *testing.T, open OpenZKP) {
	s, _ := open(t)
	ctx := t.Context()
	one, other := enrolment(1), enrolment(2)
	other.PublicKey = one.PublicKey
	wantErr(t, s.Enrol(ctx, one, true), nil)
	for _, replace := range []bool{false, true} {
		wantErr(t, s.Enrol(ctx, other, replace), zkp.ErrKeyTaken)
	}
	wantErr(t, s.Enrol(ctx, one, true), nil) // its own is not taken
	wantErr(t, s.Remove(ctx, one.UserID), nil)
	wantErr(t, s.Enrol(ctx, other, false), nil)
}

func testEnrolmentRace(t *testing.T, open OpenZKP) {
	s, _ := open(t)
	var won atomic.Int64
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() {
			e := enrolment(n)
			e.UserID = "one"
			if s.Enrol(t.Context(), e, false) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d of %d enrolled", won.Load(), racers)
	}
}
