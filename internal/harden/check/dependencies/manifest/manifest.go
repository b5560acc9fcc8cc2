// Package manifest reads what people write of what they depend on: package.json,
// pyproject.toml, Pipfile and Cargo.toml, and whether a locked version is in the
// range that stands there.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/pelletier/go-toml/v2"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// maxNeeds bounds what one file names.
const maxNeeds = 20_000

// Need is one direct dependency.
type Need struct {
	Name  string // in the registry; PyPI: normalised
	Alias string // under which it is installed, if that is another
	Want  string // range of versions, empty where there is none
	Text  string // what stands in the file, where that is more than the range
	Dev   bool

	Local bool   // a folder or file
	Git   bool   // a repository
	Away  bool   // an address
	From  string // of Local, Git and Away
	Fixed bool   // Git: at a commit
}

// Key is the name under which it is installed.
func (n Need) Key() string {
	if n.Alias != "" {
		return n.Alias
	}
	return n.Name
}

// Manifest is a file that names dependencies.
type Manifest struct {
	Path      string
	Name      string // of the project, empty if it has none
	Ecosystem lockfile.Ecosystem
	Needs     []Need

	// Overridden are names whose version the root of the project decides.
	Overridden map[string]bool

	// Registries are addresses of registries that it names.
	Registries []string

	data   []byte
	poetry bool
	once   sync.Once
	lines  map[string]int // where names stand
}

// Known reports whether files of a name are manifests.
func Known(base string) bool {
	switch base {
	case "package.json", "pyproject.toml", "Pipfile", "Cargo.toml", "Gemfile", "composer.json":
		return true
	}
	return false
}

// Locks are the names of the lock files that go with a manifest, grouped by
// manager: files of two managers are rivals.
func Locks(base string) [][]string {
	switch base {
	case "package.json":
		return [][]string{{"package-lock.json", "npm-shrinkwrap.json"}, {"yarn.lock"}, {"pnpm-lock.yaml"}, {"bun.lock", "bun.lockb"}}
	case "pyproject.toml":
		return [][]string{{"uv.lock"}, {"poetry.lock"}, {"pdm.lock"}, {"pylock.toml"}}
	case "Pipfile":
		return [][]string{{"Pipfile.lock"}}
	case "Cargo.toml":
		return [][]string{{"Cargo.lock"}}
	case "Gemfile":
		return [][]string{{"Gemfile.lock"}}
	case "composer.json":
		return [][]string{{"composer.lock"}}
	}
	return nil
}

// Parse reads a manifest. Of those of Ruby and PHP only that they are there.
func Parse(name string, data []byte) (*Manifest, error) {
	m := &Manifest{Path: name, Overridden: map[string]bool{}, data: data}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: is not UTF-8", name)
	}
	var err error
	switch path.Base(name) {
	case "package.json":
		m.Ecosystem, err = lockfile.NPM, m.npm()
	case "pyproject.toml":
		m.Ecosystem, err = lockfile.PyPI, m.pyproject()
	case "Pipfile":
		m.Ecosystem, err = lockfile.PyPI, m.pipfile()
	case "Cargo.toml":
		m.Ecosystem, err = lockfile.Cargo, m.cargo()
	case "Gemfile", "composer.json":
		m.Needs = []Need{{Name: path.Base(name)}}
	default:
		err = errors.New("is no manifest")
	}
	if err == nil && len(m.Needs) > maxNeeds {
		err = fmt.Errorf("names more than %d dependencies", maxNeeds)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	slices.SortStableFunc(m.Needs, func(a, b Need) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

// Line is where a dependency stands, 1 where that cannot be told.
func (m *Manifest) Line(n Need) int {
	m.once.Do(m.index)
	return max(m.lines[m.normal(n.Key())], 1)
}

// index finds the names that stand at the beginning of a line or of a text in
// quotes, each where it stands first.
func (m *Manifest) index() {
	m.lines = map[string]int{}
	for i, line := range strings.Split(string(m.data), "\n") {
		begin := true
		for at := 0; at < len(line); at++ {
			c := line[at]
			if quote := c == '"' || c == '\''; quote || !begin {
				begin = quote
				continue
			}
			if c == ' ' || c == '\t' {
				continue
			}
			begin = false
			end := at
			for end < len(line) && (strings.IndexByte("@/._-", line[end]) >= 0 || line[end]|0x20 >= 'a' && line[end]|0x20 <= 'z' || line[end] >= '0' && line[end] <= '9') {
				end++
			}
			if name := m.normal(line[at:end]); name != "" && m.lines[name] == 0 {
				m.lines[name] = i + 1
			}
			at = max(at, end-1)
		}
	}
}

func (m *Manifest) normal(name string) string {
	if m.Ecosystem == lockfile.PyPI {
		return lockfile.Normal(name)
	}
	return name
}

var errForm = errors.New("is not what the package manager reads")

func (m *Manifest) toml(into any) error {
	if err := toml.Unmarshal(m.data, into); err != nil {
		return errForm
	}
	return nil
}

func (m *Manifest) npm() error {
	var p struct {
		Name         string            `json:"name"`
		Dependencies map[string]string `json:"dependencies"`
		Development  map[string]string `json:"devDependencies"`
		Optional     map[string]string `json:"optionalDependencies"`
		Overrides    map[string]any    `json:"overrides"`
		Resolutions  map[string]any    `json:"resolutions"`
		PNPM         struct {
			Overrides map[string]any `json:"overrides"`
		} `json:"pnpm"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(m.data, []byte("\ufeff")), &p); err != nil {
		return errForm
	}
	m.Name = p.Name
	for _, table := range [...]map[string]any{p.Overrides, p.Resolutions, p.PNPM.Overrides} {
		for name := range table {
			name = name[strings.LastIndexAny(name, ">")+1:]
			if i := strings.LastIndex(name, "@"); i > 0 {
				name = name[:i]
			}
			m.Overridden[strings.TrimPrefix(name, "**/")] = true
		}
	}
	for name, want := range p.Optional { // npm takes this table for the dependency
		delete(p.Dependencies, name)
		m.Needs = append(m.Needs, npmNeed(name, want, false))
	}
	for name, want := range p.Dependencies {
		m.Needs = append(m.Needs, npmNeed(name, want, false))
	}
	for name, want := range p.Development {
		if _, twice := p.Dependencies[name]; !twice {
			m.Needs = append(m.Needs, npmNeed(name, want, true))
		}
	}
	return nil
}

func npmNeed(name, want string, dev bool) Need {
	n := Need{Name: name, Want: want, Text: want, Dev: dev}
	scheme, rest, ok := strings.Cut(want, ":")
	switch {
	case ok && scheme == "npm":
		n.Want = rest
		if i := strings.LastIndex(rest, "@"); i > 0 {
			n.Alias, n.Name, n.Want = name, rest[:i], rest[i+1:]
		} else if strings.ContainsAny(rest, "abcdefghijklmnopqrstuvwyz/") {
			n.Alias, n.Name, n.Want = name, rest, "*"
		}
	case ok && (scheme == "file" || scheme == "link" || scheme == "portal"):
		n.Local, n.From = true, rest
	case ok && (scheme == "workspace" || scheme == "catalog"):
		n.Local = true // of this project
	case ok && (scheme == "http" || scheme == "https") && !strings.Contains(want, ".git"):
		n.Away, n.From = true, want
	case ok, strings.Contains(want, "/") && !strings.Contains(want, " "): // also user/repository
		n.Git, n.From = true, want
		_, commit, _ := strings.Cut(want, "#")
		n.Fixed = hex(commit)
	}
	return n
}

// hex reports whether a text names a commit and nothing that moves.
func hex(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
