// Package standard holds manifests against the JSON Schemas that the Open
// Standard for Software Agents publishes. They are part of the program: nothing
// is fetched.
package standard

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed agent-0.4.schema.json.gz
var agent04 []byte

//go:embed agent-0.5.schema.json.gz
var agent05 []byte

var (
	schema04 = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile("0.4", agent04) })
	schema05 = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile("0.5", agent05) })
)

// ErrNoSchema is returned for a version whose schema is not here.
var ErrNoSchema = errors.New("there is no schema for this version of the format")

// Fault is where a manifest is not as the schema says.
type Fault struct {
	At   []string // names, and numbers of list elements, from the top
	Text string   // what is wrong, without what the manifest says there
}

// maxFaults bounds how many are told.
const maxFaults = 20

// Faults returns where a manifest of a version, such as "0.4.6", is not as the
// schema of that version says. doc is as encoding/json would decode it.
func Faults(version string, doc any) ([]Fault, error) {
	get := schema05
	switch {
	case version == "0.4" || strings.HasPrefix(version, "0.4."):
		get = schema04
	case version != "0.5" && !strings.HasPrefix(version, "0.5."):
		return nil, ErrNoSchema
	}
	schema, err := get()
	if err != nil {
		return nil, err
	}
	var wrong *jsonschema.ValidationError
	switch err := schema.Validate(doc); {
	case err == nil:
		return nil, nil
	case !errors.As(err, &wrong):
		return nil, fmt.Errorf("holding it against the schema: %w", err)
	}
	var out []Fault
	leaves(wrong, &out)
	slices.SortFunc(out, func(a, b Fault) int {
		return strings.Compare(strings.Join(a.At, "\x00")+"\x01"+a.Text, strings.Join(b.At, "\x00")+"\x01"+b.Text)
	})
	out = slices.CompactFunc(out, func(a, b Fault) bool { return slices.Equal(a.At, b.At) && a.Text == b.Text })
	return out[:min(len(out), maxFaults)], nil
}

// leaves collects what is wrong in the end. Of alternatives only the place is
// told: none of them is the one that was meant.
func leaves(e *jsonschema.ValidationError, out *[]Fault) {
	_, any := e.ErrorKind.(*kind.AnyOf)
	_, one := e.ErrorKind.(*kind.OneOf)
	if len(e.Causes) == 0 || any || one {
		*out = append(*out, Fault{At: e.InstanceLocation, Text: told(e.ErrorKind)})
		return
	}
	for _, c := range e.Causes {
		leaves(c, out)
	}
}

// told words an error without the value.
func told(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Pattern:
		return "does not match " + k.Want
	case *kind.Format:
		return "is no " + k.Want
	case *kind.AnyOf, *kind.OneOf:
		return "is none of the forms that the schema allows"
	case *kind.Enum:
		return fmt.Sprintf("is none of %v", k.Want)
	case *kind.Const:
		return fmt.Sprintf("is not %v", k.Want)
	case *kind.Required:
		return "misses " + strings.Join(k.Missing, ", ")
	case *kind.AdditionalProperties:
		return fmt.Sprintf("has members that the schema does not know: %.120q", k.Properties)
	}
	return k.LocalizedString(message.NewPrinter(language.English))
}

func compile(version string, packed []byte) (*jsonschema.Schema, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpacking the schema of %s: %w", version, err)
	}
	doc, err := jsonschema.UnmarshalJSON(r)
	if err != nil {
		return nil, fmt.Errorf("reading the schema of %s: %w", version, err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.AssertFormat()
	url := "https://openstandardagents.org/schemas/v" + version + "/agent.schema.json"
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("reading the schema of %s: %w", version, err)
	}
	schema, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compiling the schema of %s: %w", version, err)
	}
	return schema, nil
}

// noLoader loads nothing.
type noLoader struct{}

var errOutside = errors.New("refers to something outside itself")

// Load implements [jsonschema.URLLoader].
func (noLoader) Load(string) (any, error) { return nil, errOutside }
