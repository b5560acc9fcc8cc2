// Package rotations holds the contract of stores of rotations of everything.
package rotations

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
)

// Test checks a driver against the contract of rotateall.Store.
func Test(t *testing.T, open func(t *testing.T) rotateall.Store) {
	t.Helper()
	base := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	s, ctx := open(t), t.Context()
	if _, err := s.Run(ctx, ""); !errors.Is(err, rotateall.ErrNotFound) {
		t.Errorf("Run of none: %v", err)
	}
	r := rotateall.Run{
		ID: "r1", Plan: "ab12", State: rotateall.Running, Overlap: time.Hour, By: "user:alice", Reason: "ticket 4711", Incident: "i1", Created: base,
		Items: []rotateall.Item{
			{Kind: "key", Name: "k1", Base: "active", State: rotateall.Planned},
			{Kind: "wallet", Name: "openai", Base: "3", State: rotateall.Planned},
		},
	}
	if err := s.AddRun(ctx, r); err != nil {
		t.Fatal(err)
	}
	other := r
	other.ID, other.Created = "r2", base.Add(time.Hour)
	if err := s.AddRun(ctx, other); !errors.Is(err, rotateall.ErrBusy) {
		t.Errorf("a second run at a time: %v", err)
	}
	if _, err := s.Run(ctx, "r2"); !errors.Is(err, rotateall.ErrNotFound) {
		t.Errorf("half a run is stored: %v", err)
	}
	r.Items[1].State, r.Items[1].Result, r.Items[1].Detail = rotateall.Failed, "4", "no answer"
	if err := s.SaveItem(ctx, "r1", 1, r.Items[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := s.RunningRun(ctx); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("RunningRun = %+v, %v, want %+v", got, err, r)
	}
	if err := s.SaveItem(ctx, "r1", 2, r.Items[1]); !errors.Is(err, rotateall.ErrNotFound) {
		t.Errorf("an item that is not there: %v", err)
	}
	r.State, r.Ended = rotateall.Done, base.Add(time.Minute)
	if err := s.SaveRun(ctx, r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RunningRun(ctx); !errors.Is(err, rotateall.ErrNotFound) {
		t.Errorf("it still runs: %v", err)
	}
	if err := s.AddRun(ctx, other); err != nil {
		t.Errorf("the next run: %v", err)
	}
	if got, err := s.Run(ctx, ""); err != nil || got.ID != "r2" {
		t.Errorf("the newest is %q: %v", got.ID, err)
	}
	if got, err := s.Run(ctx, "r1"); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("Run = %+v, %v, want %+v", got, err, r)
	}
	r.State, r.Ended = rotateall.Running, time.Time{}
	if err := s.SaveRun(ctx, r); !errors.Is(err, rotateall.ErrBusy) {
		t.Errorf("two are running: %v", err)
	}
}
