package repository

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/gitignore"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// Repo is a repository. All its text is read once, when it is loaded.
type Repo struct {
	tree    *tree.Tree
	ignores gitignore.Patterns
	places  []place // credentials
	unread  error   // why files could not be read
}

// place is something in a file.
type place struct {
	file string
	line int
	kind string
}

// Find returns "." for a folder that looks like a repository.
func Find(t *tree.Tree) []string {
	if t.Single() {
		return nil
	}
	if _, err := t.Read(".git/HEAD"); err == nil {
		return []string{"."}
	}
	for _, name := range [...]string{".gitignore", "package.json", "go.mod", "pyproject.toml", "requirements.txt", "Cargo.toml", "README.md", ".git"} {
		if _, ok := t.File(name); ok {
			return []string{"."}
		}
	}
	return nil
}

// Load reads a repository.
func Load(ctx context.Context, t *tree.Tree, _ string) (*Repo, error) {
	r := &Repo{tree: t, ignores: gitignore.Of(t)}
	for _, f := range t.Files() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.ignores.Ignored(f.Path) {
			continue
		}
		data, err := t.Read(f.Path)
		switch {
		case errors.Is(err, tree.ErrBinary), errors.Is(err, tree.ErrLink), errors.Is(err, tree.ErrOther):
		case errors.Is(err, tree.ErrTooLarge) && generated(f):
		case err != nil:
			r.unread = errors.Join(r.unread, err)
		default:
			r.look(f, data)
		}
	}
	return r, nil
}

// generated reports whether a file is written by a program, and large because
// of that.
func generated(f tree.File) bool {
	return lockFile(f.Base()) || f.Ext() == ".svg" || f.Ext() == ".map" || f.Ext() == ".csv" || f.Ext() == ".sum"
}

func lockFile(base string) bool {
	switch base {
	case "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "go.sum", "Cargo.lock", "poetry.lock", "uv.lock", "Pipfile.lock", "Gemfile.lock", "composer.lock":
		return true
	}
	return false
}

func (r *Repo) look(f tree.File, data []byte) {
	if !lockFile(f.Base()) {
		for _, p := range credential.In(data) {
			if telling(f, data, p) {
				r.places = append(r.places, place{f.Path, p.Line, p.Kind})
			}
		}
	}
	text := string(data)
	for _, sign := range [...]string{"\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"} {
		if i := strings.Index(text, sign); i >= 0 {
			line, _ := tree.Position(data, i)
			r.places = append(r.places, place{f.Path, line, kindDirection})
			break
		}
	}
}

const kindDirection = "direction"

func (r *Repo) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, ok := r.tree.File(n); return ok })
}

// beside returns the first file of some names in a folder that is there.
func (r *Repo) beside(folder string, names ...string) string {
	for _, n := range names {
		if _, ok := r.tree.File(path.Join(folder, n)); ok {
			return path.Join(folder, n)
		}
	}
	return ""
}

// read returns the text of a file, and nothing of one that is not there.
func (r *Repo) read(name string) ([]byte, error) {
	data, err := r.tree.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// kept returns the files that git keeps for which want is true.
func (r *Repo) kept(want func(tree.File) bool) []tree.File {
	var out []tree.File
	for _, f := range r.tree.Files() {
		if want(f) && !r.ignores.Ignored(f.Path) {
			out = append(out, f)
		}
	}
	return out
}

func at(file string, line int, message string) rule.Finding {
	return rule.Finding{Message: message, File: file, Line: line}
}
