package manifest

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// pep508 is "name[extra] spec".
var pep508 = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*([^;]*)`)

func (m *Manifest) list(texts []string, dev bool) error {
	for _, text := range texts {
		f := pep508.FindStringSubmatch(text)
		if f == nil {
			return errForm
		}
		n := Need{Name: lockfile.Normal(f[1]), Dev: dev}
		spec := strings.Trim(strings.TrimSpace(f[2]), "()")
		if at, ok := strings.CutPrefix(spec, "@"); ok {
			n.point(strings.TrimSpace(at))
		} else {
			n.Want = spec
		}
		m.Needs = append(m.Needs, n)
	}
	return nil
}

func (n *Need) point(at string) {
	n.From = at
	switch {
	case strings.HasPrefix(at, "git+"):
		n.Git = true
		bare, _, _ := strings.Cut(at, "#")
		n.Fixed = hex(bare[strings.LastIndex(bare, "@")+1:])
	case strings.HasPrefix(at, "file:"), strings.HasPrefix(at, "."), strings.HasPrefix(at, "/"):
		n.Local, n.From = true, strings.TrimPrefix(strings.TrimPrefix(at, "file:"), "//")
	default:
		n.Away = true
	}
}

func (m *Manifest) pyproject() error {
	var p struct {
		Project struct {
			Name         string
			Dependencies []string
			Optional     map[string][]string `toml:"optional-dependencies"`
		}
		Groups map[string][]any `toml:"dependency-groups"`
		Tool   struct {
			Poetry struct {
				Name         string
				Dependencies map[string]any
				Development  map[string]any `toml:"dev-dependencies"`
				Group        map[string]struct{ Dependencies map[string]any }
				Source       []struct{ URL string }
			}
			UV struct {
				Sources map[string]any
				Index   []struct{ URL string }
			}
		}
	}
	if err := m.toml(&p); err != nil {
		return err
	}
	if err := m.list(p.Project.Dependencies, false); err != nil {
		return err
	}
	for _, texts := range p.Project.Optional {
		if err := m.list(texts, false); err != nil {
			return err
		}
	}
	for _, entries := range p.Groups {
		for _, e := range entries {
			if text, ok := e.(string); ok { // else it includes another group
				if err := m.list([]string{text}, true); err != nil {
					return err
				}
			}
		}
	}
	poetry := p.Tool.Poetry
	m.Name = cmp.Or(p.Project.Name, poetry.Name)
	m.table(poetry.Dependencies, false)
	m.table(poetry.Development, true)
	for _, g := range poetry.Group {
		m.table(g.Dependencies, true)
	}
	m.poetry = len(poetry.Dependencies)+len(poetry.Development)+len(poetry.Group) > 0
	for _, s := range append(poetry.Source, p.Tool.UV.Index...) {
		m.Registries = append(m.Registries, s.URL)
	}
	sources := map[string]map[string]any{}
	for name, value := range p.Tool.UV.Sources {
		if table, ok := value.(map[string]any); ok {
			sources[lockfile.Normal(name)] = table
		}
	}
	for i := range m.Needs {
		if table, ok := sources[m.Needs[i].Name]; ok {
			m.Needs[i].take(table)
		}
	}
	return nil
}

// table reads `name = "range"` and `name = { version = "range", … }`.
func (m *Manifest) table(table map[string]any, dev bool) {
	for name, value := range table {
		if m.Ecosystem == lockfile.PyPI || m.Ecosystem == "" {
			name = lockfile.Normal(name)
			if name == "python" {
				continue
			}
		}
		n := Need{Name: name, Dev: dev}
		switch v := value.(type) {
		case string:
			n.Want = v
		case map[string]any:
			n.take(v)
		case []any: // one of several, by platform
			n.Want = "*"
		}
		m.Needs = append(m.Needs, n)
	}
}

func (n *Need) take(v map[string]any) {
	text := func(names ...string) string {
		for _, name := range names {
			if s, ok := v[name].(string); ok {
				return s
			}
		}
		return ""
	}
	if want := text("version"); want != "" {
		n.Want = want
	}
	if real := text("package"); real != "" {
		n.Alias, n.Name = n.Name, real
	}
	workspace, _ := v["workspace"].(bool)
	switch {
	case workspace:
		n.Local = true
	case text("git") != "":
		n.Git, n.From, n.Fixed = true, text("git"), hex(text("rev"))
	case text("path", "directory") != "":
		n.Local, n.From = true, text("path", "directory")
	case text("url", "file") != "":
		n.Away, n.From = true, text("url", "file")
	}
}

func (m *Manifest) pipfile() error {
	var p struct {
		Packages    map[string]any
		Development map[string]any `toml:"dev-packages"`
		Source      []struct{ URL string }
	}
	if err := m.toml(&p); err != nil {
		return err
	}
	m.table(p.Packages, false)
	m.table(p.Development, true)
	for _, s := range p.Source {
		m.Registries = append(m.Registries, s.URL)
	}
	return nil
}

func (m *Manifest) cargo() error {
	type tables struct {
		Dependencies map[string]any
		Development  map[string]any `toml:"dev-dependencies"`
		Build        map[string]any `toml:"build-dependencies"`
	}
	var p struct {
		Package      struct{ Name string }
		Dependencies map[string]any
		Development  map[string]any `toml:"dev-dependencies"`
		Build        map[string]any `toml:"build-dependencies"`
		Target       map[string]tables
		Workspace    struct{ Dependencies map[string]any }
	}
	if err := m.toml(&p); err != nil {
		return err
	}
	m.Ecosystem, m.Name = lockfile.Cargo, p.Package.Name
	for _, t := range append(values(p.Target), tables{p.Dependencies, p.Development, p.Build}) {
		for name, v := range t.Dependencies { // of the workspace: the range stands there
			if table, ok := v.(map[string]any); ok && table["workspace"] == true && p.Workspace.Dependencies[name] != nil {
				t.Dependencies[name] = p.Workspace.Dependencies[name]
			}
		}
		m.table(t.Dependencies, false)
		m.table(t.Build, false)
		m.table(t.Development, true)
	}
	return nil
}

func values[V any](m map[string]V) []V {
	var out []V
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
