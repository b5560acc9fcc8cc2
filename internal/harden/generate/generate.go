// Package generate writes the files that a deployment of the gateway needs, from
// one set of answers.
//
// The files are templates in files/, one folder for each kind, beside the name
// under which they are written. A template sees the answers and the few
// functions of [funcs]; what is answered was checked for its form before, see
// package answers. Equal answers give equal files, byte for byte.
package generate

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

//go:embed all:files all:partials
var files embed.FS

// suffix is what a template has behind the name of its file.
const suffix = ".tmpl"

// Kind is a set of files that belong together.
type Kind struct {
	Name  string // as on the command line
	Title string // what it is, for people
	Rows  []string
}

// Kinds returns all kinds, in the order in which they are written.
func Kinds() []Kind { return slices.Clone(kinds[:]) }

// File is one file.
type File struct {
	Kind string
	Path string // relative, with slashes
	Mode fs.FileMode
	Data []byte
}

// Render returns the files of some kinds, or of all if none is named, sorted by
// path. The answers have to be valid.
func Render(a answers.Answers, names ...string) ([]File, error) {
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("the answers: %w", err)
	}
	known := make([]string, 0, len(kinds))
	for _, k := range kinds {
		known = append(known, k.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%q is no kind of files: want one of %s", n, strings.Join(known, ", "))
		}
	}
	if len(names) == 0 {
		names = known
	}
	v, err := newView(a)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, kind := range names {
		made, err := renderKind(kind, v)
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func renderKind(kind string, v *view) ([]File, error) {
	out, err := renderFolder(kind, v)
	if err != nil || kind != "helm" {
		return out, err
	}
	templates, err := chart()
	return append(out, templates...), err
}

func renderFolder(kind string, v *view) ([]File, error) {
	var out []File
	root := path.Join("files", kind)
	err := fs.WalkDir(files, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := target(strings.TrimPrefix(p, root+"/"))
		text, err := execute(name, p, v)
		if err != nil || text == "" { // empty: a file that these answers do not need
			return err
		}
		f := File{Kind: kind, Path: name, Mode: 0o644, Data: []byte(text + "\n")}
		if strings.HasPrefix(text, "#!") {
			f.Mode = 0o755
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("kind %q: %w", kind, err)
	}
	return out, nil
}

// target is where the file of a template goes. "dot-" stands for the dot of names
// that tools would take for their own.
func target(name string) string {
	parts := strings.Split(strings.TrimSuffix(name, suffix), "/")
	for i, p := range parts {
		if rest, ok := strings.CutPrefix(p, "dot-"); ok {
			parts[i] = "." + rest
		}
	}
	return path.Join(parts...)
}
