package subject

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// What a template of arguments may name.
const (
	placeID      = "{id}"      // id of the principal
	placeErasure = "{erasure}" // id of the erasure, the same each time it is told
	placeNames   = "{names}"   // names of accounts; stands alone and becomes an array
)

// maxTemplate bounds the text of a template, in bytes.
const maxTemplate = 4 << 10

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// Template makes the arguments of a tool that erases a person. Only strings of
// its JSON are filled in, after it was parsed: nothing that a person is called
// changes its form.
type Template struct{ object map[string]any }

// ParseTemplate reads a JSON object whose strings name {id}, {names} and
// {erasure}. It must say somewhere who is meant.
func ParseTemplate(text string) (Template, error) {
	if len(text) > maxTemplate {
		return Template{}, fmt.Errorf("want at most %d bytes", maxTemplate)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var t Template
	if err := dec.Decode(&t.object); err != nil || t.object == nil {
		return Template{}, errors.New(`want a JSON object such as {"user_id":"{id}"}`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Template{}, errors.New("something follows the JSON object")
	}
	named := false
	if err := check(t.object, &named); err != nil {
		return Template{}, err
	}
	if !named {
		return Template{}, fmt.Errorf("names nobody: want %s or %s in one of its strings", placeID, placeNames)
	}
	return t, nil
}

func check(v any, named *bool) error {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			if err := check(x, named); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	case []any:
		for _, x := range v {
			if err := check(x, named); err != nil {
				return err
			}
		}
	case string:
		for _, p := range placeholder.FindAllString(v, -1) {
			switch {
			case p == placeNames && v != placeNames:
				return fmt.Errorf("%s stands alone: it becomes an array", placeNames)
			case p == placeID, p == placeNames:
				*named = true
			case p != placeErasure:
				return fmt.Errorf("%q: want %s, %s or %s", p, placeID, placeNames, placeErasure)
			}
		}
	}
	return nil
}

// Arguments returns the arguments that name a person.
func (t Template) Arguments(run string, p *Person) map[string]any {
	fill := strings.NewReplacer(placeID, p.ID, placeErasure, run) // in one pass: what is filled in is not read again
	return filled(t.object, fill, p).(map[string]any)
}

func filled(v any, fill *strings.Replacer, p *Person) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, x := range v {
			out[name] = filled(x, fill, p)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = filled(x, fill, p)
		}
		return out
	case string:
		if v == placeNames {
			return append([]string{}, p.Names...)
		}
		return fill.Replace(v)
	}
	return v
}
