package ci

import (
	"context"
	"errors"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// Rule is a rule about pipelines.
type Rule = rule.Rule[*Set]

// Rules returns all rules about pipelines.
func Rules() []Rule {
	return slices.Concat(actionRules(), rightRules(), injectionRules(), secretRules(), scanRules(), buildRules())
}

// whole makes a rule of a function that looks at all pipelines.
func whole(t topic.Topic, m rule.Meta, check func(*Set) ([]rule.Finding, error)) Rule {
	m.Kind = rule.CI
	if m.Verify == "" {
		m.Verify = "Read the workflow; actionlint and zizmor find the same."
	}
	return Rule{Meta: t.Of(m), Check: func(ctx context.Context, s *Set) ([]rule.Finding, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := check(s)
		switch {
		case s.unread == nil:
			return found, err
		case errors.Is(err, rule.ErrNotApplicable): // who knows what stands in what was not read
			return nil, s.unread
		}
		return found, errors.Join(s.unread, err)
	}}
}

// each makes a rule of a function that looks at one file of the kind it is
// about. Where there is none, the rule does not apply.
func each(t topic.Topic, m rule.Meta, about func(*file) bool, check func(*file) []rule.Finding) Rule {
	return whole(t, m, func(s *Set) ([]rule.Finding, error) {
		var found []rule.Finding
		any := false
		for _, f := range s.files {
			if about(f) {
				any = true
				found = append(found, check(f)...)
			}
		}
		if !any {
			return nil, rule.ErrNotApplicable
		}
		return found, nil
	})
}

func anyFile(*file) bool { return true }

// github is for what only workflows have: events, jobs, rights.
func github(f *file) bool { return f.github && !f.action }

// eachStep makes a rule of a function that says what is wrong with a step.
func eachStep(t topic.Topic, m rule.Meta, bad func(step) string) Rule {
	return each(t, m, anyFile, func(f *file) []rule.Finding {
		var found []rule.Finding
		for _, s := range f.steps() {
			if message := bad(s); message != "" {
				found = append(found, f.at("job "+s.job.name+": "+message, s.node.Get("uses"), s.at, s.node))
			}
		}
		return found
	})
}
