package playbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
)

// carryOut does the steps of a run that are left, and ends it. It returns an
// error if the run could not be stored: nothing is done that is not.
func (r *Runner) carryOut(ctx context.Context, run Run) error {
	for n := range run.Steps {
		s := &run.Steps[n]
		if s.State != StepWaiting && s.State != StepRunning {
			if s.State == StepFailed && !s.Optional {
				return r.end(ctx, &run, Failed)
			}
			continue
		}
		if err := r.begin(ctx, &run, s); err != nil {
			return err
		}
		if s.State == StepRunning {
			r.do(ctx, &run, s, n)
			if ctx.Err() != nil && s.State != StepDone {
				return nil // the next process goes on with this step
			}
		}
		now := r.now()
		s.Ended = &now
		if err := r.told(ctx, &run, s, n); err != nil {
			return err
		}
		if s.State == StepFailed && !s.Optional {
			return r.end(ctx, &run, Failed)
		}
		if err := r.save(ctx, &run); err != nil {
			return err
		}
	}
	state := Done
	for _, s := range run.Steps {
		if s.State != StepDone {
			state = Incomplete
		}
	}
	return r.end(ctx, &run, state)
}

// begin decides whether a step is done, and stores that it begins.
func (r *Runner) begin(ctx context.Context, run *Run, s *StepRun) error {
	now := r.now()
	s.Started = &now
	a, ok := r.o.Actions.Get(s.Action)
	if !ok {
		s.State, s.Error = StepMissing, missing(s.Action)
		return nil
	}
	if err := order.Ask(ctx, r.o.Cases, run.Incident, s.Action, destroys(a, s.Args), run.Force); errors.Is(err, order.ErrEvidence) {
		s.State, s.Error = StepRefused, err.Error()
		return nil
	} else if err != nil {
		return err
	}
	if to := casebook.Phase(s.Phase); to.Valid() {
		by := portcullis.Actor{ID: run.By, Method: "playbook"}
		if err := r.o.Cases.Reach(ctx, run.Incident, to, run.Force, by); err != nil && !errors.Is(err, order.ErrEvidence) {
			s.State, s.Error = StepFailed, err.Error()
			return nil
		}
	}
	s.State = StepRunning
	return r.save(ctx, run)
}

// do does a step. A step that panics has failed.
func (r *Runner) do(ctx context.Context, run *Run, s *StepRun, n int) {
	ctx, cancel := context.WithTimeout(ctx, StepTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.o.Log.Error("a step of a playbook panicked", "action", s.Action, "panic", fmt.Sprint(p))
			s.State, s.Error = StepFailed, "the action broke down"
		}
	}()
	a, _ := r.o.Actions.Get(s.Action)
	args := Args(maps.Clone(s.Args))
	if args == nil {
		args = Args{}
	}
	maps.Copy(args, r.extra(run, n))
	err := a.Do(ctx, args, func(text string) {
		text = plain(text)
		if len(s.Notes) < maxNotes {
			s.Notes = append(s.Notes, text)
		} else {
			s.Notes[maxNotes-1] = text
		}
	})
	switch {
	case errors.Is(err, order.ErrEvidence):
		s.State, s.Error = StepRefused, err.Error()
	case err != nil:
		s.State, s.Error = StepFailed, plain(err.Error())
	default:
		s.State, s.Error = StepDone, ""
	}
}

// plain makes one bounded line of a text.
func plain(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "�"))
	for len(text) > maxNote {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

// told writes what became of a step into the audit log, from where the timeline
// has it.
func (r *Runner) told(ctx context.Context, run *Run, s *StepRun, n int) error {
	out, text := portcullis.OutcomeSuccess, s.Name
	if s.State != StepDone {
		out = portcullis.OutcomeFailure
	}
	if s.Error != "" {
		text += ": " + s.Error
	} else if k := len(s.Notes); k > 0 {
		text += ": " + s.Notes[k-1]
	}
	return r.tell(context.WithoutCancel(ctx), run, "step", out, text,
		slog.Int("step", n+1), slog.String("step_action", s.Action), slog.String("state", string(s.State)))
}

func (r *Runner) end(ctx context.Context, run *Run, state State) error {
	run.State, run.EndedAt = state, r.now()
	out := portcullis.OutcomeSuccess
	if state != Done {
		out = portcullis.OutcomeFailure
	}
	if err := r.tell(context.WithoutCancel(ctx), run, "end", out, "the playbook is "+string(state)); err != nil {
		return err
	}
	return r.save(ctx, run)
}

func (r *Runner) save(ctx context.Context, run *Run) error {
	if err := r.o.Store.SaveRun(context.WithoutCancel(ctx), *run); err != nil {
		return fmt.Errorf("storing a run: %w", err)
	}
	return nil
}
