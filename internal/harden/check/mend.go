package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// Change is what mending makes of one file.
type Change struct {
	Tree   *tree.Tree
	Path   string // in Tree
	Name   string // as reports show it
	Before []byte // nil for a file that is not there yet
	After  []byte
	Rules  []string // that are mended by it
}

// Mend returns the changes of files by which rules that fail pass, without
// writing them. want is asked for each finding, whose file is named as in
// reports; rules whose fix does not work, or would change what is not wanted,
// are left alone and told of.
func Mend(ctx context.Context, targets []Target, want func(id string, t Target, f rule.Finding) bool, o Options) (changes []Change, left []string) {
	return mendAll(ctx, families(o), targets, want)
}

func mendAll(ctx context.Context, all []family, targets []Target, want func(string, Target, rule.Finding) bool) (changes []Change, left []string) {
	work := map[*tree.Tree]*mending{}
	var order []*mending
	for _, t := range targets {
		i := slices.IndexFunc(all, func(f family) bool { return f.kind == t.Kind })
		if i < 0 || t.Tree == nil {
			continue
		}
		m := work[t.Tree]
		if m == nil {
			m = &mending{from: t.Tree, now: t.Tree, rules: map[string][]string{}}
			work[t.Tree] = m
			order = append(order, m)
		}
		for _, b := range all[i].rules {
			if b.mend == nil {
				continue
			}
			if err := m.rule(ctx, all[i], b, t, want); err != nil {
				left = append(left, fmt.Sprintf("%s: %s: %s", t.Name, b.meta.ID, clean(err.Error())))
			}
		}
	}
	for _, m := range order {
		changes = append(changes, m.changes()...)
	}
	return changes, left
}

// mending is a tree with what was changed in it so far.
type mending struct {
	from, now *tree.Tree
	rules     map[string][]string // by path
}

// errPartly is returned where a fix would also change what somebody has decided
// to live with.
var errPartly = errors.New("some of its findings are suppressed: mend the others by hand")

var errStillFails = errors.New("the fix does not mend it: do it by hand")

// rule mends one rule on one target. What it changes is kept only if the rule
// passes then and the target can still be read.
func (m *mending) rule(ctx context.Context, f family, b bound, t Target, want func(string, Target, rule.Finding) bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("mending crashed: %v", r)
		}
	}()
	t.Tree = m.now
	loaded, err := f.load(ctx, t)
	if err != nil {
		return nil // the report tells of it
	}
	found, err := b.check(ctx, loaded)
	if err != nil {
		return nil // likewise
	}
	wanted := 0
	for _, finding := range found {
		if finding.File != "" {
			finding.File = shown(m.from, finding.File)
		}
		if want(b.meta.ID, t, finding) {
			wanted++
		}
	}
	switch {
	case wanted == 0:
		return nil
	case wanted < len(found):
		return errPartly
	}
	edits, err := b.mend(loaded)
	if err != nil {
		return err
	}
	next, touched, err := apply(m.now, edits)
	if err != nil {
		return err
	}
	t.Tree = next
	if loaded, err = f.load(ctx, t); err != nil {
		return err
	}
	if found, err = b.check(ctx, loaded); len(found) > 0 || err != nil {
		return errStillFails
	}
	m.now = next
	for _, p := range touched {
		m.rules[p] = append(m.rules[p], b.meta.ID)
	}
	return nil
}

// apply returns a tree with edits made, and the files that they change.
func apply(t *tree.Tree, edits []rule.Edit) (*tree.Tree, []string, error) {
	byFile := map[string][]rule.Edit{}
	var order []string
	for _, e := range edits {
		if !fs.ValidPath(e.File) || strings.HasPrefix(path.Clean(e.File), ".git/") {
			return nil, nil, fmt.Errorf("a fix would change %q", e.File)
		}
		if len(byFile[e.File]) == 0 {
			order = append(order, e.File)
		}
		byFile[e.File] = append(byFile[e.File], e)
	}
	contents := map[string][]byte{}
	for _, p := range order {
		data, err := t.Read(p)
		switch {
		case errors.Is(err, fs.ErrNotExist) && byFile[p][0].Create:
		case err != nil:
			return nil, nil, err
		case byFile[p][0].Create:
			return nil, nil, fmt.Errorf("%q is there already", p)
		}
		if contents[p], err = rule.Apply(data, byFile[p]); err != nil {
			return nil, nil, err
		}
	}
	return t.With(contents), order, nil
}

func (m *mending) changes() []Change {
	var out []Change
	for p, rules := range m.rules {
		after, err := m.now.Read(p)
		if err != nil {
			continue // it stands in the tree because it was written there
		}
		c := Change{Tree: m.from, Path: p, Name: shown(m.from, p), After: after, Rules: rules}
		if c.Before, err = m.from.Read(p); err != nil {
			c.Before = nil
		}
		if string(c.Before) != string(c.After) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return out
}
