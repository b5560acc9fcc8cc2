package toolpin

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxEntry bounds the text of one tool, in bytes. Nobody reads a longer one
// before approving it.
const maxEntry = 256 << 10

var errTooLarge = errors.New("entry of a tool over the size limit")

// Canonical brings a JSON value into one form, as RFC 8785 does, except that
// numbers keep their spelling: two that a float cannot tell apart are not the
// same. It refuses what has more than one reading.
func Canonical(raw []byte) ([]byte, error) {
	if len(raw) > maxEntry {
		return nil, errTooLarge
	}
	v := jsontext.Value(bytes.Clone(raw))
	if err := v.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
		return nil, fmt.Errorf("bringing an entry into one form: %w", err)
	}
	return v, nil
}

func hashOf(text []byte) Hash { return sha256.Sum256(text) }

// Part is one member of an entry.
type Part struct {
	Name string
	Text []byte // in its one form
	Hash Hash
}

// Parts returns the members of an entry that [Canonical] made, in its order.
func Parts(text []byte) ([]Part, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.Join(errors.New("an entry of a tool is no object"), err)
	}
	var out []Part
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		p := Part{Name: name.String()}
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		p.Text = bytes.Clone(v)
		p.Hash = hashOf(p.Text)
		out = append(out, p)
	}
	return out, nil
}

// Changed names the members in which two versions differ, in order.
func Changed(before, after []byte) ([]string, error) {
	a, err := Parts(before)
	if err != nil {
		return nil, err
	}
	b, err := Parts(after)
	if err != nil {
		return nil, err
	}
	var names []string
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			names, a = append(names, a[0].Name), a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			names, b = append(names, b[0].Name), b[1:]
		default:
			if a[0].Hash != b[0].Hash {
				names = append(names, a[0].Name)
			}
			a, b = a[1:], b[1:]
		}
	}
	return names, nil
}

// eachString calls f with every string of a value, names of members included.
func eachString(text []byte, f func(string)) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		t, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if t.Kind() == '"' {
			f(t.String())
		}
	}
}
