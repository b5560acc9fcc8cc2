package phi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// memory is a store and a recorder that can be made to fail.
type memory struct {
	kept       map[string]Grant
	events     []portcullis.Event
	fail, mute error
}

func (m *memory) SaveBreakGlass(_ context.Context, g Grant) error {
	if m.fail == nil {
		m.kept[g.ID] = g
	}
	return m.fail
}

func (m *memory) BreakGlass(context.Context, int) (out []Grant, err error) {
	for _, g := range m.kept {
		out = append(out, g)
	}
	return out, m.fail
}

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	if m.mute == nil {
		m.events = append(m.events, *e)
	}
	return m.mute
}

var root = portcullis.Actor{ID: "local:root", Method: "socket"}

func newGlass(t *testing.T) (*Glass, *memory) {
	t.Helper()
	m := &memory{kept: map[string]Grant{}}
	g, err := NewGlass(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, m
}

func TestGrantEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, m := newGlass(t)
		if _, err := g.Grant(t.Context(), "user:a", "ward 4", time.Hour, root); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second)
		again, err := NewGlass(t.Context(), m, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, glass := range map[string]*Glass{"it": g, "after a restart": again} {
			if _, ok := glass.Of("user:a"); !ok {
				t.Errorf("%s: over too early", name)
			}
		}
		time.Sleep(time.Second)
		for name, glass := range map[string]*Glass{"it": g, "after a restart": again} {
			if _, ok := glass.Of("user:a"); ok || len(glass.Active()) > 0 {
				t.Errorf("%s: not over", name)
			}
		}
		if _, err := g.Revoke(t.Context(), "user:a", root); !errors.Is(err, ErrNotFound) {
			t.Errorf("ending what is over: %v", err)
		}
	})
}

func TestNotRecordedNotGranted(t *testing.T) {
	g, m := newGlass(t)
	broken := errors.New("disk")
	m.mute = broken
	if _, err := g.Grant(t.Context(), "user:a", "x", time.Hour, root); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	m.mute, m.fail = nil, broken
	if _, err := g.Grant(t.Context(), "user:a", "x", time.Hour, root); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, ok := g.Of("user:a"); ok || len(m.kept) > 0 {
		t.Error("granted all the same")
	}
	if last := m.events[len(m.events)-1]; last.Outcome != portcullis.OutcomeFailure {
		t.Errorf("the log ends with %+v", last)
	}
	m.fail = nil
	if _, err := g.Grant(t.Context(), "user:a", "x", time.Hour, portcullis.Actor{ID: "user:a"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("to oneself: %v", err)
	}
	x, err := g.Grant(t.Context(), "user:a", "x", time.Hour, root)
	if err != nil {
		t.Fatal(err)
	}
	m.fail = broken
	if _, err := g.Revoke(t.Context(), x.ID, root); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, ok := g.Of("user:a"); ok {
		t.Error("an end that cannot be stored does not count")
	}
	m.fail = nil
	if _, err := g.Revoke(t.Context(), x.ID, root); err != nil {
		t.Errorf("ending it again: %v", err)
	}
	again, err := NewGlass(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Of("user:a"); ok {
		t.Error("back after a restart")
	}
}
