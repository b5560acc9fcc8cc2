package order

import (
	"context"
	"errors"
	"testing"
)

// TestCheck: of all eight cases, exactly one is refused.
func TestCheck(t *testing.T) {
	for _, destructive := range []bool{false, true} {
		for _, preserved := range []bool{false, true} {
			for _, force := range []bool{false, true} {
				err := Check("rotate-all", destructive, preserved, force)
				if want := destructive && !preserved && !force; (err != nil) != want || want && !errors.Is(err, ErrEvidence) {
					t.Errorf("Check(destructive %t, preserved %t, force %t) = %v", destructive, preserved, force, err)
				}
			}
		}
	}
}

type cases struct {
	preserved bool
	err       error
}

func (c cases) Preserved(context.Context, string) (bool, error) { return c.preserved, c.err }

// TestAsk: who cannot be asked refuses.
func TestAsk(t *testing.T) {
	lost := errors.New("the database is away")
	for name, c := range map[string]struct {
		cases              cases
		destructive, force bool
		want               error
	}{
		"harmless":  {cases{err: lost}, false, false, nil},
		"forced":    {cases{err: lost}, true, true, nil},
		"preserved": {cases{preserved: true}, true, false, nil},
		"not yet":   {cases{}, true, false, ErrEvidence},
		"unknown":   {cases{err: lost}, true, false, lost},
	} {
		if err := Ask(t.Context(), c.cases, "i1", "revoke-sessions", c.destructive, c.force); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
