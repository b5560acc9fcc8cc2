package schema

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	root  *jsonschema.Schema
	names map[string]bool // names that stand in it, which may be told
	costs [maxDepth + 1]weight
}

// Options say how a schema is compiled.
type Options struct {
	// Trusted marks a schema of the operator: formats are asserted, and a
	// pattern that RE2 does not know is a mistake. In schemas of a server
	// formats count where the draft says so (up to draft-07), and such a
	// pattern is left to the server.
	Trusted bool
	// Object wants a schema that is an object, as schemas of tools are.
	Object bool
}

var (
	errOutside   = errors.New("refers to something outside itself")
	errNoSchema  = errors.New("is not a JSON Schema")
	errNoObject  = errors.New("is not an object")
	errReference = errors.New("refers to a part that is not there")
)

// Compile reads a schema: draft 2020-12, or what $schema says. Nothing is
// fetched. The error says what is wrong in words of this package: nothing of
// the schema is in it, and it reads on after a subject, "is too large".
func Compile(raw []byte, o Options) (s *Schema, err error) {
	defer func() {
		if p := recover(); p != nil { // a mistake of the library is no reason to fall
			s, err = nil, errNoSchema
		}
	}()
	if o.Object && !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return nil, errNoObject
	}
	doc, _, err := decode(raw, true)
	if err != nil {
		return nil, err
	}
	const url = "https://schema.invalid/root" // a base that relative references resolve against, to nothing
	e := &engine{strict: o.Trusted}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(e.compile)
	if o.Trusted {
		c.AssertFormat()
	}
	if err := c.AddResource(url, doc); err != nil {
		return nil, errNoSchema
	}
	root, err := c.Compile(url)
	if e.refused {
		return nil, errPattern
	}
	if err != nil {
		return nil, explain(err)
	}
	g, err := survey(root)
	if err != nil {
		return nil, err
	}
	s = &Schema{root: root, names: g.names, costs: g.costs()}
	smallest := shape{values: [maxDepth + 2]float64{1}}
	if _, ok := affordable(&s.costs, &smallest); !ok {
		return nil, errCostly
	}
	return s, nil
}

// explain puts what the library says into words that hold nothing of the schema.
func explain(err error) error {
	var outside *jsonschema.LoadURLError
	var pointer *jsonschema.JSONPointerNotFoundError
	var anchor *jsonschema.AnchorNotFoundError
	switch {
	case errors.As(err, &outside):
		return errOutside
	case errors.As(err, &pointer), errors.As(err, &anchor):
		return errReference
	}
	return errNoSchema
}

// noLoader loads nothing: no schema makes the gateway read a file or ask a host.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) { return nil, errOutside }

// engine compiles patterns, in time linear in the text (RE2).
type engine struct {
	strict  bool
	refused bool // some pattern cannot be used
	size    int  // of all patterns so far
}

// pattern is a compiled pattern and about how many instructions it has.
type pattern struct {
	*regexp.Regexp
	size int
}

// foreign is a pattern that RE2 does not know, such as one that looks ahead.
type foreign struct{}

// String implements jsonschema.Regexp.
func (foreign) String() string { return "" }

// MatchString implements jsonschema.Regexp.
func (foreign) MatchString(string) bool { return true }

func (e *engine) compile(text string) (re jsonschema.Regexp, err error) {
	defer func() { e.refused = e.refused || err != nil }()
	if len(text) > maxText {
		return nil, errPattern
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		var wrong *syntax.Error
		if !e.strict && errors.As(err, &wrong) && (wrong.Code == syntax.ErrInvalidPerlOp || wrong.Code == syntax.ErrInvalidEscape) {
			return foreign{}, nil
		}
		return nil, errPattern
	}
	size := instructions(tree)
	if e.size += size; size > maxPattern || e.size > maxAllInst {
		return nil, errPattern
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, errPattern
	}
	return &pattern{compiled, size}, nil
}
