package lockfile

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxYAML bounds what is read as YAML, in bytes: reading it takes a hundred times
// as much memory. Large projects have two or three million.
const maxYAML = 8 << 20

// pnpmEntry is an entry of "packages".
type pnpmEntry struct {
	name, version, deprecated        string
	integrity, tarball, kind, commit string
	directory, repo                  string
	dev, builds                      bool
}

func readPNPM(l *Lock, t text) error {
	if len(t.data) > maxYAML {
		return fmt.Errorf("has %d bytes, at most %d are read", len(t.data), maxYAML)
	}
	var doc yaml.Node
	if err := yaml.Load(t.data, &doc, yaml.WithV4Defaults(), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth)))); err != nil {
		var at *yaml.LoadError
		if errors.As(err, &at) {
			return fmt.Errorf("line %d: is no YAML", at.Mark.Line)
		}
		return errors.New("is no YAML, or more than one document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return errors.New("want a table of names and values")
	}
	root := doc.Content[0]
	version, importers := "", map[string]map[string]string{} // folder, name: version
	l.Wants = map[string]map[string]string{}
	one := map[string]*yaml.Node{}
	err := pairs(root, func(name string, v *yaml.Node) error {
		one[name] = v
		switch name {
		case "lockfileVersion":
			version = v.Value
		case "importers":
			return pairs(v, func(folder string, v *yaml.Node) error {
				return l.pnpmImporter(path.Join(".", folder), v, importers)
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	major, _, _ := strings.Cut(version, ".")
	if major != "5" && major != "6" && major != "9" {
		return fmt.Errorf("lockfileVersion %.20q: %w", version, ErrFormat)
	}
	if one["importers"] == nil {
		if err := l.pnpmImporter(".", root, importers); err != nil {
			return err
		}
	}
	if one["packages"] != nil {
		err = pairs(one["packages"], func(key string, v *yaml.Node) error { return l.pnpmPackage(key, v, major == "5") })
	}
	l.resolve = func(folder, name, _ string) []string {
		if v, ok := importers[folder][name]; ok {
			return []string{v}
		}
		return nil
	}
	return err
}

// pairs calls each for the members of a table. Aliases and anchors are no part of
// what pnpm writes.
func pairs(n *yaml.Node, each func(name string, v *yaml.Node) error) error {
	if n.Kind == yaml.ScalarNode && n.Value == "" {
		return nil
	}
	if n.Kind != yaml.MappingNode || n.Anchor != "" {
		return fmt.Errorf("line %d: want a table of names and values", n.Line)
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || v.Kind == yaml.AliasNode || v.Anchor != "" || k.Anchor != "" || seen[k.Value] {
			return fmt.Errorf("line %d: an alias, an anchor, a name that is no text, or one that stands twice", k.Line)
		}
		seen[k.Value] = true
		if err := each(k.Value, v); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lock) pnpmImporter(folder string, n *yaml.Node, importers map[string]map[string]string) error {
	versions, wants := map[string]string{}, map[string]string{}
	err := pairs(n, func(group string, v *yaml.Node) error {
		switch group {
		case "specifiers":
			return pairs(v, func(name string, v *yaml.Node) error { wants[name] = v.Value; return nil })
		case "dependencies", "devDependencies", "optionalDependencies":
			return pairs(v, func(name string, v *yaml.Node) error {
				if v.Kind == yaml.ScalarNode {
					versions[name] = pnpmVersion(v.Value)
					return nil
				}
				return pairs(v, func(field string, v *yaml.Node) error {
					switch field {
					case "specifier":
						wants[name] = v.Value
					case "version":
						versions[name] = pnpmVersion(v.Value)
					}
					return nil
				})
			})
		}
		return nil
	})
	importers[folder], l.Wants[folder] = versions, wants
	return err
}

// pnpmVersion takes what stands for peers off, and the name of an alias.
func pnpmVersion(s string) string {
	s, _, _ = strings.Cut(s, "(")
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		s, _, _ = strings.Cut(s, "_")
		return s
	}
	if kind, _, _ := address(s); kind != Registry && !strings.HasPrefix(s, "/") {
		return s
	}
	if strings.HasPrefix(s, "/") || strings.Contains(strings.TrimPrefix(s, "@"), "@") { // an alias: /name@1.2.3, name@1.2.3
		_, v := split(strings.TrimPrefix(s, "/"))
		if v == "" {
			v = path.Base(s)
		}
		s = v
	}
	s, _, _ = strings.Cut(s, "_")
	return s
}

func (l *Lock) pnpmPackage(key string, n *yaml.Node, old bool) error {
	var e pnpmEntry
	err := pairs(n, func(field string, v *yaml.Node) error {
		switch field {
		case "resolution":
			return pairs(v, func(field string, v *yaml.Node) error {
				for known, into := range map[string]*string{"integrity": &e.integrity, "tarball": &e.tarball, "type": &e.kind, "commit": &e.commit, "directory": &e.directory, "repo": &e.repo} {
					if field == known {
						*into = v.Value
					}
				}
				return nil
			})
		case "name":
			e.name = v.Value
		case "version":
			e.version = v.Value
		case "deprecated":
			e.deprecated = v.Value
		case "dev":
			e.dev = v.Value == "true"
		case "requiresBuild":
			e.builds = v.Value == "true"
		}
		return nil
	})
	if err != nil {
		return err
	}
	name, version := pnpmKey(key, old)
	if e.name != "" {
		name = e.name
	}
	if e.version != "" {
		version = e.version
	}
	p := Package{Name: name, Version: version, Line: max(n.Line-1, 1), Hash: e.integrity, Dev: e.dev, Scripts: e.builds, Deprecated: e.deprecated}
	switch {
	case e.kind == "git" || e.repo != "":
		p.Source, p.From, p.Commit = Git, e.repo, hexCommit(e.commit)
	case e.kind == "directory" || e.directory != "":
		p.Source, p.From = Local, e.directory
	case e.tarball != "":
		p.Source, p.From, _ = address(e.tarball)
		switch {
		case p.Source == Archive && Tarball(e.tarball):
			p.Source = Registry
		case p.Source == Archive && strings.HasPrefix(e.tarball, "https://codeload.github.com/"):
			p.Source, p.Commit = Git, hexCommit(path.Base(e.tarball))
		case p.Source == Registry:
			p.Source = Local
		}
	}
	return l.add(p)
}

// pnpmKey reads "/name/1.2.3_peer" (version 5), "/name@1.2.3(peer)" or
// "name@1.2.3(peer)".
func pnpmKey(key string, old bool) (name, version string) {
	key, _, _ = strings.Cut(key, "(")
	key = strings.TrimPrefix(key, "/")
	if old {
		dir, base := path.Split(key)
		base, _, _ = strings.Cut(base, "_")
		return strings.TrimSuffix(dir, "/"), base
	}
	name, version = split(key)
	if kind, _, _ := address(version); kind != Registry {
		version = ""
	}
	return name, version
}
