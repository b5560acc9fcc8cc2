package suppress

import (
	"context"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Rules returns the rules for the decisions themselves. They look at the state
// behind a run.
func Rules() []rule.Rule[*State] {
	return []rule.Rule[*State]{
		{
			Meta: rule.Meta{
				ID: "suppressions-expired", Kind: rule.Suppressions, Severity: rule.Medium, Title: "Nobody lives with a finding longer than was decided",
				Why:    "A decision that nobody thinks about again becomes how things are.",
				Guides: []string{"S0-61"}, OWASP: []string{"API8:2023"}, CWE: []string{"CWE-1059"},
				Verify: "expires of a [[suppress]] lies in the past.", Fix: "Mend what was found, or decide again and give a new expires.",
			},
			Check: func(_ context.Context, s *State) ([]rule.Finding, error) {
				return s.find(func(i int) string {
					if d := s.Suppress[i]; s.over(d) {
						return fmt.Sprintf("The decision on %s has ended on %s.", d.Rule, d.Expires)
					}
					return ""
				}), nil
			},
		},
		{
			Meta: rule.Meta{
				ID: "suppressions-unused", Kind: rule.Suppressions, Severity: rule.Info, Title: "Every decision is about something that is found",
				Why:    "A decision about what is mended hides it when it comes back.",
				Guides: []string{"S0-61"}, OWASP: []string{"API8:2023"},
				Verify: "No finding fits a [[suppress]] when everything is looked at.", Fix: "Take the table out.",
			},
			Check: func(_ context.Context, s *State) ([]rule.Finding, error) {
				return s.find(func(i int) string {
					if d := s.Suppress[i]; s.idle(i) && !s.over(d) {
						return fmt.Sprintf("Nothing that was found fits the decision on %s.", d.Rule)
					}
					return ""
				}), nil
			},
		},
	}
}

func (s *State) find(wrong func(i int) string) []rule.Finding {
	var out []rule.Finding
	for i := range s.Suppress {
		at := fmt.Sprintf("suppress[%d]", i)
		if message := wrong(i); message != "" {
			out = append(out, rule.Finding{Message: message, File: s.name, Line: s.origin.Line(at), Pointer: at})
		}
	}
	return out
}
