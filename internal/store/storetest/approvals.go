package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/approval"
)

// Approvals checks a driver against the contract of approval.Store.
func Approvals(t *testing.T, open func(t *testing.T) approval.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, approval.Store){
		"open once":         testApprovalOpenOnce,
		"use once":          testApprovalUseOnce,
		"decide once":       testApprovalDecideOnce,
		"times":             testApprovalTimes,
		"bounds":            testApprovalBounds,
		"denied counts":     testApprovalDenied,
		"old ones are gone": testApprovalForgotten,
		"what is over":      testApprovalParametersForgotten,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func approvalRequest(n int) approval.Request {
	r := approval.Request{
		ID: id(n), Route: "files", Principal: "alice", KeyID: "k1", Tool: "delete", Sealed: []byte{1, 2, 3},
		State: approval.Pending, CreatedAt: base(), ExpiresAt: base().Add(time.Hour), Use: time.Minute,
	}
	r.Digest[0], r.Digest[1] = byte(n), byte(n>>8)
	return r
}

func openApproval(t *testing.T, s approval.Store, r approval.Request) approval.Request {
	t.Helper()
	got, err := s.OpenApproval(t.Context(), r, 10, 100)
	if err != nil {
		t.Fatalf("OpenApproval: %v", err)
	}
	return got
}

func decided(r approval.Request, state approval.State, at time.Time) approval.Request {
	r.State, r.DecidedBy, r.DecidedAt, r.Reason = state, "bob", at, "looked at it"
	if state == approval.Approved {
		r.ExpiresAt = at.Add(r.Use)
	}
	return r
}

func testApprovalOpenOnce(t *testing.T, s approval.Store) {
	first := openApproval(t, s, approvalRequest(1))
	again := approvalRequest(2)
	again.Digest = first.Digest
	if got := openApproval(t, s, again); got.ID != first.ID || string(got.Sealed) != string(first.Sealed) || !got.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("a second request for the same call = %+v, want the first", got)
	}
	if got, err := s.Approvals(t.Context(), base(), false); err != nil || len(got) != 1 {
		t.Errorf("Approvals = %v, %v, want one", got, err)
	}
	if _, err := s.Approval(t.Context(), id(9)); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("Approval of an unknown id: %v", err)
	}
}

func testApprovalUseOnce(t *testing.T, s approval.Store) {
	r := openApproval(t, s, approvalRequest(1))
	if _, err := s.TakeApproval(t.Context(), r.Digest, base()); !errors.Is(err, approval.ErrNotFound) {
		t.Fatalf("taking a pending one: %v", err)
	}
	if err := s.DecideApproval(t.Context(), decided(r, approval.Approved, base())); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var all sync.WaitGroup
	for range racers {
		all.Go(func() {
			got, err := s.TakeApproval(context.WithoutCancel(t.Context()), r.Digest, base())
			switch {
			case err == nil && got.ID == r.ID && got.State == approval.Used && got.DecidedBy == "bob":
				won.Add(1)
			case !errors.Is(err, approval.ErrNotFound):
				t.Errorf("TakeApproval = %+v, %v", got, err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("an approval was used %d times", won.Load())
	}
	next := approvalRequest(2)
	next.Digest = r.Digest
	if got := openApproval(t, s, next); got.ID != next.ID {
		t.Error("a used approval stands for a new call")
	}
}

func testApprovalDecideOnce(t *testing.T, s approval.Store) {
	r := openApproval(t, s, approvalRequest(1))
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			state := approval.Approved
			if i%2 == 0 {
				state = approval.Denied
			}
			switch err := s.DecideApproval(context.WithoutCancel(t.Context()), decided(r, state, base())); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, approval.ErrConflict):
				t.Errorf("DecideApproval: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("a request was decided %d times", won.Load())
	}
	if err := s.DecideApproval(t.Context(), decided(approvalRequest(7), approval.Approved, base())); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("deciding an unknown one: %v", err)
	}
}

func testApprovalTimes(t *testing.T, s approval.Store) {
	r := openApproval(t, s, approvalRequest(1))
	if err := s.DecideApproval(t.Context(), decided(r, approval.Approved, r.ExpiresAt)); !errors.Is(err, approval.ErrConflict) {
		t.Errorf("deciding one that is over: %v", err)
	}
	again := approvalRequest(2)
	again.Digest, again.CreatedAt, again.ExpiresAt = r.Digest, r.ExpiresAt, r.ExpiresAt.Add(time.Hour)
	if got := openApproval(t, s, again); got.ID != again.ID {
		t.Error("one that is over stands for a new request")
	}
	yes := decided(again, approval.Approved, again.CreatedAt)
	if err := s.DecideApproval(t.Context(), yes); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TakeApproval(t.Context(), r.Digest, yes.ExpiresAt); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("using one that is over: %v", err)
	}
	if _, err := s.TakeApproval(t.Context(), r.Digest, yes.ExpiresAt.Add(-time.Microsecond)); err != nil {
		t.Errorf("using one in time: %v", err)
	}
}

func testApprovalBounds(t *testing.T, s approval.Store) {
	for n := range 3 {
		if _, err := s.OpenApproval(t.Context(), approvalRequest(n+1), 3, 4); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.OpenApproval(t.Context(), approvalRequest(4), 3, 4); !errors.Is(err, approval.ErrTooMany) {
		t.Errorf("one too many of a caller: %v", err)
	}
	other := approvalRequest(5)
	other.Principal = "carol"
	if _, err := s.OpenApproval(t.Context(), other, 3, 4); err != nil {
		t.Errorf("the first of another caller: %v", err)
	}
	other = approvalRequest(6)
	other.Principal = "dave"
	if _, err := s.OpenApproval(t.Context(), other, 3, 4); !errors.Is(err, approval.ErrTooMany) {
		t.Errorf("one too many of all: %v", err)
	}
	late := approvalRequest(7)
	late.CreatedAt, late.ExpiresAt = base().Add(2*time.Hour), base().Add(3*time.Hour)
	if _, err := s.OpenApproval(t.Context(), late, 3, 4); err != nil {
		t.Errorf("those that are over still count: %v", err)
	}
}

func testApprovalDenied(t *testing.T, s approval.Store) {
	r := openApproval(t, s, approvalRequest(1))
	if err := s.DecideApproval(t.Context(), decided(r, approval.Denied, base())); err != nil {
		t.Fatal(err)
	}
	again := approvalRequest(2)
	again.Digest = r.Digest
	if got := openApproval(t, s, again); got.ID != r.ID || got.State != approval.Denied || got.Reason != "looked at it" {
		t.Errorf("asking again after a denial = %+v, want the denial", got)
	}
	if _, err := s.TakeApproval(t.Context(), r.Digest, base()); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("using a denied one: %v", err)
	}
}

func testApprovalForgotten(t *testing.T, s approval.Store) {
	openApproval(t, s, approvalRequest(1))
	late := approvalRequest(2)
	late.CreatedAt = base().AddDate(0, 0, 30)
	late.ExpiresAt = late.CreatedAt.Add(time.Hour)
	openApproval(t, s, late)
	if got, err := s.Approvals(t.Context(), base(), true); err != nil || len(got) != 1 || got[0].ID != late.ID {
		t.Errorf("Approvals = %v, %v, want the young one", got, err)
	}
}

// testApprovalParametersForgotten: parameters stay as long as somebody may have
// to read them, or what waits could fill the disk.
func testApprovalParametersForgotten(t *testing.T, s approval.Store) {
	for n := range 4 { // expired, denied, used, waiting
		r := approvalRequest(n + 1)
		if n > 0 {
			r.ExpiresAt = base().Add(5 * time.Hour)
		}
		openApproval(t, s, r)
		switch n {
		case 1:
			if err := s.DecideApproval(t.Context(), decided(r, approval.Denied, base().Add(time.Minute))); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := s.DecideApproval(t.Context(), decided(r, approval.Approved, base().Add(time.Minute))); err != nil {
				t.Fatal(err)
			}
			if _, err := s.TakeApproval(t.Context(), r.Digest, base().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	late := approvalRequest(9)
	late.CreatedAt = base().Add(2 * time.Hour)
	late.ExpiresAt = late.CreatedAt.Add(time.Hour)
	openApproval(t, s, late)
	for n, kept := range []bool{false, true, false, true} {
		if got, err := s.Approval(t.Context(), id(n+1)); err != nil || (len(got.Sealed) > 0) != kept {
			t.Errorf("request %d: parameters %v, %v, want kept %v", n+1, got.Sealed, err, kept)
		}
	}
}
