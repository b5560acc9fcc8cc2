package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// manifests returns the files that name dependencies.
func (r *Repo) manifests() []tree.File {
	return r.kept(func(f tree.File) bool {
		switch f.Base() {
		case "package.json", "go.mod", "Cargo.toml", "pyproject.toml", "requirements.txt", "Pipfile", "Gemfile", "composer.json":
			return !strings.Contains("/"+f.Path, "/testdata/")
		}
		return false
	})
}

// packageJSON is what a package.json says that matters here.
type packageJSON struct {
	Scripts map[string]string `json:"scripts"`
}

func (r *Repo) eachPackage(check func(file string, p packageJSON) []rule.Finding) ([]rule.Finding, error) {
	var found []rule.Finding
	var errs []error
	for _, f := range r.manifests() {
		if f.Base() != "package.json" {
			continue
		}
		var p packageJSON
		data, err := r.read(f.Path)
		if err == nil {
			err = json.Unmarshal(data, &p)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: reading the package: %w", f.Path, err))
			continue
		}
		found = append(found, check(f.Path, p)...)
	}
	return found, errors.Join(errs...)
}

// locks are the lock files of a manifest.
func locks(base string) []string {
	switch base {
	case "package.json":
		return []string{"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"}
	case "go.mod":
		return []string{"go.sum"}
	case "Cargo.toml":
		return []string{"Cargo.lock"}
	case "pyproject.toml":
		return []string{"uv.lock", "poetry.lock", "pdm.lock", "requirements.txt", "requirements.lock", "pylock.toml"}
	case "Pipfile":
		return []string{"Pipfile.lock"}
	case "Gemfile":
		return []string{"Gemfile.lock"}
	case "composer.json":
		return []string{"composer.lock"}
	}
	return nil
}

// lock returns the lock file of a manifest: beside it, or above it where that
// is the root of a workspace.
func (r *Repo) lock(manifest string) string {
	names := locks(path.Base(manifest))
	for dir := path.Dir(manifest); ; dir = path.Dir(dir) {
		if found := r.beside(dir, names...); found != "" {
			return found
		}
		if dir == "." || path.Base(manifest) == "go.mod" {
			return ""
		}
	}
}

func lockRules() []Rule {
	return []Rule{
		of(topic.Integrity, rule.Meta{
			ID: "repository-lock-ignored", Severity: rule.Medium, Title: "Lock files are committed",
			Why:    "A lock file that git ignores locks one machine.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: "git check-ignore package-lock.json go.sum", Fix: "Take the line out of .gitignore and commit the file.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, f := range r.manifests() {
				if l := r.lock(f.Path); l != "" && r.ignores.Ignored(l) {
					found = append(found, at(l, 1, "is ignored by git"))
				}
			}
			return found, nil
		}),
	}
}
