// Package generate writes the files that a deployment of the gateway needs, from
// one set of answers.
//
// The files are templates in files/, one folder for each kind, beside the name
// under which they are written. A template sees the answers and the few
// functions of [funcs]; what is answered was checked for its form before, see
// package answers. Equal answers give equal files, byte for byte.
package generate

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

//go:embed all:files
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
	var out []File
	root := path.Join("files", kind)
	err := fs.WalkDir(files, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		name, _ := strings.CutSuffix(strings.TrimPrefix(p, root+"/"), suffix)
		t, err := template.New(name).Funcs(funcs).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return fmt.Errorf("template of %s: %w", name, err)
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if len(bytes.TrimSpace(b.Bytes())) == 0 { // a file that these answers do not need
			return nil
		}
		f := File{Kind: kind, Path: name, Mode: 0o644, Data: append(bytes.TrimSpace(b.Bytes()), '\n')}
		if strings.HasPrefix(string(f.Data), "#!") {
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
