package compose

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// variable is a variable with what Compose does if it is not set. $$ is a sign.
var variable = regexp.MustCompile(`\$\$|\$\{([A-Za-z_]\w*)(:?[-?+])([^{}]*)\}`)

// fill gives variables the values that they have where nobody sets them. What
// has none is left as ${NAME}.
func fill(s string) string {
	for range 5 { // a default may be a variable with a default
		next := variable.ReplaceAllStringFunc(s, func(v string) string {
			m := variable.FindStringSubmatch(v)
			switch {
			case m[1] == "":
				return v
			case strings.HasSuffix(m[2], "-"):
				return m[3]
			}
			return "${" + m[1] + "}"
		})
		if next == s {
			break
		}
		s = next
	}
	return s
}

// open reports whether a value is filled in elsewhere.
func open(value string) bool {
	return strings.Contains(strings.ReplaceAll(value, "$$", ""), "$")
}

var errVariable = errors.New("a variable without a default says it")

// doubt makes the rule that is looking unknown if a value is filled in
// elsewhere, and reports whether it is.
func (f *File) doubt(value string) bool {
	if open(value) {
		f.unsure = errVariable
		return true
	}
	return false
}

// truth reports whether Compose takes a value for true.
func truth(n *yamltree.Node) bool {
	switch strings.ToLower(n.Value()) {
	case "true", "yes", "on", "y":
		return true
	}
	return false
}

// capability returns the first of the named capabilities that a list holds,
// with or without CAP_ before it.
func capability(n *yamltree.Node, want ...string) *yamltree.Node {
	for _, item := range n.List() {
		if slices.Contains(want, strings.TrimPrefix(strings.ToUpper(item.Value()), "CAP_")) {
			return item
		}
	}
	return nil
}

// hooks returns what runs in a service beside its own program.
func (s service) hooks() []*yamltree.Node {
	return slices.Concat(s.Get("post_start").List(), s.Get("pre_stop").List())
}

// extended says which services have what they do not say from another file.
func (f *File) extended() error {
	var errs []error
	for _, s := range f.services {
		if file := s.Get("extends", "file").Value(); file != "" && path.Join(path.Dir(f.path), file) != f.path {
			errs = append(errs, fmt.Errorf("%s:%d: the service %s extends one of %s, which is not looked at with it", f.path, s.Line, s.name, file))
		}
	}
	return errors.Join(errs...)
}

// included says which files are read along with this one and not looked at:
// those with another name than that of a Compose file.
func (f *File) included(t *tree.Tree) error {
	var errs []error
	for _, n := range f.doc.Get("include").List() {
		names := []*yamltree.Node{n}
		if n.IsTable() {
			names = append(n.Get("path").List(), n.Get("path"))
		}
		for _, n := range names {
			name := path.Join(path.Dir(f.path), n.Value())
			if file, ok := t.File(name); n.Value() != "" && !(ok && named(file)) {
				errs = append(errs, fmt.Errorf("%s:%d: %s is included, and not looked at", f.path, n.Line, n.Value()))
			}
		}
	}
	return errors.Join(errs...)
}
