// Package archtest holds the rules of the house and checks the tree against
// them: which package may import which, that each is described, how large
// things may grow, and what a package may keep at package level. Its test runs
// [Check] on the repository, so a change that breaks a rule does not pass.
//
// The rules read the sources with go/parser alone and take well under a
// second. layers.go is the list of layers; the other rules have a file each.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path of the repository.
const Module = "github.com/portcullis-dev/portcullis"

// Check returns every breach of a rule in a tree of Go sources, sorted. An
// error means that the tree could not be read.
func Check(tree fs.FS) ([]string, error) {
	packages, err := load(tree)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, rule := range []func([]*pkg) []string{
		checkLayers, checkChain, checkNames, checkDocs, checkSizes, checkState, checkWords,
	} {
		found = append(found, rule(packages)...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// pkg is one folder of Go files.
type pkg struct {
	dir   string // relative to the root, "" for the root
	files []*file
}

// file is one Go file; generated files are left out of most rules.
type file struct {
	name      string // path relative to the root
	test      bool
	generated bool
	lines     int
	set       *token.FileSet
	syntax    *ast.File
}

// load parses the Go files of a tree. Folders that hold no code of the house
// are passed over: hidden ones, testdata, and test/ with the stories about the
// whole product.
func load(tree fs.FS) ([]*pkg, error) {
	byDir := map[string]*pkg{}
	var order []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if isForeign(name) {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go":
			return nil
		}
		f, err := parse(tree, name)
		if err != nil {
			return err
		}
		dir := strings.TrimPrefix(path.Dir(name), ".")
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
			order = append(order, dir)
		}
		byDir[dir].files = append(byDir[dir].files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tree: %w", err)
	}
	packages := make([]*pkg, len(order))
	for i, dir := range order {
		packages[i] = byDir[dir]
	}
	return packages, nil
}

func isForeign(dir string) bool {
	base := path.Base(dir)
	return dir != "." && (dir == "test" || base == "testdata" || base == "vendor" || base == "node_modules" ||
		base[0] == '.' || base[0] == '_')
}

func parse(tree fs.FS, name string) (*file, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &file{
		name: name, test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(syntax),
		lines: strings.Count(string(text), "\n"), set: set, syntax: syntax,
	}, nil
}

// code returns the files that are built into the binary.
func (p *pkg) code() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
}

// handwritten returns the code that a person wrote.
func (p *pkg) handwritten() []*file {
	return slices.DeleteFunc(p.code(), func(f *file) bool { return f.generated })
}

// exempt reports whether the rules on content leave a package alone: this one
// has to name what it forbids.
func (p *pkg) exempt() bool { return p.dir == "internal/archtest" }

// title returns the folder as people name it.
func (p *pkg) title() string {
	if p.dir == "" {
		return "the root package"
	}
	return p.dir
}

func (f *file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

// imports returns the paths that a file imports.
func (f *file) imports() []string {
	out := make([]string, len(f.syntax.Imports))
	for i, spec := range f.syntax.Imports {
		// The parser has accepted the literal.
		out[i], _ = strconv.Unquote(spec.Path.Value)
	}
	return out
}
