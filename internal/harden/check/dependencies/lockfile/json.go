package lockfile

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var errObject = errors.New("want an object")

// members calls each for the members of an object that begins at a byte of t.
// at is where the value begins, line that of the name.
func (t text) members(at int, value jsontext.Value, each func(name string, at, line int, value jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	start, err := dec.ReadToken()
	if err != nil {
		return t.broken(at, dec, err)
	}
	if start.Kind() != '{' {
		return fmt.Errorf("line %d: %w", t.line(at), errObject)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return t.broken(at, dec, err)
		}
		key := name.String()
		line := t.line(at + int(dec.InputOffset()) - 1)
		v, err := dec.ReadValue()
		if err != nil {
			return t.broken(at, dec, err)
		}
		if err := each(key, at+int(dec.InputOffset())-len(v), line, v); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return t.broken(at, dec, err)
	}
	return nil
}

// whole is members for the whole file, behind which there is nothing.
func (t text) whole(each func(name string, at, line int, value jsontext.Value) error) error {
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(t.data, []byte("\ufeff")))
	if !jsontext.Value(trimmed).IsValid() {
		dec := jsontext.NewDecoder(bytes.NewBuffer(trimmed))
		_, err := dec.ReadValue()
		if err == nil {
			err = errors.New("there is more behind the value")
		}
		return t.broken(0, dec, err)
	}
	return t.members(bytes.Index(t.data, trimmed), trimmed, each)
}

func (t text) broken(at int, dec *jsontext.Decoder, _ error) error {
	return fmt.Errorf("line %d: is no JSON, or names something twice", t.line(at+int(dec.InputOffset())))
}

// decode reads a value that is small.
func (t text) decode(line int, value jsontext.Value, into any) error {
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("line %d: is not what the package manager writes", line)
	}
	return nil
}
