package dependencies

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/modfile"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/manifest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/osv"
	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/sbom"
	"github.com/portcullis-dev/portcullis/internal/harden/check/gitignore"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// Options say where vulnerabilities are known from.
type Options struct {
	Source osv.Source // nil: nobody was asked
	Now    time.Time

	// FirstSeen tells when a vulnerability was first seen here, the zero time
	// where it was not. nil: nobody kept that, and the time counts from when it
	// was published.
	FirstSeen func(*rule.Advisory) time.Time
}

// Project is the dependencies of a folder.
type Project struct {
	tree       *tree.Tree
	locks      []*lockfile.Lock // also go.mod files and requirements of pip
	byPath     map[string]*lockfile.Lock
	manifests  []*manifest.Manifest
	modules    []goModule
	sums       map[string]lockfile.Sums // by file
	loose      []loose
	indexes    []index
	lists      []*sbom.List
	registries map[string]bool // hosts that settings name

	// Why files could not be read, by what they are.
	lockErr, manifestErr, listErr error

	options Options
	once    sync.Once
	known   []known // vulnerabilities
	err     error
}

// goModule is a go.mod.
type goModule struct {
	path, dir string
	file      *modfile.File
	sums      []lockfile.Sums // of its go.sum, and of a workspace
	summed    bool            // a go.sum is there
}

type loose struct {
	file string
	lockfile.Loose
}

type index struct {
	file string
	lockfile.Index
}

// kinds of files.
type class uint8

const (
	none class = iota
	lockKind
	manifestKind
	moduleKind
	sumKind
	requirementsKind
	listKind
	settingsKind
)

var requirements = regexp.MustCompile(`^(?:requirements(?:[-_.][A-Za-z0-9._-]+)?|[A-Za-z0-9._-]+[-_]requirements)\.(?:txt|lock)$`)

func classOf(p string) class {
	base := path.Base(p)
	switch {
	case lockfile.Manager(base) != "":
		return lockKind
	case manifest.Known(base):
		return manifestKind
	case base == "go.mod":
		return moduleKind
	case base == "go.sum", base == "go.work.sum":
		return sumKind
	case requirements.MatchString(base), path.Base(path.Dir(p)) == "requirements" && path.Ext(base) == ".txt":
		return requirementsKind
	case sbom.Name(base):
		return listKind
	case base == ".npmrc", base == ".yarnrc.yml", base == "config.toml" && path.Base(path.Dir(p)) == ".cargo":
		return settingsKind
	}
	return none
}

// Find returns "." for a folder with anything to look at, and a file that was
// named.
func Find(t *tree.Tree) []string {
	if t.Single() {
		p := t.Files()[0].Path
		if c := classOf(p); c != none && c != settingsKind {
			return []string{p}
		}
		if path.Ext(p) != ".json" {
			return nil
		}
		if data, err := t.ReadLarge(p); err == nil && sbom.Is(data) {
			return []string{p}
		}
		return nil
	}
	ignores := gitignore.Of(t)
	for _, f := range t.Files() {
		if c := classOf(f.Path); c != none && c != settingsKind && !ignores.Ignored(f.Path) {
			return []string{"."}
		}
	}
	return nil
}

// beside are the files that are read with one that was named.
var beside = [...]string{
	"package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", ".npmrc", ".yarnrc.yml",
	"pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile", "Pipfile.lock", "requirements.txt",
	"Cargo.toml", "Cargo.lock", "go.mod", "go.sum", "Gemfile", "Gemfile.lock", "composer.json", "composer.lock",
}

// Load returns what reads the dependencies of a folder, or of one file and those
// beside it.
func Load(o Options) func(context.Context, *tree.Tree, string) (*Project, error) {
	return func(ctx context.Context, t *tree.Tree, name string) (*Project, error) {
		p := &Project{tree: t, options: o, byPath: map[string]*lockfile.Lock{}, sums: map[string]lockfile.Sums{}, registries: map[string]bool{}}
		for _, file := range p.files(name) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p.take(file, name)
		}
		p.sum()
		return p, nil
	}
}

func (p *Project) files(name string) []string {
	if !p.tree.Single() {
		ignores := gitignore.Of(p.tree)
		return p.tree.Named(func(f tree.File) bool { return classOf(f.Path) != none && !ignores.Ignored(f.Path) })
	}
	out := []string{name}
	for _, base := range beside {
		if base != name && p.exists(base) {
			out = append(out, base)
		}
	}
	return out
}

// exists reports whether there is something of a name.
func (p *Project) exists(name string) bool {
	if _, ok := p.tree.File(name); ok {
		return true
	}
	if !p.tree.Single() {
		return false
	}
	_, err := p.tree.Read(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// take reads one file. What cannot be read is kept as an error, for the rules
// that would have looked at it.
func (p *Project) take(file, named string) {
	c := classOf(file)
	if c == none && file == named {
		c = listKind
	}
	read := p.tree.ReadLarge
	if c == manifestKind || c == moduleKind || c == settingsKind { // people write these
		read = p.tree.Read
	}
	data, err := read(file)
	switch c {
	case lockKind:
		var l *lockfile.Lock
		if err == nil || errors.Is(err, tree.ErrBinary) { // bun.lockb
			l, err = lockfile.Parse(file, data)
		}
		p.lock(l, err)
	case manifestKind:
		var m *manifest.Manifest
		if err == nil {
			m, err = manifest.Parse(file, data)
		}
		if err != nil {
			p.manifestErr = errors.Join(p.manifestErr, err)
			return
		}
		p.manifests = append(p.manifests, m)
		for _, r := range m.Registries {
			p.registry(r)
		}
	case moduleKind:
		p.module(file, data, err)
	case requirementsKind:
		p.pip(file, data, err)
	case listKind:
		var l *sbom.List
		if err == nil {
			l, err = sbom.Read(file, data)
		}
		if err != nil {
			p.listErr = errors.Join(p.listErr, err)
			return
		}
		p.lists = append(p.lists, l)
	case settingsKind:
		for _, address := range addresses.FindAllString(string(data), -1) {
			p.registry(address)
		}
	case none, sumKind:
	}
}

func (p *Project) lock(l *lockfile.Lock, err error) {
	if err != nil {
		p.lockErr = errors.Join(p.lockErr, err)
		return
	}
	p.locks = append(p.locks, l)
	p.byPath[l.Path] = l
}

func (p *Project) module(file string, data []byte, err error) {
	m := goModule{path: file, dir: path.Dir(file)}
	if err == nil {
		err = p.sumsOf(&m)
	}
	var l *lockfile.Lock
	if err == nil {
		l, m.file, err = lockfile.Module(file, data, m.sums...)
	}
	if p.lock(l, err); err == nil {
		p.modules = append(p.modules, m)
	}
}

// sumsOf reads the go.sum beside a go.mod, and that of a workspace.
func (p *Project) sumsOf(m *goModule) error {
	for dir := m.dir; ; dir = path.Dir(dir) {
		for _, base := range [...]string{"go.sum", "go.work.sum"} {
			name := path.Join(dir, base)
			if base == "go.sum" && dir != m.dir || !p.exists(name) {
				continue
			}
			if p.sums[name] == nil {
				data, err := p.tree.ReadLarge(name)
				if err != nil {
					return err
				}
				s := lockfile.Sums{}
				if err := s.ReadSums(name, data); err != nil {
					return err
				}
				p.sums[name] = s
			}
			m.sums = append(m.sums, p.sums[name])
			m.summed = m.summed || base == "go.sum"
		}
		if dir == "." || dir == "/" {
			return nil
		}
	}
}

func (p *Project) pip(file string, data []byte, err error) {
	var l *lockfile.Lock
	var open []lockfile.Loose
	var indexes []lockfile.Index
	if err == nil {
		l, open, indexes, err = lockfile.Requirements(file, data)
	}
	p.lock(l, err)
	for _, x := range open {
		p.loose = append(p.loose, loose{file, x})
	}
	for _, x := range indexes {
		p.indexes = append(p.indexes, index{file, x})
	}
}

// addresses are those in settings.
var addresses = regexp.MustCompile(`https?://[^\s"']{1,500}`)

func (p *Project) registry(address string) {
	if h := host(address); h != "" {
		p.registries[h] = true
	}
}

// host is the host of an address, in lower case, with its port.
func host(address string) string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return strings.ToLower(rest[strings.LastIndex(rest, "@")+1:])
}

// sum takes the hosts that requirements name for registries too.
func (p *Project) sum() {
	for _, x := range p.indexes {
		p.registry(x.From)
	}
}

// Packages returns all packages of all lock files, and requirements that name no
// version. The error says what is missing among them.
func (p *Project) Packages() ([]lockfile.Package, error) {
	var out []lockfile.Package
	for _, l := range p.locks {
		out = append(out, l.Packages...)
	}
	for _, x := range p.loose {
		out = append(out, lockfile.Package{Ecosystem: lockfile.PyPI, Name: x.Name, Line: x.Line})
	}
	if p.lockErr != nil {
		return out, fmt.Errorf("the lock files could not all be read: %w", p.lockErr)
	}
	return out, nil
}

// Name is what the project calls itself in the folder that is looked at, or
// "project".
func (p *Project) Name() string {
	for _, m := range p.modules {
		if m.dir == "." && m.file.Module != nil {
			return m.file.Module.Mod.Path
		}
	}
	for _, m := range p.manifests {
		if path.Dir(m.Path) == "." && m.Name != "" && len(m.Name) < 256 {
			return m.Name
		}
	}
	return "project"
}
