package check

import (
	"context"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// Target is one thing that is looked at. Which of the fields beside Kind and
// Name are there depends on the kind.
type Target struct {
	Kind rule.Kind
	Name string // as reports show it

	Tree *tree.Tree // targets that are files
	Path string     // in Tree: a file, or a folder
	URL  string     // targets on the network
	Seen any        // targets that the caller has loaded: a gateway's state

	// Failed is why the caller could not load the target, if so.
	Failed error
}

// bound is a rule that takes any target of its kind.
type bound struct {
	meta  rule.Meta
	check func(ctx context.Context, loaded any) ([]rule.Finding, error)
	mend  func(loaded any) ([]rule.Edit, error) // nil where there is none
}

// family is the rules of one kind of target and what loads one.
type family struct {
	kind  rule.Kind
	rules []bound
	find  func(t *tree.Tree) []string // targets of a tree, nil for kinds that are no files
	load  func(ctx context.Context, target Target) (any, error)
}

// files is a family whose targets are files or folders. find returns their
// paths in a tree, which may be a single file that was named.
func files[T any](kind rule.Kind, rules []rule.Rule[T], find func(*tree.Tree) []string, load func(context.Context, *tree.Tree, string) (T, error)) family {
	f := from(kind, rules, func(ctx context.Context, t Target) (T, error) { return load(ctx, t.Tree, t.Path) })
	f.find = find
	return f
}

// given is a family whose targets the caller loads: Target.Seen is a T.
func given[T any](kind rule.Kind, rules []rule.Rule[T]) family {
	return from(kind, rules, func(_ context.Context, t Target) (T, error) {
		seen, ok := t.Seen.(T)
		if !ok {
			return seen, fmt.Errorf("looking at %q: nothing was loaded", t.Name)
		}
		return seen, nil
	})
}

// from is a family whose targets are loaded in a way of its own.
func from[T any](kind rule.Kind, rules []rule.Rule[T], load func(context.Context, Target) (T, error)) family {
	f := family{kind: kind, load: func(ctx context.Context, t Target) (any, error) { return load(ctx, t) }}
	for _, r := range rules {
		for _, list := range []*[]string{&r.Guides, &r.OWASP, &r.Threats, &r.CWE} {
			*list = append([]string{}, *list...) // none is [] in reports
		}
		b := bound{meta: r.Meta, check: func(ctx context.Context, loaded any) ([]rule.Finding, error) {
			target, ok := loaded.(T)
			if !ok {
				return nil, fmt.Errorf("the rule is for another kind of target than %T", loaded)
			}
			return r.Check(ctx, target)
		}}
		if r.Mend != nil {
			b.mend = func(loaded any) ([]rule.Edit, error) {
				target, ok := loaded.(T)
				if !ok {
					return nil, fmt.Errorf("the rule is for another kind of target than %T", loaded)
				}
				return r.Mend(target)
			}
		}
		f.rules = append(f.rules, b)
	}
	return f
}
