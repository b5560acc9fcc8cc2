package source

import (
	"errors"
	"fmt"
	"strings"
)

// Scheme begins every reference.
const Scheme = "secret://"

// maxRef bounds a reference in bytes.
const maxRef = 1024

// Ref is a reference to a secret: secret://SOURCE/PATH?version=V#FIELD.
type Ref struct {
	Source  string // "vault"
	Path    string // "kv/prod/github", without the slash behind the source
	Version string // of a source that keeps several; "" is the newest
	Field   string // of a secret that has several; "" is the only one
}

// IsRef reports whether a text of the configuration means a reference. It may
// still be a wrong one.
func IsRef(text string) bool { return strings.HasPrefix(text, Scheme) }

// errNotRef does not repeat the text: it may be a secret that somebody wrote
// where a reference belongs.
var errNotRef = errors.New(`want a reference such as "secret://env/NAME", not the secret itself`)

// Parse reads a reference. There is one way to write each: nothing is escaped,
// and what [Ref.String] returns is what was read.
func Parse(text string) (Ref, error) {
	rest, ok := strings.CutPrefix(text, Scheme)
	if !ok {
		return Ref{}, errNotRef
	}
	if len(text) > maxRef {
		return Ref{}, fmt.Errorf("reference is longer than %d bytes", maxRef)
	}
	var r Ref
	var hasField, hasQuery bool
	rest, r.Field, hasField = strings.Cut(rest, "#")
	if hasField && !isWord(r.Field, fieldMarks) {
		return Ref{}, errors.New(`reference: want the name of a field behind "#"`)
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery {
		version, ok := strings.CutPrefix(query, "version=")
		if !ok || !isWord(version, fieldMarks) {
			return Ref{}, errors.New(`reference: want "version=" and a version behind "?", and nothing else`)
		}
		r.Version = version
	}
	r.Source, r.Path, _ = strings.Cut(rest, "/")
	if r.Source == "" || !isWord(r.Source, "") {
		return Ref{}, errors.New(`reference: want the name of a source behind "secret://"`)
	}
	if err := checkPath(r.Path); err != nil {
		return Ref{}, err
	}
	return r, nil
}

const (
	pathMarks  = "-._~:@+=,"
	fieldMarks = "-._~"
)

func checkPath(path string) error {
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
			return errors.New("reference: the path is empty, or has an empty part")
		case segment == "." || segment == "..":
			return errors.New(`reference: the path holds "." or ".."`)
		case !isWord(segment, pathMarks):
			return fmt.Errorf("reference: the path holds a character that is no letter, no digit and none of %s", pathMarks)
		}
	}
	return nil
}

// isWord reports whether s holds only ASCII letters, digits and the marks.
func isWord(s, marks string) bool {
	for _, c := range []byte(s) {
		ok := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte(marks, c) >= 0
		if !ok {
			return false
		}
	}
	return s != ""
}

// String returns the reference as it is written.
func (r Ref) String() string {
	s := Scheme + r.Source + "/" + r.Path
	if r.Version != "" {
		s += "?version=" + r.Version
	}
	if r.Field != "" {
		s += "#" + r.Field
	}
	return s
}

// document is the reference without its field: what is read in one go.
func (r Ref) document() Ref {
	r.Field = ""
	return r
}
