package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
)

// testRotation stores a successor with its predecessor: both or neither.
func testRotation(t *testing.T, open OpenAPIKeys) {
	s, reopen := open(t)
	put(t, s, record(1))
	old, next := get(t, s, id(1)), record(2)
	old.Status, old.RotatedAt, old.Successor, old.RotatedBy = apikey.StatusRotating, base(), id(2), "alice"
	next.Predecessor = id(1)
	stale := old
	stale.Version = 7
	wantErr(t, s.Put(t.Context(), next, stale), apikey.ErrConflict)
	_, err := s.Get(t.Context(), id(2))
	wantErr(t, err, apikey.ErrNotFound)
	if got := get(t, s, id(1)); got.Successor != "" {
		t.Fatalf("half a rotation: %+v", got)
	}
	put(t, s, next, old)
	wantErr(t, s.Put(t.Context(), next, old), apikey.ErrExists)
	s = reopen()
	if o, n := get(t, s, id(1)), get(t, s, id(2)); o.Successor != n.ID || n.Predecessor != o.ID || o.RotatedBy != "alice" {
		t.Fatalf("links: %+v, %+v", o, n)
	}
}

// testHashOfUnclaimed: the hash of a key is set once, when it is claimed.
func testHashOfUnclaimed(t *testing.T, open OpenAPIKeys) {
	s, _ := open(t)
	r := record(1)
	r.Hash, r.ClaimUntil = [32]byte{}, base().Add(time.Hour)
	put(t, s, r)
	r = get(t, s, id(1))
	r.Hash, r.ClaimedAt = [32]byte{1}, base()
	put(t, s, r)
	r = get(t, s, id(1))
	if r.Hash != [32]byte{1} || !r.ClaimedAt.Equal(base()) {
		t.Fatalf("not claimed: %+v", r)
	}
	r.Hash = [32]byte{2}
	put(t, s, r)
	if got := get(t, s, id(1)); got.Hash != [32]byte{1} {
		t.Fatal("the hash of a claimed key changed")
	}
}

// OpenNotices returns an empty store that is closed when the test ends.
type OpenNotices func(t *testing.T) notify.Store

// Notices checks a driver against the contract of notify.Store.
func Notices(t *testing.T, open OpenNotices) {
	t.Helper()
	t.Run("life", func(t *testing.T) { testNoticeLife(t, open(t)) })
	t.Run("bound", func(t *testing.T) { testNoticeBound(t, open(t)) })
}

func message(n int) notify.Message {
	at := base().Add(time.Duration(n) * time.Second)
	return notify.Message{ID: fmt.Sprintf("k%02d:T:webhook", n), Target: "webhook", Body: `{"owner":"zoë"}`, CreatedAt: at, NextAt: at}
}

func addNotices(t *testing.T, s notify.Store, limit int, m ...notify.Message) {
	t.Helper()
	if err := s.AddNotices(t.Context(), limit, m...); err != nil {
		t.Fatalf("AddNotices: %v", err)
	}
}

func wantNotices(t *testing.T, what string, got []notify.Message, err error, want ...notify.Message) {
	t.Helper()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s: %d messages, want %d; %v", what, len(got), len(want), err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s:\ngot  %+v\nwant %+v", what, got[i], want[i])
		}
	}
}

func testNoticeLife(t *testing.T, s notify.Store) {
	ctx := t.Context()
	one, two, three := message(1), message(2), message(3)
	addNotices(t, s, 100, two, one)
	again := one
	again.Body = `{"other":1}`
	addNotices(t, s, 100, again, three) // the first stays as it is
	got, err := s.DueNotices(ctx, base().Add(2*time.Second), 10)
	wantNotices(t, "due", got, err, one, two)
	got, err = s.DueNotices(ctx, base().Add(time.Hour), 1)
	wantNotices(t, "due, one", got, err, one)

	one.NextAt, one.Attempts, one.LastError = base().Add(time.Hour), 3, "answered 503"
	two.FailedAt, two.Attempts = base().Add(time.Minute), 12
	for _, m := range []notify.Message{one, two, message(99)} { // the last is not there
		if err := s.UpdateNotice(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	got, err = s.DueNotices(ctx, base().Add(time.Minute), 10)
	wantNotices(t, "due after a failure", got, err, three)
	got, err = s.Notices(ctx, true)
	wantNotices(t, "failed", got, err, two)
	got, err = s.Notices(ctx, false)
	wantNotices(t, "waiting", got, err, one, three)
	for range 2 {
		if err := s.DeleteNotice(ctx, three.ID); err != nil {
			t.Fatal(err)
		}
	}
	got, err = s.Notices(ctx, false)
	wantNotices(t, "after a delivery", got, err, one)
}

// testNoticeBound: failed ones give way first, then the oldest.
func testNoticeBound(t *testing.T, s notify.Store) {
	for n := range 4 {
		addNotices(t, s, 4, message(n))
	}
	failed := message(2)
	failed.FailedAt = base()
	if err := s.UpdateNotice(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	addNotices(t, s, 4, message(4))
	addNotices(t, s, 4, message(5))
	got, err := s.Notices(t.Context(), false)
	wantNotices(t, "waiting", got, err, message(1), message(3), message(4), message(5))
	got, err = s.Notices(t.Context(), true)
	wantNotices(t, "failed", got, err)
}
