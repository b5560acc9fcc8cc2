// Package order holds the rule of a bad day: evidence before destruction.
//
// What rotates keys, ends sessions or erases also destroys what an
// investigation needs. So while an incident is open of which nothing has been
// preserved, a destructive action is refused unless a person insists. The rule
// is one pure function, so that playbooks, single commands and the grading of
// drills cannot disagree about it.
package order

import (
	"context"
	"errors"
	"fmt"
)

// ErrEvidence says that a destructive action was asked for before evidence was
// preserved.
var ErrEvidence = errors.New("evidence has not been preserved yet")

// Cases knows whether evidence of incidents is preserved. *casebook.Book is one.
type Cases interface {
	// Preserved reports whether evidence of an incident is preserved. "" asks of
	// all that are open: it is true if there is none, or of each there is evidence.
	Preserved(ctx context.Context, incident string) (bool, error)
}

// Check refuses a destructive action while evidence is not preserved, unless it
// is forced. What is not destructive is never refused.
func Check(action string, destructive, preserved, force bool) error {
	if !destructive || preserved || force {
		return nil
	}
	return fmt.Errorf("%s: %w: 'portcullis incident evidence' preserves it; --force goes on without", action, ErrEvidence)
}

// Ask is Check of an incident in cases.
func Ask(ctx context.Context, cases Cases, incident, action string, destructive, force bool) error {
	if !destructive || force {
		return nil
	}
	preserved, err := cases.Preserved(ctx, incident)
	if err != nil {
		return fmt.Errorf("asking whether evidence is preserved: %w", err)
	}
	return Check(action, destructive, preserved, force)
}
