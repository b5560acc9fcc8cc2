package lockfile

import (
	"fmt"
	"strings"
)

// yarnEntry is an entry of a yarn.lock, of version 1 or of later ones. Both are
// lines of the same shape; later ones are also YAML, of which yarn uses no more
// than this.
type yarnEntry struct {
	keys                          []string
	line                          int
	version, resolution, resolved string
	integrity, checksum, nested   string
	conditions                    string
}

func readYarn(l *Lock, t text) error {
	entries, err := yarnEntries(t)
	if err != nil {
		return err
	}
	versions := map[string]string{}
	for _, e := range entries {
		if e.keys[0] == "__metadata" {
			continue
		}
		p, err := e.pack()
		if err != nil {
			return fmt.Errorf("line %d: %w", e.line, err)
		}
		for _, k := range e.keys {
			versions[yarnKey(k)] = e.version
		}
		if err := l.add(p); err != nil {
			return err
		}
	}
	l.resolve = func(_, name, want string) []string {
		if v, ok := versions[yarnKey(name+"@"+want)]; ok {
			return []string{v}
		}
		return nil
	}
	return nil
}

// yarnKey writes a key of either version alike.
func yarnKey(k string) string {
	name, want := split(k)
	return name + "@" + strings.TrimPrefix(want, "npm:")
}

// split takes "name@what" apart; a scoped name begins with @.
func split(s string) (name, what string) {
	if i := strings.Index(strings.TrimPrefix(s, "@"), "@"); i > 0 {
		i += len(s) - len(strings.TrimPrefix(s, "@"))
		return s[:i], s[i+1:]
	}
	return s, ""
}

func (e yarnEntry) pack() (Package, error) {
	name, want := split(e.keys[0])
	p := Package{Name: name, Version: e.version, Line: e.line, Hash: e.integrity}
	if e.resolution != "" { // later versions
		p.Hash, p.Foreign = e.checksum, e.conditions != ""
		real, at := split(e.resolution)
		if real == "" || at == "" {
			return p, fmt.Errorf("resolution %.80q: want a name and a version", e.resolution)
		}
		p.Name = real
		switch kind, from, _ := strings.Cut(at, ":"); {
		case kind == "npm":
			if version, archive, ok := strings.Cut(from, "::"); ok { // a host of its own
				_, after, _ := strings.Cut(archive, "__archiveUrl=")
				p.From = unescaped(after)
				from = version
			}
			if from != e.version {
				return p, fmt.Errorf("%.80q: the resolution has another version than the entry", e.resolution)
			}
		case kind == "patch":
			p.Source = Local // a patch of the repository over a package that has its own entry
		default:
			p.Source, p.From, p.Commit = address(at)
			if p.Source == Registry {
				return p, fmt.Errorf("%.80q: is a source that is not read", e.resolution)
			}
			if p.Source == Archive && strings.Contains(p.From, ".git#") {
				p.Source, p.Commit = Git, hexCommit(p.From[strings.Index(p.From, "#")+1:])
			}
		}
		return p, nil
	}
	if alias, ok := strings.CutPrefix(want, "npm:"); ok {
		p.Name, _ = split(alias)
	}
	if e.resolved == "" {
		if kind, from, _ := address(want); kind == Local {
			p.Source, p.From = Local, from
		}
		return p, nil
	}
	p.Source, p.From, p.Commit = address(e.resolved)
	switch {
	case p.Source == Archive && strings.Contains(e.resolved, ".git#"):
		p.Source, p.Commit = Git, hexCommit(e.resolved[strings.Index(e.resolved, "#")+1:])
	case p.Source == Archive:
		var sum string
		p.From, sum, _ = strings.Cut(e.resolved, "#")
		if p.Hash == "" && len(sum) == 40 && hexCommit(sum) != "" {
			p.Hash = "sha1-" + sum
		}
		if Tarball(p.From) {
			p.Source = Registry
		}
	case p.Source == Registry:
		p.Source = Local
	}
	return p, nil
}

func unescaped(s string) string {
	return strings.NewReplacer("%3A", ":", "%3a", ":", "%2F", "/", "%2f", "/", "%40", "@").Replace(s)
}

func yarnEntries(t text) ([]yarnEntry, error) {
	var out []yarnEntry
	for i, line := range strings.Split(string(t.data), "\n") {
		line = strings.TrimRight(line, " \r")
		bare := strings.TrimLeft(line, " ")
		indent := len(line) - len(bare)
		wrong := func(what string) error { return fmt.Errorf("line %d: %s, which is not what yarn writes", i+1, what) }
		switch {
		case bare == "" || bare[0] == '#':
		case line == ":" && len(out) > 0: // behind a long key
		case strings.Contains(line, "\t"):
			return nil, wrong("a tab")
		case indent == 0:
			keys, ok := yarnKeys(bare)
			if !ok {
				return nil, wrong("no name of an entry")
			}
			out = append(out, yarnEntry{keys: keys, line: i + 1})
		case len(out) == 0:
			return nil, wrong("a value of no entry")
		case indent == 2:
			if err := out[len(out)-1].field(bare); err != nil {
				return nil, wrong(err.Error())
			}
		case out[len(out)-1].nested == "":
			return nil, wrong("a value below no name")
		}
		if len(out) > maxPackages {
			return nil, errMany
		}
	}
	return out, nil
}

// yarnKeys reads the line with the names of an entry.
func yarnKeys(line string) ([]string, bool) {
	if strings.HasPrefix(line, "? ") { // YAML writes long keys so
		line = line[2:] + ":"
	}
	line, ok := strings.CutSuffix(line, ":")
	if !ok {
		return nil, false
	}
	if whole, ok := quoted(line); ok { // all names in one pair of quotes
		line = whole
	}
	var out []string
	for k := range strings.SplitSeq(line, ", ") {
		if q, ok := quoted(k); ok {
			k = q
		}
		if k == "" || strings.ContainsAny(k, "\"\\{}[]") {
			return nil, false
		}
		out = append(out, k)
	}
	return out, true
}

func quoted(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' || strings.Contains(s[1:len(s)-1], `"`) {
		return s, false
	}
	return s[1 : len(s)-1], true
}

// field reads `name "value"`, `name: value` or `name:`.
func (e *yarnEntry) field(line string) error {
	if strings.HasSuffix(line, ":") {
		e.nested = strings.TrimSuffix(line, ":")
		return nil
	}
	e.nested = ""
	name, value, ok := strings.Cut(line, " ")
	if !ok {
		return fmt.Errorf("%.40q", line)
	}
	name = strings.TrimSuffix(name, ":")
	if q, ok := quoted(value); ok {
		value = q
	} else if strings.ContainsAny(value[:1], "&*|>{[!'\"%@`") {
		return fmt.Errorf("%.40q", line)
	}
	for known, into := range map[string]*string{
		"version": &e.version, "resolution": &e.resolution, "resolved": &e.resolved, "integrity": &e.integrity, "checksum": &e.checksum, "conditions": &e.conditions,
	} {
		if name == known {
			if *into != "" {
				return fmt.Errorf("%s twice", name)
			}
			*into = value
		}
	}
	return nil
}
