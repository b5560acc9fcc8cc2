package dependencies

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
)

// entries makes a check of the entries of lock files. look returns what is wrong
// with one, or nothing.
func entries(look func(p *Project, l *lockfile.Lock, e lockfile.Package) string) func(*Project) ([]rule.Finding, error) {
	return func(p *Project) ([]rule.Finding, error) {
		var found []rule.Finding
		for _, l := range p.locks {
			for _, e := range l.Packages {
				if wrong := look(p, l, e); wrong != "" {
					found = append(found, at(l.Path, e, "%s", wrong))
				}
			}
		}
		return found, p.lockErr
	}
}

func entryRules() []Rule {
	return []Rule{
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-integrity-missing", Severity: rule.Medium, Title: "Lock files hold the hash of each package",
			Why:    "Without a hash nobody notices that the registry, or somebody on the way, delivers another file under the same version.",
			Guides: []string{"S0-48", "S3-22"}, CWE: []string{"CWE-353"}, Verify: "Look for entries without integrity, checksum or hash.",
			Fix: "Make the lock file again with a current package manager; for pip: uv pip compile --generate-hashes.",
		}, entries(func(_ *Project, l *lockfile.Lock, e lockfile.Package) string {
			if e.Hash != "" || e.Bundled || e.Foreign || e.Source == lockfile.Local || e.Source == lockfile.Git || l.Ecosystem == lockfile.Go { // go.sum is a matter of dependencies-lock-stale
				return ""
			}
			return "has no hash"
		})),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-unversioned", Severity: rule.Medium, Title: "Lock files name the version of each package",
			Why:    "An entry without a version locks nothing, and no database can be asked about it.",
			Verify: "Look for entries without a version.", Fix: "Make the lock file again with the package manager.",
		}, entries(func(_ *Project, _ *lockfile.Lock, e lockfile.Package) string {
			if e.Version != "" || e.Source != lockfile.Registry {
				return ""
			}
			return "has no version"
		})),
		of(topic.Supply, rule.Meta{
			ID: "dependencies-deprecated", Severity: rule.Low, Title: "No package is given up by who made it",
			Why:    "A deprecated package gets no fixes, also not for what is found tomorrow.",
			Guides: []string{"S0-46"}, CWE: []string{"CWE-1104"}, Verify: "npm ci and pnpm install print what is deprecated.", Fix: "Move to what the message of the package names.",
		}, entries(func(_ *Project, _ *lockfile.Lock, e lockfile.Package) string {
			if e.Deprecated == "" {
				return ""
			}
			return "is deprecated: " + shorten(e.Deprecated, 160)
		})),
		of(topic.Injection, rule.Meta{
			ID: "dependencies-install-scripts", Severity: rule.Info, Title: "No package runs a script when it is installed",
			Why:    "Install scripts are how hijacked packages take over the machines of developers and pipelines.",
			Guides: []string{"S0-48", "S0-58"}, Verify: "npm ci --ignore-scripts works.", Fix: "Install with --ignore-scripts, and allow by name the few packages that need to build.",
		}, entries(func(_ *Project, _ *lockfile.Lock, e lockfile.Package) string {
			if !e.Scripts {
				return ""
			}
			return "runs a script when it is installed"
		})),
	}
}

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func sourceRules() []Rule {
	plain := of(topic.Transport, rule.Meta{
		ID: "dependencies-source-plain", Severity: rule.High, Title: "Packages come over an encrypted connection",
		Why: "Over http or git:// anybody on the way delivers other code.", CWE: []string{"CWE-319"},
		Verify: "grep -n 'http://\\|git://' in lock files and requirements.", Fix: "Write https where http or git stands.",
	}, func(p *Project) ([]rule.Finding, error) {
		var found []rule.Finding
		for _, l := range p.locks {
			for _, e := range l.Packages {
				for _, address := range append([]string{e.From}, e.Others...) {
					if scheme, open := unencrypted(address); open {
						found = append(found, at(l.Path, e, "comes over %s", scheme))
						break
					}
				}
			}
		}
		for _, x := range p.indexes {
			if scheme, open := unencrypted(x.From); open {
				found = append(found, at(x.file, x.Package, "is asked over %s", scheme))
			}
		}
		for _, m := range p.manifests {
			for _, n := range m.Needs {
				if scheme, open := unencrypted(n.From); open {
					found = append(found, rule.Finding{Message: n.Key() + " comes over " + scheme, File: m.Path, Line: m.Line(n), Pointer: n.Key()})
				}
			}
		}
		return found, allErr(p)
	})
	plain.Mend, plain.Fixable = (*Project).encrypt, true
	return []Rule{
		plain,
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-source-moving", Severity: rule.High, Title: "Packages from repositories are locked to a commit",
			Why:    "A branch or a tag is whatever its owner, or who took the account over, makes of it.",
			Verify: "Entries from git end in the 40 digits of a commit.", Fix: "Name the commit, or take the package from the registry.",
		}, entries(func(_ *Project, _ *lockfile.Lock, e lockfile.Package) string {
			if e.Source != lockfile.Git || e.Commit != "" {
				return ""
			}
			return "comes from a repository without a commit"
		})),
		of(topic.Supply, rule.Meta{
			ID: "dependencies-source-elsewhere", Severity: rule.Medium, Title: "Packages come from the registry",
			Why:    "An archive on some host passes by what registries do: nobody scans it, nobody withdraws it, and a line in a lock file is easily missed in a review.",
			CWE:    []string{"CWE-494"},
			Verify: "Compare the hosts in the lock file with those of the registries.", Fix: "Take the package from the registry; name one of your own in .npmrc, pyproject.toml or .cargo/config.toml.",
		}, entries(func(p *Project, l *lockfile.Lock, e lockfile.Package) string { return p.elsewhere(l, e) })),
		of(topic.Integrity, rule.Meta{
			ID: "dependencies-source-mismatch", Severity: rule.High, Title: "Addresses in lock files are those of the packages that they stand for",
			Why:    "A changed address in a lock file installs another package under a trusted name: few people review these files.",
			Verify: "The address of an entry names the package and the version of the entry.", CWE: []string{"CWE-345"}, Fix: "Find out who changed the lock file, and make it again from the manifest.",
		}, entries(func(_ *Project, l *lockfile.Lock, e lockfile.Package) string { return mismatch(l, e) })),
		of(topic.Supply, rule.Meta{
			ID: "dependencies-replace-outside", Severity: rule.Medium, Title: "Nothing is taken from a folder outside the project",
			Why:    "What is built then depends on what lies on one machine, and no lock file holds it.",
			Verify: "grep -n replace go.mod; look for file: and path with .. in manifests.", Fix: "Publish the module, or take it into the repository.",
		}, (*Project).outside),
		of(topic.Supply, rule.Meta{
			ID: "dependencies-index-mixed", Severity: rule.Medium, Title: "Each package of Python has one registry",
			Why:    "pip takes the highest version of all registries that it is given: who publishes the name of your private package in the public one wins.",
			CWE:    []string{"CWE-427"},
			Verify: "grep -rn extra-index-url requirements*.txt", Fix: "Use one --index-url that serves both, or pin the hashes.",
		}, (*Project).mixed),
	}
}

// mixed finds requirements for which pip asks more than one registry.
func (p *Project) mixed() ([]rule.Finding, error) {
	var found []rule.Finding
	addresses, extra := map[string]map[string]bool{}, map[string]bool{}
	for _, x := range p.indexes {
		if host(x.From) == "" { // a folder
			continue
		}
		if addresses[x.file] == nil {
			addresses[x.file] = map[string]bool{}
		}
		addresses[x.file][x.From] = true
		extra[x.file] = extra[x.file] || x.Extra
	}
	for _, x := range p.indexes {
		l := p.byPath[x.file]
		if many := len(addresses[x.file]) > 1 || extra[x.file]; !many || l != nil && hashed(l) {
			continue
		}
		found = append(found, rule.Finding{Message: "more than one registry is asked for each package", File: x.file, Line: x.Line})
		delete(addresses, x.file)
		delete(extra, x.file)
	}
	return found, p.lockErr
}

// hashed reports whether all packages of a lock file have a hash.
func hashed(l *lockfile.Lock) bool {
	for _, e := range l.Packages {
		if e.Hash == "" {
			return false
		}
	}
	return len(l.Packages) > 0
}

// encrypt writes https where public registries are asked over http.
func (p *Project) encrypt() ([]rule.Edit, error) {
	var out []rule.Edit
	for _, l := range p.locks {
		if !slices.ContainsFunc(l.Packages, func(e lockfile.Package) bool {
			return slices.ContainsFunc(append([]string{e.From}, e.Others...), func(a string) bool { _, open := unencrypted(a); return open })
		}) {
			continue
		}
		data, err := p.tree.ReadLarge(l.Path)
		if err != nil {
			return nil, err
		}
		for _, host := range [...]string{"registry.npmjs.org/", "registry.yarnpkg.com/", "files.pythonhosted.org/", "pypi.org/"} {
			address := []byte("http://" + host)
			for from := 0; ; {
				i := bytes.Index(data[from:], address)
				if i < 0 {
					break
				}
				from += i + len("http")
				out = append(out, rule.Edit{File: l.Path, Start: from, End: from, Text: "s"})
			}
		}
	}
	return out, nil
}

func unencrypted(address string) (scheme string, yes bool) {
	for _, scheme := range [...]string{"http", "git", "ftp"} {
		if strings.HasPrefix(strings.ToLower(strings.TrimPrefix(address, "git+")), scheme+"://") {
			return scheme, true
		}
	}
	return "", false
}

// elsewhere returns what is wrong with where an entry comes from.
func (p *Project) elsewhere(l *lockfile.Lock, e lockfile.Package) string {
	switch e.Source {
	case lockfile.Archive:
		if p.official(l, e.From) && l.Ecosystem != lockfile.NPM {
			return ""
		}
		return "comes from an address of its own at " + host(e.From)
	case lockfile.Registry:
		for _, address := range append([]string{e.From}, e.Others...) {
			if h := host(address); h != "" && !p.official(l, address) {
				return "comes from " + h + ", which is no registry that the project names"
			}
		}
	case lockfile.Git, lockfile.Local:
	}
	return ""
}

// official reports whether an address is at a public registry, or one that the
// project names.
func (p *Project) official(l *lockfile.Lock, address string) bool {
	h := host(address)
	if p.registries[h] {
		return true
	}
	switch l.Ecosystem {
	case lockfile.NPM:
		return h == "registry.npmjs.org" || h == "registry.yarnpkg.com"
	case lockfile.PyPI:
		return h == "pypi.org" || h == "files.pythonhosted.org" || h == "pypi.python.org"
	case lockfile.Cargo:
		return h == "index.crates.io" || h == "github.com" && strings.HasSuffix(address, "://github.com/rust-lang/crates.io-index")
	case lockfile.Go:
	}
	return false
}

// mismatch returns what is wrong with the address of an entry, whose form is known
// for tarballs of npm and files of PyPI.
func mismatch(l *lockfile.Lock, e lockfile.Package) string {
	if e.Source != lockfile.Registry {
		return ""
	}
	switch l.Ecosystem {
	case lockfile.NPM:
		if !lockfile.Tarball(e.From) {
			return ""
		}
		at, _, _ := strings.Cut(e.From, "?")
		at = strings.NewReplacer("%2f", "/", "%2F", "/", "%40", "@").Replace(at)
		before, file, _ := strings.Cut(at, "/-/")
		if !strings.HasSuffix(before, "/"+e.Name) {
			return "is taken from the address of another package: " + shorten(e.From, 160)
		}
		if v := strings.TrimSuffix(path.Base(file), ".tgz"); v != path.Base(e.Name)+"-"+e.Version && e.Version != "" {
			return "is taken from the address of another version: " + shorten(e.From, 160)
		}
	case lockfile.PyPI:
		for _, address := range e.Others {
			file, _, _ := strings.Cut(address, "#")
			if !strings.HasPrefix(lockfile.Normal(path.Base(file)), e.Name+"-") {
				return "is taken from the file of another package: " + shorten(address, 160)
			}
		}
	case lockfile.Go, lockfile.Cargo:
	}
	return ""
}

// outside finds what is taken from outside the folder that is looked at.
func (p *Project) outside() ([]rule.Finding, error) {
	if p.tree.Single() {
		return nil, errNoFolder
	}
	var found []rule.Finding
	for _, m := range p.modules {
		for _, r := range m.file.Replace {
			if r.New.Version == "" && leaves(m.dir, r.New.Path) {
				found = append(found, rule.Finding{Message: r.Old.Path + " is replaced by a folder outside: " + shorten(r.New.Path, 160), File: m.path, Line: r.Syntax.Start.Line, Pointer: r.Old.Path})
			}
		}
	}
	for _, m := range p.manifests {
		for _, n := range m.Needs {
			if n.Local && leaves(path.Dir(m.Path), n.From) {
				found = append(found, rule.Finding{Message: n.Key() + " is a folder outside: " + shorten(n.From, 160), File: m.Path, Line: m.Line(n), Pointer: n.Key()})
			}
		}
	}
	for _, l := range p.locks {
		for _, e := range l.Packages {
			if l.Manager == "pip" && e.Source == lockfile.Local && leaves(path.Dir(l.Path), strings.TrimPrefix(e.From, "//")) {
				found = append(found, at(l.Path, e, "is a folder outside"))
			}
		}
	}
	return found, allErr(p)
}

// leaves reports whether a path leads out of the folder that is looked at.
func leaves(dir, to string) bool {
	if to == "" {
		return false
	}
	to = strings.ReplaceAll(to, `\`, "/")
	drive := len(to) > 1 && to[1] == ':'
	if path.IsAbs(to) || drive || strings.HasPrefix(to, "~") {
		return true
	}
	joined := path.Join(dir, to)
	return joined == ".." || strings.HasPrefix(joined, "../")
}
