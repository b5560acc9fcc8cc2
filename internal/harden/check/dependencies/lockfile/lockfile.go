// Package lockfile reads the lock files of Go, npm, yarn, pnpm, poetry, uv,
// pipenv, pip and cargo: which packages a build takes, from where, and by which
// hash.
//
// The files come from strangers. They are bounded in size, depth and number of
// entries; one that is not what its package manager writes is an error that
// names the line, never a list that is shorter than the real one.
package lockfile

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"unicode/utf8"
)

// Bounds of a lock file.
const (
	maxPackages = 200_000
	maxDepth    = 64
	maxText     = 4096 // bytes of a name, a version or an address
)

// Ecosystem is a world of packages, as OSV names it.
type Ecosystem string

// The ecosystems.
const (
	Go    Ecosystem = "Go"
	NPM   Ecosystem = "npm"
	PyPI  Ecosystem = "PyPI"
	Cargo Ecosystem = "crates.io"
)

// Source is a kind of place that a package comes from.
type Source uint8

// The sources.
const (
	Registry Source = iota
	Git
	Archive // an address that is no registry
	Local   // a folder or file
)

// Package is one entry of a lock file.
type Package struct {
	Ecosystem Ecosystem
	Name      string // PyPI: as PEP 503 normalises it
	Version   string
	Line      int // from 1, 0 where it is not known

	Source Source
	From   string   // address or folder, if the file says one
	Others []string // further addresses of files of it
	Commit string   // Git: the commit, empty if there is none
	Hash   string   // as the file writes it, empty if there is none

	Bundled    bool // comes inside another package, which is hashed
	Foreign    bool // for other machines: yarn hashes it when it is first fetched
	Dev        bool
	Scripts    bool // runs a script when it is installed
	Deprecated string
}

// Lock is a lock file.
type Lock struct {
	Path      string
	Manager   string // "npm"
	Ecosystem Ecosystem
	Packages  []Package

	// Wants is what the lock file says that manifests name: by folder relative
	// to it, and name. It is nil where the format does not say it.
	Wants map[string]map[string]string

	resolve func(folder, name, want string) []string
	byName  map[string][]string
}

// Versions returns the versions that a requirement of the manifest in a folder
// (relative to the lock file) is locked to.
func (l *Lock) Versions(folder, name, want string) []string {
	if l.resolve != nil {
		return l.resolve(folder, name, want)
	}
	return l.byName[name]
}

// Has reports whether a package is locked at all.
func (l *Lock) Has(name string) bool { return len(l.byName[name]) > 0 }

// ErrFormat says that a file is a lock file of a manager, and in a form of it
// that is not read.
var ErrFormat = errors.New("is a lock file of a form that is not read")

// reader reads one format.
type reader func(l *Lock, t text) error

// known returns the manager, the ecosystem and the reader of a file name. Formats
// without a reader are known too: nobody shall take them for read.
func known(base string) (manager string, eco Ecosystem, read reader) {
	switch base {
	case "package-lock.json", "npm-shrinkwrap.json":
		return "npm", NPM, readNPM
	case "yarn.lock":
		return "yarn", NPM, readYarn
	case "pnpm-lock.yaml":
		return "pnpm", NPM, readPNPM
	case "bun.lock", "bun.lockb":
		return "bun", NPM, nil
	case "poetry.lock":
		return "poetry", PyPI, readPoetry
	case "uv.lock":
		return "uv", PyPI, readUV
	case "Pipfile.lock":
		return "pipenv", PyPI, readPipfile
	case "pdm.lock":
		return "pdm", PyPI, nil
	case "pylock.toml":
		return "pylock", PyPI, nil
	case "Cargo.lock":
		return "cargo", Cargo, readCargo
	case "Gemfile.lock":
		return "bundler", "RubyGems", nil
	case "composer.lock":
		return "composer", "Packagist", nil
	}
	return "", "", nil
}

// Manager returns the package manager that writes files of a name, or nothing.
// Requirements of pip and go.sum are no such files: see [Requirements] and
// [Module].
func Manager(base string) string {
	manager, _, _ := known(base)
	return manager
}

// Parse reads a lock file.
func Parse(name string, data []byte) (*Lock, error) {
	manager, eco, read := known(path.Base(name))
	if manager == "" {
		return nil, fmt.Errorf("%s: is no lock file", name)
	}
	if read == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrFormat)
	}
	l := &Lock{Path: name, Manager: manager, Ecosystem: eco}
	if err := l.fill(data, read); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Lock) fill(data []byte, read reader) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%s: is not UTF-8", l.Path)
	}
	if err := read(l, newText(data)); err != nil {
		return fmt.Errorf("%s: %w", l.Path, err)
	}
	l.byName = make(map[string][]string, len(l.Packages))
	for _, p := range l.Packages {
		l.byName[p.Name] = append(l.byName[p.Name], p.Version)
	}
	return nil
}

var errMany = fmt.Errorf("holds more than %d packages", maxPackages)

// add takes a package, if its texts are such.
func (l *Lock) add(p Package) error {
	if len(l.Packages) == maxPackages {
		return errMany
	}
	if p.Name == "" {
		return fmt.Errorf("line %d: a package has no name", p.Line)
	}
	for _, s := range [...]string{p.Name, p.Version, p.From, p.Commit, p.Hash} {
		if len(s) > maxText || strings.ContainsFunc(s, control) {
			return fmt.Errorf("line %d: a name, version or address is longer than %d bytes or has control characters", p.Line, maxText)
		}
	}
	p.Ecosystem = l.Ecosystem
	l.Packages = append(l.Packages, p)
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// text is a file that knows its lines.
type text struct {
	data  []byte
	lines []int // where they begin
}

func newText(data []byte) text {
	t := text{data: data, lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// line returns the line, from 1, of a byte.
func (t text) line(offset int) int {
	return sort.Search(len(t.lines), func(i int) bool { return t.lines[i] > offset })
}

// Normal writes a name as PEP 503 does.
func Normal(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(strings.TrimSpace(name)) {
		if r == '-' || r == '_' || r == '.' {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	return b.String()
}

// address sorts out what an address is: the kind of source, without the "git+"
// in front, and the commit behind #.
func address(s string) (kind Source, from, commit string) {
	lower := strings.ToLower(s)
	scheme, _, ok := strings.Cut(lower, ":")
	switch {
	case strings.HasPrefix(lower, "git+"), scheme == "git", scheme == "ssh", strings.HasPrefix(lower, "git@"),
		ok && (scheme == "github" || scheme == "gitlab" || scheme == "bitbucket"):
		from, commit, _ = strings.Cut(s, "#")
		return Git, strings.TrimPrefix(from, "git+"), hexCommit(commit)
	case scheme == "file", scheme == "link", scheme == "portal", scheme == "workspace", strings.HasPrefix(s, "."), strings.HasPrefix(s, "/"):
		return Local, strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "file:"), "link:"), "portal:"), ""
	case scheme == "http", scheme == "https":
		return Archive, s, ""
	}
	return Registry, s, ""
}

// hexCommit returns what names a commit and nothing else: a branch or a tag
// moves.
func hexCommit(s string) string {
	_, after, ok := strings.Cut(s, "commit=")
	if ok {
		s = after
	}
	if len(s) != 40 && len(s) != 64 {
		return ""
	}
	for _, r := range s {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return ""
		}
	}
	return s
}
