package check

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// targets are what a run looks at. Close them behind it.
type targets struct {
	list  []check.Target
	left  []outcome.Left
	trees []*tree.Tree
}

func (t *targets) close() {
	for _, tr := range t.trees {
		_ = tr.Close() // it was only read
	}
	t.trees = nil
}

// targets finds out what the arguments name.
func (c verbs) targets(ctx context.Context, args []string, s settings) (*targets, error) {
	t := &targets{}
	named := args
	if len(named) == 0 {
		named = []string{"."}
	}
	for _, name := range named {
		if err := c.add(ctx, t, name, s); err != nil {
			t.close()
			return nil, err
		}
	}
	if len(args) == 0 {
		if err := c.addUsual(ctx, t, s); err != nil {
			t.close()
			return nil, err
		}
	}
	t.list = once(t.list)
	var excluded []outcome.Left
	t.list, excluded = outcome.Keep(s.state, t.list)
	t.left = append(t.left, excluded...)
	return t, nil
}

// once leaves out what was named twice, as a file and with its folder.
func once(list []check.Target) []check.Target {
	type key struct {
		kind rule.Kind
		name string
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(list, func(t check.Target) bool {
		k := key{t.Kind, t.Name}
		defer func() { seen[k] = true }()
		return seen[k]
	})
}

// add adds what one argument names.
func (c verbs) add(ctx context.Context, t *targets, name string, s settings) error {
	switch {
	case name == string(rule.Host):
		t.list = append(t.list, c.host())
		return nil
	case name == string(rule.Gateway):
		t.list = append(t.list, c.gateway(ctx))
		return nil
	case strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://"):
		return c.address(ctx, t, name, s)
	}
	return c.addFiles(ctx, t, name, s.wanted)
}

func (c verbs) addFiles(ctx context.Context, t *targets, name string, kinds []rule.Kind) error {
	tr, err := tree.Open(ctx, nearest(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return frame.Usagef("there is no file or folder %q", name)
	case err != nil:
		return err
	}
	t.trees = append(t.trees, tr)
	found, err := check.Find(tr, kinds...)
	if errors.Is(err, check.ErrUnknownTarget) {
		return frame.Usagef("%q is nothing that there are rules for; --kind says what it is", name)
	}
	if err != nil {
		return err
	}
	t.list = append(t.list, found...)
	t.tell(tr)
	return nil
}

// tell adds what a folder holds and was not looked at. What should have been is
// a target that could not be read, so that nobody takes it for good.
func (t *targets) tell(tr *tree.Tree) {
	for _, l := range tr.Left() {
		name := path.Join(filepath.ToSlash(tr.Name()), l.Path)
		if l.Unread {
			t.list = append(t.list, check.Target{Kind: rule.Repository, Name: name, Failed: errors.New(l.Why)})
			continue
		}
		t.left = append(t.left, outcome.Left{Path: name, Reason: l.Why})
	}
}

// addUsual adds what is looked at when nothing is named: the configuration,
// wherever it is, and what people attest.
func (c verbs) addUsual(ctx context.Context, t *targets, s settings) error {
	any := len(s.wanted) == 0
	if any || slices.Contains(s.wanted, rule.Config) {
		found, err := config.Find(c.ConfigPath, c.Env)
		switch {
		case errors.Is(err, config.ErrNotFound):
		case err != nil:
			return err
		case !slices.ContainsFunc(t.list, func(o check.Target) bool { return o.Name == filepath.ToSlash(nearest(found)) }):
			if err := c.addFiles(ctx, t, found, []rule.Kind{rule.Config}); err != nil {
				return err
			}
		}
	}
	if any || slices.Contains(s.wanted, rule.Attestation) {
		t.list = append(t.list, check.Target{Kind: rule.Attestation, Name: s.book.Name(), Seen: s.book})
	}
	return nil
}

// nearest writes a path relative to the current folder if it lies in it, so
// that reports of one repository look the same everywhere.
func nearest(name string) string {
	name = filepath.Clean(name)
	if !filepath.IsAbs(name) {
		return name
	}
	wd, err := os.Getwd()
	if err != nil {
		return name
	}
	rel, err := filepath.Rel(wd, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return name
	}
	return rel
}
