package subject_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

// memory keeps runs, and dies at a chosen write.
type memory struct {
	runs map[string]subject.Run
	left int // writes until it dies; <0 = never
}

var errDead = errors.New("the process died")

func (m *memory) SaveErasure(_ context.Context, r subject.Run) error {
	if m.left == 0 {
		return errDead
	}
	m.left--
	r.Steps = slices.Clone(r.Steps)
	m.runs[r.ID] = r
	return nil
}

func (m *memory) Erasure(_ context.Context, id string) (subject.Run, error) {
	r, ok := m.runs[id]
	if !ok {
		return r, subject.ErrNotFound
	}
	return r, nil
}

func (m *memory) OpenErasures(context.Context) (out []subject.Run, _ error) {
	for _, r := range m.runs {
		if r.State != subject.Finished {
			out = append(out, r)
		}
	}
	return out, nil
}

func (m *memory) Erasures(context.Context, int) ([]subject.Run, error) { return nil, nil }

// TestWhereverItDies: whatever fails and wherever the process dies, an erasure
// that is advanced again and again erases every place in order, tells every
// upstream, waits for holds, and ends once they do; who it was is forgotten
// then and not before.
func TestWhereverItDies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "places")
		held := rapid.IntRange(-1, n-1).Draw(rt, "held")
		holds := held >= 0
		m := &memory{runs: map[string]subject.Run{}, left: -1}
		erased := make([]bool, n)
		told := map[string]bool{}
		finished := 0
		fail := func(what string) error {
			switch rapid.IntRange(0, 3).Draw(rt, what) {
			case 0:
				return errDead
			case 1: // dies at one of the next writes
				m.left = rapid.IntRange(0, 2).Draw(rt, "left")
			}
			return nil
		}
		e := &subject.Eraser{Store: m, Now: time.Now, Sign: func(r *subject.Run) (string, error) { return r.State.String(), nil }}
		e.Finish = func(_ context.Context, r *subject.Run) error {
			if slices.Contains(erased, false) || len(told) < 2 || holds {
				rt.Fatalf("finished early: %v, %v, held %t", erased, told, holds)
			}
			if r.Person.ID != "" {
				rt.Fatal("the end still names the person")
			}
			finished++
			return nil
		}
		for i := range n {
			e.Holders = append(e.Holders, subject.Holder{Place: subject.Place{Name: fmt.Sprint(i)}, Erase: func(_ context.Context, p *subject.Person) (subject.Done, error) {
				if p.ID != "alice" {
					rt.Fatalf("place %d was asked for %q", i, p.ID)
				}
				for before := range i {
					if !erased[before] && before != held {
						rt.Fatalf("%d before %d", i, before)
					}
				}
				if i == held && holds {
					return subject.Done{Kept: []string{"case 1"}, Wait: true}, nil
				}
				erased[i] = true
				return subject.Done{Count: 1}, fail("place")
			}})
		}
		for _, name := range []string{"crm", "mail"} {
			e.Hooks = append(e.Hooks, subject.Hook{Name: name, Tell: func(_ context.Context, _ string, p *subject.Person) error {
				if p.ID != "alice" {
					rt.Fatalf("%s was told of %q", name, p.ID)
				}
				if err := fail("upstream"); err != nil {
					return err
				}
				told[name] = true
				return nil
			}})
		}
		if err := m.SaveErasure(t.Context(), subject.Run{ID: "1", Person: subject.Person{ID: "alice"}, State: subject.Running}); err != nil {
			rt.Fatal(err)
		}
		for i := 0; ; i++ {
			if i == 1000 {
				rt.Fatalf("never ends: %+v", m.runs["1"])
			}
			m.left = -1
			r := m.runs["1"] // a new process
			if err := e.Advance(t.Context(), &r); err != nil && !errors.Is(err, errDead) {
				rt.Fatal(err)
			}
			if holds && m.runs["1"].State == subject.Held && rapid.Bool().Draw(rt, "lifted") {
				holds = false
			}
			if m.runs["1"].State == subject.Finished {
				break
			}
		}
		r := m.runs["1"]
		if r.Person.ID != "" || r.Receipt != "erased" || finished == 0 || len(r.Steps) != n+2 {
			rt.Fatalf("at the end: %+v, finished %d times", r, finished)
		}
		if err := e.Advance(t.Context(), &r); err != nil {
			rt.Fatal(err)
		}
	})
}
