package kubernetes

import (
	"context"
	"errors"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// Rule is a rule about manifests.
type Rule = rule.Rule[*Set]

// Rules returns all rules about manifests.
func Rules() []Rule {
	return slices.Concat(podSecurity(), containerRules(), imageRules(), workloadRules(), roleRules(), secretRules(), programRules(), serviceRules(), networkRules(), apiRules(), clusterRules())
}

// whole makes a rule of a function that looks at all manifests.
func whole(m rule.Meta, check func(*Set) ([]rule.Finding, error)) Rule {
	m.Kind = rule.Kubernetes
	return Rule{Meta: m, Check: func(ctx context.Context, s *Set) ([]rule.Finding, error) {
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

// eachPod makes a rule of a function that looks at one workload. Where there
// is none, the rule does not apply.
func eachPod(m rule.Meta, check func(*workload) ([]rule.Finding, error)) Rule {
	return whole(m, func(s *Set) ([]rule.Finding, error) {
		if len(s.pods) == 0 {
			return nil, rule.ErrNotApplicable
		}
		var found []rule.Finding
		var errs []error
		for _, w := range s.pods {
			f, err := check(w)
			found = append(found, f...)
			errs = append(errs, err)
		}
		return found, errors.Join(errs...)
	})
}

// eachContainer makes a rule of a function that says what is wrong with a
// container, and where.
func eachContainer(m rule.Meta, first bool, check func(*workload, *yamltree.Node) (string, *yamltree.Node)) Rule {
	return eachPod(m, func(w *workload) ([]rule.Finding, error) {
		var found []rule.Finding
		for _, c := range w.containers(first) {
			if message, at := check(w, c); message != "" {
				found = append(found, w.at("container "+c.Get("name").Value()+": "+message, at, c))
			}
		}
		return found, nil
	})
}

// each makes a rule of a function that looks at every object of some kinds.
func each(m rule.Meta, kinds []string, check func(*Set, *Object) []rule.Finding) Rule {
	return whole(m, func(s *Set) ([]rule.Finding, error) {
		objects := s.of(kinds...)
		if len(objects) == 0 {
			return nil, rule.ErrNotApplicable
		}
		var found []rule.Finding
		for _, o := range objects {
			found = append(found, check(s, o)...)
		}
		return found, nil
	})
}

// one makes findings of a message, none of an empty one.
func (o *Object) one(message string, nodes ...*yamltree.Node) []rule.Finding {
	if message == "" {
		return nil
	}
	return []rule.Finding{o.at(message, nodes...)}
}
