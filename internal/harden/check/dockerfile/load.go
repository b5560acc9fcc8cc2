package dockerfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// File is a Dockerfile.
type File struct {
	path    string
	stages  []instructions.Stage
	args    map[string]string // defaults of the arguments before the first FROM
	ignored bool              // there is a .dockerignore
}

// Find returns the Dockerfiles of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		base := strings.ToLower(f.Base())
		switch {
		case strings.HasSuffix(base, ".dockerignore"):
			return false
		case base == "dockerfile" || base == "containerfile", f.Ext() == ".dockerfile":
			return true
		}
		rest, ok := strings.CutPrefix(base, "dockerfile")
		if !ok {
			rest, ok = strings.CutPrefix(base, "containerfile")
		}
		if !ok || strings.IndexByte(".-_", rest[0]) < 0 {
			return false
		}
		switch f.Ext() {
		case ".tmpl", ".tpl", ".j2", ".md", ".go", ".txt", ".yaml", ".yml", ".json", ".toml", ".js", ".ts", ".py", ".rs", ".java", ".rb", ".html", ".sh": // what makes one is none
			return false
		}
		return true
	})
}

// Load reads a Dockerfile.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	f, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	for _, beside := range []string{path.Join(path.Dir(name), ".dockerignore"), ".dockerignore", name + ".dockerignore"} {
		switch text, err := t.Read(beside); {
		case err == nil:
			f.ignored = f.ignored || len(bytes.TrimSpace(text)) > 0
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return f, nil
}

func parse(name string, data []byte) (f *File, err error) {
	// The parser is made for builds that a person started: what makes it panic
	// is an unreadable file here, not the end of the scan.
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("%s: the Dockerfile cannot be read: %v", name, r)
		}
	}()
	res, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: reading the Dockerfile: %w", name, err)
	}
	stages, args, err := instructions.Parse(res.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: reading the Dockerfile: %w", name, err)
	}
	if err := later(stages); err != nil {
		return nil, fmt.Errorf("%s: reading the Dockerfile: %w", name, err)
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf("%s: has no FROM", name)
	}
	f = &File{path: name, stages: stages, args: map[string]string{}}
	for _, a := range args {
		for _, kv := range a.Args {
			if kv.Value != nil {
				f.args[kv.Key] = *kv.Value
			}
		}
	}
	return f, nil
}

// lineage returns the stages that make the image, the last first: a stage that
// begins with another one has its user, its ports and its files.
func (f *File) lineage() []instructions.Stage {
	at := len(f.stages) - 1
	out := []instructions.Stage{f.stages[at]}
	for {
		next := f.stage(f.stages[at].BaseName, at)
		if next < 0 {
			return out
		}
		at = next
		out = append(out, f.stages[at])
	}
}

// stage returns the stage before another one that a name or number means, or -1.
func (f *File) stage(name string, before int) int {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < before {
		return n
	}
	return slices.IndexFunc(f.stages[:before], func(s instructions.Stage) bool { return s.Name != "" && strings.EqualFold(s.Name, name) })
}

// base is an image that a stage begins with.
type base struct {
	ref  string
	line int
	last bool // it is in the image that is made
}

// bases returns the images of other people. One whose name cannot be told from
// the file is an error.
func (f *File) bases() ([]base, error) {
	final := f.lineage()
	root := final[len(final)-1].BaseName
	var out []base
	var errs []error
	for i, s := range f.stages {
		if f.stage(s.BaseName, i) >= 0 || s.BaseName == "scratch" {
			continue
		}
		ref := f.expand(s.BaseName)
		if strings.Contains(ref, "$") {
			errs = append(errs, fmt.Errorf("%s:%d: which image %s is, is said elsewhere", f.path, line(s.Location), s.BaseName))
			continue
		}
		out = append(out, base{ref: ref, line: line(s.Location), last: s.BaseName == root})
	}
	return out, errors.Join(errs...)
}

// expand fills in arguments that have a default.
func (f *File) expand(s string) string {
	for name, value := range f.args {
		s = strings.ReplaceAll(s, "${"+name+"}", value)
		if strings.HasSuffix(s, "$"+name) || strings.Contains(s, "$"+name+":") || strings.Contains(s, "$"+name+"-") || strings.Contains(s, "$"+name+"@") {
			s = strings.ReplaceAll(s, "$"+name, value)
		}
	}
	return s
}

func line(r []parser.Range) int {
	if len(r) == 0 {
		return 1
	}
	return max(1, r[0].Start.Line)
}

func (f *File) at(l int, format string, a ...any) rule.Finding {
	return rule.Finding{Message: fmt.Sprintf(format, a...), File: f.path, Line: l}
}

// last returns the last instruction of a type in the image that is made.
func last[T instructions.Command](f *File) (T, bool) {
	for _, s := range f.lineage() {
		for _, c := range slices.Backward(s.Commands) {
			if found, ok := c.(T); ok {
				return found, true
			}
		}
	}
	var none T
	return none, false
}

// each calls do for every instruction of a type. final says whether it is in
// the image that is made.
func each[T instructions.Command](f *File, do func(c T, final bool)) {
	final := map[int]bool{}
	for _, s := range f.lineage() {
		final[line(s.Location)] = true
	}
	for _, s := range f.stages {
		for _, c := range s.Commands {
			if found, ok := c.(T); ok {
				do(found, final[line(s.Location)])
			}
		}
	}
}
