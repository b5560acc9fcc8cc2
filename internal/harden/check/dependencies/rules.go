package dependencies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/manifest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// Rule is a rule about dependencies.
type Rule = rule.Rule[*Project]

// Rules returns all rules about dependencies.
func Rules() []Rule {
	return slices.Concat(lockRules(), entryRules(), sourceRules(), vulnerabilityRules(), listRules())
}

func of(t topic.Topic, m rule.Meta, check func(*Project) ([]rule.Finding, error)) Rule {
	m.Kind = rule.Dependencies
	if m.Guides == nil {
		m.Guides = []string{"S0-48"}
	}
	if m.CWE == nil {
		m.CWE = []string{"CWE-829"}
	}
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, p *Project) ([]rule.Finding, error) {
		found, err := check(p)
		return bounded(found, maxPerFile), err
	}}
}

// maxPerFile bounds what one rule says of one file: a lock file without hashes is
// one fault and not ten thousand.
const maxPerFile = 20

// maxVersions is in how many versions a package may be locked: more than any
// project has.
const maxVersions = 100

func bounded(found []rule.Finding, most int) []rule.Finding {
	slices.SortStableFunc(found, func(a, b rule.Finding) int { return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line) })
	var out []rule.Finding
	for i := 0; i < len(found); {
		n := i
		for n < len(found) && found[n].File == found[i].File {
			n++
		}
		out = append(out, found[i:min(n, i+most)]...)
		if more := n - i - most; more > 0 {
			out = append(out, rule.Finding{Message: fmt.Sprintf("and %d more", more), File: found[i].File, Line: found[n-1].Line, Pointer: "and more"})
		}
		i = n
	}
	return out
}

// at is a finding about a package of a lock file.
func at(file string, p lockfile.Package, format string, a ...any) rule.Finding {
	return rule.Finding{Message: named(p) + " " + fmt.Sprintf(format, a...), File: file, Line: p.Line, Pointer: named(p)}
}

func named(p lockfile.Package) string { return strings.TrimSpace(p.Name + " " + p.Version) }

// lockNames returns the lock files of a manifest, one for each manager, and the
// folder that they are in: beside it, or above it where that is the root of a
// workspace.
func (p *Project) lockNames(m *manifest.Manifest) (dir string, names []string) {
	groups := manifest.Locks(path.Base(m.Path))
	for dir = path.Dir(m.Path); ; dir = path.Dir(dir) {
		for _, g := range groups {
			for _, base := range g {
				if name := path.Join(dir, base); p.exists(name) {
					names = append(names, name)
					break
				}
			}
		}
		if len(names) > 0 || dir == "." || dir == "/" {
			return dir, names
		}
	}
}

// folder is where a manifest is, seen from the folder of its lock file.
func folder(lockDir, manifestPath string) string {
	dir := path.Dir(manifestPath)
	if lockDir == "." {
		return dir
	}
	return path.Join(".", strings.TrimPrefix(strings.TrimPrefix(dir, lockDir), "/"))
}

// member reports whether a lock file knows a manifest at all.
func member(l *lockfile.Lock, folder string) bool {
	_, ok := l.Wants[folder]
	return ok || l.Wants == nil
}

func lockRules() []Rule {
	const verify = "Build with the options that keep to the lock file: npm ci, go build -mod=readonly, cargo build --locked, uv sync --locked"
	return []Rule{
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-lock-missing", Severity: rule.High, Title: "Dependencies are locked",
			Why:    "Without a lock file every build takes what the registry offers that day.",
			Guides: []string{"S0-48", "S0-58"}, Verify: verify, Fix: "Make the lock file and commit it.",
		}, (*Project).missing),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-lock-rivals", Severity: rule.Medium, Title: "One package manager locks a project",
			Why:    "Two lock files disagree sooner or later, and then what was tested is not what is deployed.",
			Verify: "ls package-lock.json yarn.lock pnpm-lock.yaml poetry.lock uv.lock", Fix: "Keep the lock file of the manager that builds, and remove the others.",
		}, func(p *Project) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, m := range p.manifests {
				if dir, names := p.lockNames(m); len(names) > 1 && dir == path.Dir(m.Path) {
					for i := range names {
						names[i] = path.Base(names[i])
					}
					found = append(found, rule.Finding{Message: "is locked by " + strings.Join(names, " and "), File: m.Path, Line: 1})
				}
			}
			return found, p.manifestErr
		}),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-lock-stale", Severity: rule.High, Title: "Lock files hold what the manifests name",
			Why:    "What is not in the lock file is taken from the registry as it is that day, or the build fails and somebody takes the option out.",
			Guides: []string{"S0-48", "S0-58"}, Verify: verify, Fix: "Make the lock file again: npm install --package-lock-only, go mod tidy, cargo generate-lockfile.",
		}, (*Project).stale),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-lock-range", Severity: rule.High, Title: "Locked versions are those that the manifests allow",
			Why:    "A locked version outside the range was not put there by the package manager: it is a mistake in a merge, or somebody's choice for you.",
			Verify: verify, CWE: []string{"CWE-345"}, Fix: "Find out who changed the lock file, and make it again from the manifest.",
		}, (*Project).ranges),
		of(topic.Supply, rule.Meta{
			ID: "dependencies-range-open", Severity: rule.Low, Title: "Manifests say which versions they take",
			Why:    "A dependency on any version takes the next major release, or a hijacked one, whenever the lock file is made again.",
			Verify: "Look for *, latest and missing ranges in the manifest.", Fix: "Write the range that was tested.",
		}, func(p *Project) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, m := range p.manifests {
				for _, n := range m.Needs {
					if m.Ecosystem != "" && m.Open(n) {
						found = append(found, rule.Finding{Message: n.Key() + " is taken in any version", File: m.Path, Line: m.Line(n), Pointer: n.Key()})
					}
				}
			}
			return found, p.manifestErr
		}),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-requirements-unpinned", Severity: rule.Medium, Title: "Requirements of Python name one version each",
			Why:    "A range takes a release that came out a minute ago, hijacked or not.",
			Guides: []string{"S0-48", "S1-22"}, Verify: "pip install --require-hashes -r requirements.txt", Fix: "Write name==version with --hash lines: uv pip compile --generate-hashes.",
		}, func(p *Project) ([]rule.Finding, error) {
			var found []rule.Finding
			for _, x := range p.loose {
				found = append(found, rule.Finding{Message: x.Text + " is not one version", File: x.file, Line: x.Line, Pointer: x.Name})
			}
			return found, p.lockErr
		}),
	}
}

func (p *Project) missing() ([]rule.Finding, error) {
	var found []rule.Finding
	for _, m := range p.manifests {
		if len(m.Needs) == 0 {
			continue
		}
		dir, names := p.lockNames(m)
		if len(names) == 0 {
			if path.Base(m.Path) == "pyproject.toml" && p.exists(path.Join(path.Dir(m.Path), "requirements.txt")) {
				continue
			}
			found = append(found, rule.Finding{Message: "has no lock file", File: m.Path, Line: 1})
			continue
		}
		for _, name := range names {
			if l := p.byPath[name]; l != nil && !member(l, folder(dir, m.Path)) {
				found = append(found, rule.Finding{Message: "has no lock file: " + name + " does not hold this folder", File: m.Path, Line: 1})
			}
		}
	}
	for _, m := range p.modules {
		if len(m.file.Require) > 0 && !m.summed {
			found = append(found, rule.Finding{Message: "has no go.sum", File: m.path, Line: 1})
		}
	}
	return found, p.manifestErr
}

// each calls look for the direct dependencies that come from a registry and are
// locked by a file that was read.
func (p *Project) each(look func(m *manifest.Manifest, n manifest.Need, l *lockfile.Lock, versions []string)) {
	for _, m := range p.manifests {
		dir, names := p.lockNames(m)
		for _, name := range names {
			l := p.byPath[name]
			where := folder(dir, m.Path)
			if l == nil || !member(l, where) {
				continue
			}
			for _, n := range m.Needs {
				if n.Local || m.Overridden[n.Name] || m.Overridden[n.Key()] {
					continue
				}
				key := n.Key()
				if l.Ecosystem == lockfile.Cargo { // lists what things are, not what they are called here
					key = n.Name
				}
				look(m, n, l, l.Versions(where, key, cmp.Or(n.Text, n.Want)))
			}
		}
	}
}

func (p *Project) stale() ([]rule.Finding, error) {
	var found []rule.Finding
	p.each(func(m *manifest.Manifest, n manifest.Need, l *lockfile.Lock, versions []string) {
		dir := path.Dir(l.Path)
		made, told := l.Wants[folder(dir, m.Path)][n.Key()]
		base := path.Base(l.Path)
		message := ""
		switch {
		case len(versions) == 0 && l.Has(n.Name):
			message = n.Key() + " is in " + base + ", but not for this range"
		case len(versions) == 0:
			message = n.Key() + " is not in " + base
		case l.Wants != nil && n.Text != "" && (!told || made != n.Text):
			message = base + " was made for another range of " + n.Key()
		default:
			return
		}
		found = append(found, rule.Finding{Message: message, File: m.Path, Line: m.Line(n), Pointer: n.Key()})
	})
	for _, m := range p.modules {
		if !m.summed {
			continue
		}
		replaced := lockfile.Replaced(m.file)
		for _, q := range m.file.Require {
			v := q.Mod
			if to, ok := replaced.By(v); ok {
				if v = to; v.Version == "" {
					continue
				}
			}
			if !slices.ContainsFunc(m.sums, func(s lockfile.Sums) bool { return s.Has(v) }) {
				found = append(found, rule.Finding{Message: v.Path + " " + v.Version + " is not in go.sum", File: m.path, Line: q.Syntax.Start.Line, Pointer: v.Path})
			}
		}
	}
	return found, errors.Join(p.manifestErr, p.lockErr)
}

func (p *Project) ranges() ([]rule.Finding, error) {
	var found []rule.Finding
	errs := []error{p.manifestErr, p.lockErr}
	p.each(func(m *manifest.Manifest, n manifest.Need, l *lockfile.Lock, versions []string) {
		if len(versions) > maxVersions {
			versions = versions[:maxVersions+1]
		}
		versions = slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return v == "" || strings.ContainsAny(v, ":/") }) // folders and repositories
		if len(versions) == 0 {
			return
		}
		if len(versions) > maxVersions {
			errs = append(errs, fmt.Errorf("%s: holds more than %d versions of %s", l.Path, maxVersions, n.Name))
			return
		}
		for _, v := range versions {
			in, err := m.Within(n, v)
			if err != nil {
				errs = append(errs, err)
				return
			}
			if in {
				return
			}
		}
		found = append(found, rule.Finding{
			Message: fmt.Sprintf("%s is locked to %s by %s, and %s is what is wanted", n.Key(), versions[0], path.Base(l.Path), n.Want), File: m.Path, Line: m.Line(n), Pointer: n.Key(),
		})
	})
	return found, errors.Join(errs[:min(len(errs), maxPerFile)]...)
}
