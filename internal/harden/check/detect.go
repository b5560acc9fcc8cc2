package check

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// ErrUnknownTarget says that a file was named of which no rule knows anything.
var ErrUnknownTarget = errors.New("is nothing that there are rules for")

// Find returns the targets in a folder or a named file. With kinds, it looks
// only for these; a named file is then taken for what it is said to be. What
// tests use is no target, unless the folder that was named lies in it.
func Find(t *tree.Tree, kinds ...rule.Kind) ([]Target, error) {
	return find(families(Options{}), t, kinds)
}

func find(all []family, whole *tree.Tree, kinds []rule.Kind) ([]Target, error) {
	deployed := whole.WithoutFixtures()
	var out []Target
	for _, f := range all {
		if f.find == nil || len(kinds) > 0 && !slices.Contains(kinds, f.kind) {
			continue
		}
		t := deployed
		if f.kind == rule.Repository { // credentials are looked for everywhere
			t = whole
		}
		paths := f.find(t)
		if t.Single() && len(kinds) > 0 {
			paths = []string{t.Files()[0].Path}
		}
		for _, p := range paths {
			out = append(out, Target{Kind: f.kind, Name: shown(t, p), Tree: t, Path: p})
		}
	}
	if len(out) == 0 && whole.Single() {
		return nil, fmt.Errorf("%q %w", whole.Name(), ErrUnknownTarget)
	}
	return out, nil
}

// shown writes a path of a tree as it would be named from where the tree was.
func shown(t *tree.Tree, p string) string {
	root := filepath.ToSlash(t.Name())
	if t.Single() {
		root = path.Dir(root)
	}
	return path.Join(root, p)
}

// Rules returns what all rules say of themselves, by kind and id.
func Rules() []rule.Meta { return metas(families(Options{})) }

func metas(all []family) []rule.Meta {
	var out []rule.Meta
	for _, k := range rule.Kinds() {
		for _, f := range all {
			if f.kind != k {
				continue
			}
			for _, b := range f.rules {
				out = append(out, b.meta)
			}
		}
	}
	return out
}
