package incidents

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

// Runs checks a driver against the contract of playbook.Store.
func Runs(t *testing.T, open func(t *testing.T) playbook.Store) {
	t.Helper()
	run := func(id, incident string, at time.Duration) playbook.Run {
		began := base().Add(at)
		return playbook.Run{
			ID: id, Incident: incident, Playbook: "stolen-key", State: playbook.Running, By: "local:root", StartedAt: base().Add(at),
			Steps: []playbook.StepRun{
				{Name: "hold", Action: "contain", Phase: "contain", Args: map[string]string{"subject": "key:1"}, State: playbook.StepDone, Notes: []string{"a", "b"}, Started: &began, Ended: &began},
				{Name: "keep", Action: "evidence", Optional: true, State: playbook.StepWaiting},
			},
		}
	}
	same := func(what string, got []playbook.Run, err error, want ...playbook.Run) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v, want %+v", what, got, err, want)
		}
	}
	s := open(t)
	a, b, c := run("a", "i1", 0), run("b", "i2", time.Minute), run("c", "i1", time.Hour)
	b.Auto, c.Auto, c.Force = true, true, true
	for _, r := range []playbook.Run{c, a, b} {
		if err := s.SaveRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.RunningRuns(t.Context())
	same("RunningRuns", got, err, a, b, c)
	a.State, a.EndedAt, a.Steps[1].State, a.Steps[1].Error = playbook.Failed, base().Add(time.Second), playbook.StepFailed, "disk full"
	if err := s.SaveRun(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got, err = s.RunningRuns(t.Context())
	same("RunningRuns after one ended", got, err, b, c)
	got, err = s.Runs(t.Context(), "i1", 9)
	same("Runs of an incident", got, err, c, a)
	got, err = s.Runs(t.Context(), "", 2)
	same("the newest two", got, err, c, b)
	one, err := s.Run(t.Context(), "a")
	same("Run", []playbook.Run{one}, err, a)
	if _, err := s.Run(t.Context(), "z"); !errors.Is(err, playbook.ErrNotFound) {
		t.Errorf("Run of nobody: %v", err)
	}
	if n, err := s.AutoRuns(t.Context(), base().Add(30*time.Minute)); err != nil || n != 1 {
		t.Errorf("AutoRuns = %d, %v, want 1", n, err)
	}
	bad := a
	bad.State = "odd"
	if err := s.SaveRun(t.Context(), bad); err == nil {
		t.Error("a state that there is not is stored")
	}
}
