package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/mod/modfile"

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
	Scripts              map[string]string `json:"scripts"`
	Dependencies         map[string]string `json:"dependencies"`
	DevDependencies      map[string]string `json:"devDependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
	Workspaces           any               `json:"workspaces"`
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

// depends reports whether a manifest names a dependency at all.
func (r *Repo) depends(f tree.File) (bool, error) {
	data, err := r.read(f.Path)
	if err != nil {
		return false, err
	}
	switch f.Base() {
	case "package.json":
		var p packageJSON
		if err := json.Unmarshal(data, &p); err != nil {
			return false, fmt.Errorf("%s: reading the package: %w", f.Path, err)
		}
		return len(p.Dependencies)+len(p.DevDependencies)+len(p.OptionalDependencies) > 0, nil
	case "go.mod":
		m, err := modfile.ParseLax(f.Path, data, nil)
		if err != nil {
			return false, fmt.Errorf("reading the module: %w", err)
		}
		return len(m.Require) > 0, nil
	case "Cargo.toml", "pyproject.toml":
		var m struct {
			Dependencies map[string]any
			Project      struct{ Dependencies []string }
			Tool         struct {
				Poetry struct{ Dependencies map[string]any }
			}
		}
		if err := toml.Unmarshal(data, &m); err != nil {
			return false, fmt.Errorf("%s: reading the project: %w", f.Path, err)
		}
		return len(m.Dependencies)+len(m.Project.Dependencies)+len(m.Tool.Poetry.Dependencies) > 0, nil
	}
	return true, nil
}

func lockRules() []Rule {
	const verify = "Build with the options that keep to the lock file: npm ci, go build -mod=readonly, cargo build --locked, uv sync --locked"
	return []Rule{
		of(topic.Integrity, rule.Meta{
			ID: "repository-lock-missing", Severity: rule.High, Title: "Dependencies are locked",
			Why:    "Without a lock file every build takes what the registry offers that day.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: verify, Fix: "Make the lock file and commit it: npm install --package-lock-only, go mod tidy (go.sum), cargo generate-lockfile.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			var errs []error
			for _, f := range r.manifests() {
				if f.Base() == "requirements.txt" || r.lock(f.Path) != "" {
					continue
				}
				has, err := r.depends(f)
				errs = append(errs, err)
				if has {
					found = append(found, at(f.Path, 1, "has no lock file"))
				}
			}
			return found, errors.Join(errs...)
		}),
		of(topic.Integrity, rule.Meta{
			ID: "repository-lock-ignored", Severity: rule.Medium, Title: "Lock files are committed",
			Why:    "A lock file that git ignores locks one machine.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: "git check-ignore package-lock.json go.sum", Fix: "Take the line (package-lock.json, go.sum …) out of .gitignore and commit the file.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, f := range r.manifests() {
				if l := r.lock(f.Path); l != "" && r.ignores.ignored(l) {
					found = append(found, at(l, 1, "is ignored by git"))
				}
			}
			return found, nil
		}),
		of(topic.Integrity, rule.Meta{
			ID: "repository-lock-stale", Severity: rule.High, Title: "Lock files hold what the manifests name",
			Why:    "What is not in the lock file is taken from the registry as it is that day, or the build fails and somebody takes the option out.",
			Guides: []string{"S0-48", "S0-58"}, CWE: []string{"CWE-829"}, Verify: verify, Fix: "Make the lock file again, or take the dependency out that was never required: npm install --package-lock-only, go mod tidy, cargo generate-lockfile.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			var errs []error
			for _, f := range r.manifests() {
				missing, err := r.unlocked(f)
				errs = append(errs, err)
				for _, name := range missing {
					found = append(found, at(f.Path, 1, name+" is not in "+path.Base(r.lock(f.Path))))
				}
			}
			return found, errors.Join(errs...)
		}),
		of(topic.Integrity, rule.Meta{
			ID: "repository-requirements-unpinned", Severity: rule.Medium, Title: "Requirements of Python name one version each",
			Why:    "A range takes a release that came out a minute ago, hijacked or not.",
			Guides: []string{"S0-48", "S1-22"}, CWE: []string{"CWE-829"}, Verify: "pip install --require-hashes -r requirements.txt", Fix: "Write name==version with --hash lines: uv pip compile --generate-hashes.",
		}, func(r *Repo) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, f := range r.manifests() {
				if f.Base() != "requirements.txt" {
					continue
				}
				data, err := r.read(f.Path)
				if err != nil {
					return found, err
				}
				for i, line := range strings.Split(string(data), "\n") {
					line, _, _ = strings.Cut(line, "#")
					line = strings.TrimSpace(line)
					if line == "" || line[0] == '-' || strings.HasPrefix(line, "./") || strings.Contains(line, "==") || strings.Contains(line, "@ ") && strings.Contains(line, "#sha256=") {
						continue
					}
					found = append(found, at(f.Path, i+1, line+" is not one version"))
				}
			}
			return found, nil
		}),
	}
}

// unlocked returns the dependencies of a manifest that its lock file lacks.
func (r *Repo) unlocked(f tree.File) ([]string, error) {
	lock := r.lock(f.Path)
	if lock == "" || path.Dir(lock) != path.Dir(f.Path) {
		return nil, nil
	}
	manifest, err := r.read(f.Path)
	if err != nil {
		return nil, err
	}
	locked, err := r.read(lock)
	if err != nil {
		if errors.Is(err, tree.ErrTooLarge) {
			return nil, err
		}
		return nil, fmt.Errorf("reading a lock file: %w", err)
	}
	var out []string
	switch path.Base(lock) {
	case "package-lock.json", "npm-shrinkwrap.json":
		var p packageJSON
		var l struct {
			Packages     map[string]packageJSON `json:"packages"`
			Dependencies map[string]any         `json:"dependencies"`
		}
		if err := errors.Join(json.Unmarshal(manifest, &p), json.Unmarshal(locked, &l)); err != nil {
			return nil, fmt.Errorf("%s: reading a lock file: %w", lock, err)
		}
		for _, table := range []map[string]string{p.Dependencies, p.DevDependencies} {
			for name, want := range table {
				root := l.Packages[""]
				have, ok := root.Dependencies[name]
				if !ok {
					have, ok = root.DevDependencies[name]
				}
				if _, old := l.Dependencies[name]; !(ok && have == want) && !(old && l.Packages == nil) {
					out = append(out, name)
				}
			}
		}
	case "go.sum":
		m, err := modfile.ParseLax(f.Path, manifest, nil)
		if err != nil {
			return nil, fmt.Errorf("reading the module: %w", err)
		}
		replaced := map[string]bool{}
		for _, x := range m.Replace {
			replaced[x.Old.Path] = true
		}
		for _, q := range m.Require {
			if !replaced[q.Mod.Path] && !strings.Contains(string(locked), q.Mod.Path+" "+q.Mod.Version) {
				out = append(out, q.Mod.Path)
			}
		}
	case "Cargo.lock":
		var m struct{ Dependencies map[string]any }
		if err := toml.Unmarshal(manifest, &m); err != nil {
			return nil, fmt.Errorf("%s: reading the project: %w", f.Path, err)
		}
		for name, value := range m.Dependencies {
			if table, ok := value.(map[string]any); ok {
				if renamed, ok := table["package"].(string); ok {
					name = renamed
				}
			}
			if !strings.Contains(string(locked), `name = "`+name+`"`) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
