package lockfile

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// npmEntry is an entry of a package-lock.json: of "packages" (from version 2) or
// "dependencies" (version 1).
type npmEntry struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Resolved     any               `json:"resolved"` // false in some old files
	Integrity    string            `json:"integrity"`
	Link         bool              `json:"link"`
	Dev          bool              `json:"dev"`
	DevOptional  bool              `json:"devOptional"`
	InBundle     bool              `json:"inBundle"`
	Bundled      bool              `json:"bundled"`
	Scripts      bool              `json:"hasInstallScript"`
	Deprecated   any               `json:"deprecated"`
	Dependencies map[string]string `json:"dependencies"`
	Development  map[string]string `json:"devDependencies"`
	Optional     map[string]string `json:"optionalDependencies"`
}

func readNPM(l *Lock, t text) error {
	version, places := 0, map[string]string{}
	var old, packages func() error
	err := t.whole(func(name string, at, line int, v jsontext.Value) error {
		switch name {
		case "lockfileVersion":
			return t.decode(line, v, &version)
		case "packages":
			packages = func() error { return l.npmPackages(t, at, v, places) }
		case "dependencies":
			old = func() error { return l.npmOld(t, at, v, places) }
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case version < 0 || version > 3:
		return fmt.Errorf("lockfileVersion %d: %w", version, ErrFormat)
	case packages != nil:
		err = packages()
	case version > 1:
		return fmt.Errorf("has no packages, which lockfileVersion %d has", version)
	case old != nil:
		err = old()
	}
	if err != nil {
		return err
	}
	l.resolve = func(folder, name, _ string) []string {
		for dir := folder; ; dir = path.Dir(dir) { // as Node looks for it
			if v, ok := places[path.Join(dir, "node_modules", name)]; ok {
				return []string{v}
			}
			if dir == "." || dir == "/" {
				return nil
			}
		}
	}
	return nil
}

func (l *Lock) npmPackages(t text, at int, v jsontext.Value, places map[string]string) error {
	l.Wants = map[string]map[string]string{}
	targets := map[string]string{} // of links
	err := t.members(at, v, func(place string, _, line int, v jsontext.Value) error {
		var e npmEntry
		if err := t.decode(line, v, &e); err != nil {
			return err
		}
		i := strings.LastIndex(place, "node_modules/")
		if i < 0 { // the root, or a workspace
			wants := map[string]string{}
			for _, more := range [...]map[string]string{e.Dependencies, e.Development, e.Optional} {
				for name, want := range more {
					wants[name] = want
				}
			}
			l.Wants[path.Join(".", place)] = wants
			targets[place] = e.Version
			return nil
		}
		name := place[i+len("node_modules/"):]
		if e.Link {
			to, _ := e.Resolved.(string)
			places[place] = targets[to]
			return l.add(Package{Name: name, Version: e.Version, Line: line, Source: Local, From: to})
		}
		places[place] = e.Version
		if e.Name != "" {
			name = e.Name
		}
		return l.npmAdd(name, e, line)
	})
	return err
}

// oldReader reads the entries of version 1, which are nested. It does so in one
// pass: entries in entries would else be read as often as they are deep.
type oldReader struct {
	lock   *Lock
	text   text
	at     int // where the value begins
	dec    *jsontext.Decoder
	places map[string]string
}

func (l *Lock) npmOld(t text, at int, v jsontext.Value, places map[string]string) error {
	r := oldReader{l, t, at, jsontext.NewDecoder(bytes.NewBuffer(v)), places}
	err := r.entries("", 0)
	slices.SortStableFunc(l.Packages, func(a, b Package) int { return a.Line - b.Line }) // what nests comes behind what it holds
	return err
}

func (r *oldReader) line() int { return r.text.line(r.at + int(r.dec.InputOffset()) - 1) }

// object calls each for the members of the object that comes next. each reads the
// value.
func (r *oldReader) object(each func(name string, line int) error) error {
	start, err := r.dec.ReadToken()
	if err != nil {
		return r.text.broken(r.at, r.dec, err)
	}
	if start.Kind() != '{' {
		return fmt.Errorf("line %d: %w", r.line(), errObject)
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return r.text.broken(r.at, r.dec, err)
		}
		if err := each(name.String(), r.line()); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return r.text.broken(r.at, r.dec, err)
	}
	return nil
}

func (r *oldReader) entries(folder string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("line %d: is nested too deep", r.line())
	}
	return r.object(func(name string, line int) error {
		place := path.Join(folder, "node_modules", name)
		var e npmEntry
		err := r.object(func(field string, line int) error {
			if field == "dependencies" {
				return r.entries(place, depth+1)
			}
			v, err := r.dec.ReadValue()
			if err != nil {
				return r.text.broken(r.at, r.dec, err)
			}
			for known, into := range map[string]any{
				"version": &e.Version, "resolved": &e.Resolved, "integrity": &e.Integrity, "dev": &e.Dev, "bundled": &e.Bundled, "inBundle": &e.InBundle, "deprecated": &e.Deprecated,
			} {
				if field == known {
					return r.text.decode(line, v, into)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if alias, ok := strings.CutPrefix(e.Version, "npm:"); ok {
			if i := strings.LastIndex(alias, "@"); i > 0 {
				name, e.Version = alias[:i], alias[i+1:]
			}
		}
		r.places[place] = e.Version
		if kind, _, _ := address(e.Version); kind != Registry && e.Resolved == nil {
			e.Resolved, e.Version = e.Version, ""
		}
		return r.lock.npmAdd(name, e, line)
	})
}

func (l *Lock) npmAdd(name string, e npmEntry, line int) error {
	resolved, _ := e.Resolved.(string)
	p := Package{Name: name, Version: e.Version, Line: line, Hash: e.Integrity, Bundled: e.InBundle || e.Bundled, Dev: e.Dev || e.DevOptional, Scripts: e.Scripts}
	if text, ok := e.Deprecated.(string); ok {
		p.Deprecated = text
	} else if yes, _ := e.Deprecated.(bool); yes {
		p.Deprecated = "deprecated"
	}
	if resolved != "" {
		p.Source, p.From, p.Commit = address(resolved)
		if p.Source == Registry { // a bare path
			p.Source = Local
		}
	}
	if p.Source == Archive && Tarball(resolved) {
		p.Source = Registry
	}
	return l.add(p)
}

// Tarball reports whether an address has the form of a package in a registry of
// npm: "…/name/-/name-1.2.3.tgz".
func Tarball(address string) bool {
	address, _, _ = strings.Cut(address, "#")
	address, _, _ = strings.Cut(address, "?")
	return strings.Contains(address, "/-/") && strings.HasSuffix(address, ".tgz")
}
