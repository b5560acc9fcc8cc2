// Package tree reads a folder for checks: every file at most once, however many
// rules look at it, and nothing outside the folder.
//
// [Open] lists a folder and [Open] of a file lists that file alone, with its
// folder as the root: rules may look at what stands beside it. Contents are read
// when they are asked for and kept. Symbolic links are not followed, folders of
// fetched and built things are not entered, and all sizes are bounded; what was
// left out is told by [Tree.Left].
//
// [Tree.With] is a tree in which some files read differently, to see what a
// change would do before it is written.
package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Bounds of a tree.
const (
	MaxFile  = 1 << 20   // bytes of one file
	MaxLarge = 16 << 20  // bytes of one file that a program wrote, see ReadLarge
	MaxTotal = 256 << 20 // bytes of all files read
	MaxFiles = 200_000
	maxDepth = 64
)

// Why a file has no text. All are told apart from a file that is not there,
// which is fs.ErrNotExist.
var (
	ErrTooLarge = errors.New("is too large to be looked at")
	ErrBinary   = errors.New("is no text")
	ErrLink     = errors.New("is a symbolic link, which is not followed")
	ErrOther    = errors.New("is no regular file")
	ErrBudget   = errors.New("was not read: the folder holds more text than is looked at")
)

// skipped are folders of things that somebody else made.
var skipped = [...]string{
	".git", ".hg", ".svn", "node_modules", "vendor", ".venv", "venv", "__pycache__", ".tox", ".terraform",
	".gradle", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".next", ".nuxt", ".yarn", ".pnpm-store", "bower_components",
}

// File is one file of a tree.
type File struct {
	Path string // relative to the root, with slashes
	Size int64
	Mode fs.FileMode
}

// Base is the last element of the path.
func (f File) Base() string { return path.Base(f.Path) }

// Ext is the extension in lower case, with the dot.
func (f File) Ext() string { return strings.ToLower(path.Ext(f.Path)) }

// Left is something in a folder that was not looked at.
type Left struct {
	Path, Why string
	Unread    bool // it should have been looked at, and could not
}

// Tree is a folder. Its methods may be called at the same time.
type Tree struct {
	name   string
	files  []File
	index  map[string]int
	left   []Left
	single bool
	over   map[string][]byte // contents that replace those on disk
	disk   *disk
}

// disk reads the files; trees made by With share it.
type disk struct {
	root  *os.Root
	mu    sync.Mutex
	texts map[string]*text
	total int64
	reads int
}

// text is what reading one file gave.
type text struct {
	once sync.Once
	data []byte
	err  error
}

// Open lists a folder, or one file. Close the tree when it is no longer used.
func Open(ctx context.Context, name string) (*Tree, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	folder := name
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("reading the target: %q %w", name, ErrOther)
		}
		folder = filepath.Dir(name)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	t := &Tree{name: name, single: !info.IsDir(), disk: &disk{root: root, texts: map[string]*text{}}}
	if t.single {
		t.files = []File{{Path: filepath.Base(name), Size: info.Size(), Mode: info.Mode()}}
	} else if err := t.walk(ctx); err != nil {
		_ = root.Close()
		return nil, err
	}
	t.number()
	return t, nil
}

func (t *Tree) number() {
	slices.SortFunc(t.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	t.index = make(map[string]int, len(t.files))
	for i, f := range t.files {
		t.index[f.Path] = i
	}
}

// Close lets go of the folder.
func (t *Tree) Close() error {
	if err := t.disk.root.Close(); err != nil {
		return fmt.Errorf("closing the target: %w", err)
	}
	return nil
}

func (t *Tree) walk(ctx context.Context) error {
	err := fs.WalkDir(t.disk.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
		if err != nil {
			if p == "." {
				return err
			}
			t.miss(p, "could not be read")
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case d.IsDir():
			return t.enter(p, d)
		case d.Type()&fs.ModeSymlink != 0:
			t.leave(p, "symbolic link")
			return nil
		case !d.Type().IsRegular():
			t.leave(p, "no regular file")
			return nil
		}
		if len(t.files) == MaxFiles {
			return fmt.Errorf("holds more than %d files: name a smaller folder", MaxFiles)
		}
		info, err := d.Info()
		if err != nil {
			t.miss(p, "could not be read")
			return nil
		}
		t.files = append(t.files, File{Path: p, Size: info.Size(), Mode: info.Mode()})
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing %q: %w", t.name, err)
	}
	return nil
}

func (t *Tree) enter(p string, d fs.DirEntry) error {
	switch {
	case p == ".":
		return nil
	case d.Name() == fixtures && !Fixture(p):
		t.leave(p, "of tests: only credentials are looked for")
	case slices.Contains(skipped[:], d.Name()):
		if d.Name() != ".git" {
			t.leave(p, "not entered")
		}
		return fs.SkipDir
	case strings.Count(p, "/") >= maxDepth:
		t.miss(p, "is nested too deep")
		return fs.SkipDir
	}
	return nil
}

func (t *Tree) leave(p, why string) { t.left = append(t.left, Left{Path: p, Why: why}) }

func (t *Tree) miss(p, why string) {
	t.left = append(t.left, Left{Path: p, Why: why, Unread: true})
}

// Left returns what is in the folder and was not looked at, with the reason.
func (t *Tree) Left() []Left { return slices.Clone(t.left) }

// Fixture reports whether a path lies in a folder of what tests use, which is
// wrong on purpose and deployed by nobody. Go names it testdata, and builds
// nothing below it.
func Fixture(p string) bool {
	return strings.HasPrefix(p, fixtures+"/") || strings.Contains(p, "/"+fixtures+"/")
}

const fixtures = "testdata"

// WithoutFixtures returns the tree without what tests use. It shares everything
// else with t and is closed by closing t.
func (t *Tree) WithoutFixtures() *Tree {
	next := *t
	next.files = slices.DeleteFunc(slices.Clone(t.files), func(f File) bool { return Fixture(f.Path) })
	next.number()
	return &next
}

// Name is the path that the tree was opened with.
func (t *Tree) Name() string { return t.name }

// Single reports whether the tree is one file that was named.
func (t *Tree) Single() bool { return t.single }

// Files returns the files, sorted by path.
func (t *Tree) Files() []File { return slices.Clone(t.files) }

// File returns a listed file.
func (t *Tree) File(p string) (File, bool) {
	i, ok := t.index[p]
	if !ok {
		return File{}, false
	}
	return t.files[i], true
}

// Named returns the paths of listed files for which want is true.
func (t *Tree) Named(want func(File) bool) []string {
	var out []string
	for _, f := range t.files {
		if want(f) {
			out = append(out, f.Path)
		}
	}
	return out
}

// Under returns the paths of listed files in a folder and below.
func (t *Tree) Under(folder string) []string {
	if folder == "." {
		return t.Named(func(File) bool { return true })
	}
	return t.Named(func(f File) bool { return strings.HasPrefix(f.Path, folder+"/") })
}

// Read returns the text of a file, also of one that is not listed, such as
// ".git/config". Do not change what it returns.
func (t *Tree) Read(p string) ([]byte, error) {
	if data, ok := t.over[p]; ok {
		return data, nil
	}
	if !fs.ValidPath(p) {
		return nil, fmt.Errorf("%q: %w", p, fs.ErrInvalid)
	}
	return t.disk.once(p, p, MaxFile)
}

// ReadLarge is Read for files that programs write, such as lock files: they may
// have up to MaxLarge bytes. One that Read takes as well is read once for both.
func (t *Tree) ReadLarge(p string) ([]byte, error) {
	data, err := t.Read(p)
	if !errors.Is(err, ErrTooLarge) {
		return data, err
	}
	return t.disk.once(p+"\x00", p, MaxLarge) // no path has a NUL in it
}

// With returns the tree as it would be with other contents of some files. It
// shares everything else with t and is closed by closing t.
func (t *Tree) With(contents map[string][]byte) *Tree {
	next := *t
	next.over = map[string][]byte{}
	for p, data := range t.over {
		next.over[p] = data
	}
	next.files = slices.Clone(t.files)
	for p, data := range contents {
		next.over[p] = data
		if i, ok := t.index[p]; ok {
			next.files[i].Size = int64(len(data))
		} else if !t.single {
			next.files = append(next.files, File{Path: p, Size: int64(len(data)), Mode: 0o644})
		}
	}
	next.number()
	return &next
}

// Reads returns how many files were read from disk.
func (t *Tree) Reads() int {
	t.disk.mu.Lock()
	defer t.disk.mu.Unlock()
	return t.disk.reads
}

// once loads a file the first time that it is asked for by a key.
func (d *disk) once(key, p string, most int64) ([]byte, error) {
	d.mu.Lock()
	entry := d.texts[key]
	if entry == nil {
		entry = &text{}
		d.texts[key] = entry
	}
	d.mu.Unlock()
	entry.once.Do(func() { entry.data, entry.err = d.load(p, most) })
	return entry.data, entry.err
}

func (d *disk) load(p string, most int64) ([]byte, error) {
	info, err := d.root.Lstat(p)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %q: %w", p, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("%q %w", p, ErrLink)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q %w", p, ErrOther)
	case info.Size() > most:
		return nil, fmt.Errorf("%q %w (%d bytes, at most %d)", p, ErrTooLarge, info.Size(), most)
	}
	if !d.spend(info.Size()) {
		return nil, fmt.Errorf("%q %w (%d bytes)", p, ErrBudget, MaxTotal)
	}
	f, err := d.root.Open(p)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", p, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %q: %w", p, err)
	case int64(len(data)) > most: // it grew meanwhile
		return nil, fmt.Errorf("%q %w", p, ErrTooLarge)
	case bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0:
		d.spend(-info.Size())
		return nil, fmt.Errorf("%q %w", p, ErrBinary)
	}
	return data, nil
}

// spend takes bytes from what may be read and kept in all.
func (d *disk) spend(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.total+n > MaxTotal {
		return false
	}
	d.total += n
	if n >= 0 {
		d.reads++
	}
	return true
}
