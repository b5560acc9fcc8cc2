package lockfile

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Standard is the name under which OSV lists the standard library of Go.
const Standard = "stdlib"

// Sums are the lines of go.sum files.
type Sums map[module.Version]string

// ReadSums reads a go.sum or go.work.sum into sums.
func (s Sums) ReadSums(name string, data []byte) error {
	for i, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || !strings.HasPrefix(f[2], "h1:") || len(f[2]) > 128 {
			return fmt.Errorf("%s:%d: want a module, a version and a hash", name, i+1)
		}
		if len(s) > 2*maxPackages {
			return fmt.Errorf("%s: %w", name, errMany)
		}
		s[module.Version{Path: f[0], Version: f[1]}] = f[2]
	}
	return nil
}

// Has reports whether a module, or at least its go.mod, has a hash.
func (s Sums) Has(m module.Version) bool {
	return s[m] != "" || s[module.Version{Path: m.Path, Version: m.Version + "/go.mod"}] != ""
}

// Module makes a lock of a go.mod: it names one version of each module, and the
// hashes are in sums. Modules that are replaced are what replaces them.
func Module(name string, data []byte, sums ...Sums) (*Lock, *modfile.File, error) {
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		var list modfile.ErrorList
		if errors.As(err, &list) && len(list) > 0 {
			return nil, nil, fmt.Errorf("%s:%d: is no go.mod", name, list[0].Pos.Line)
		}
		return nil, nil, fmt.Errorf("%s: is no go.mod", name)
	}
	l := &Lock{Path: name, Manager: "go", Ecosystem: Go}
	err = l.fill(data, func(l *Lock, _ text) error {
		replaced := Replaced(f)
		for _, r := range f.Require {
			p := Package{Name: r.Mod.Path, Version: r.Mod.Version, Line: r.Syntax.Start.Line}
			m := r.Mod
			if to, ok := replaced.By(r.Mod); ok {
				m = to
				p.Name, p.Version = to.Path, to.Version
				if to.Version == "" {
					p.Source, p.From, p.Name, p.Version = Local, to.Path, r.Mod.Path, r.Mod.Version
				}
			}
			for _, s := range sums {
				p.Hash = cmp.Or(p.Hash, s[m])
			}
			if err := l.add(p); err != nil {
				return err
			}
		}
		return l.standard(f)
	})
	return l, f, err
}

// Replacements are what stands in for modules.
type Replacements map[module.Version]module.Version

// Replaced returns the replacements of a go.mod.
func Replaced(f *modfile.File) Replacements {
	out := make(Replacements, len(f.Replace))
	for _, r := range f.Replace {
		out[r.Old] = r.New
	}
	return out
}

// By returns what stands in for a module, if anything does.
func (r Replacements) By(m module.Version) (module.Version, bool) {
	if to, ok := r[m]; ok {
		return to, true
	}
	to, ok := r[module.Version{Path: m.Path}]
	return to, ok
}

// standard adds the standard library, in the version that go.mod asks for at
// least.
func (l *Lock) standard(f *modfile.File) error {
	version, line := "", 0
	if f.Go != nil {
		version, line = f.Go.Version, f.Go.Syntax.Start.Line
	}
	if f.Toolchain != nil {
		if v, ok := strings.CutPrefix(f.Toolchain.Name, "go"); ok {
			version, line = v, f.Toolchain.Syntax.Start.Line
		}
	}
	version, _, _ = strings.Cut(version, "-")
	if strings.Count(version, ".") < 2 || !semver.IsValid("v"+version) { // no release, or one before 1.21
		return nil
	}
	return l.add(Package{Name: Standard, Version: "v" + version, Line: line, Hash: "by the toolchain"})
}
