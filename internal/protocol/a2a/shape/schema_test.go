package shape

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What is refused of version 0.3 although its JSON Schema lets it pass: ids,
// base64, URIs, media types and times that have a form, whole numbers that are
// not negative, parts and files with the content of another kind.
var stricter03 = map[string]bool{
	RuleID: true, RuleBase64: true, RuleURI: true, RuleMedia: true, RuleTime: true, RuleInteger: true,
	RuleForbidden: true, RuleOneOf: true,
}

// For 0.3, the verdict is that of the official JSON Schema. Everything that it
// refuses is refused, and what is refused besides breaks a rule of the list.
func TestVersion03IsItsSchema(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(samples(t), "a2a-v0.3.0.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("a2a.json", doc); err != nil {
		t.Fatal(err)
	}
	same, strict := 0, 0
	for _, e := range examples03 {
		schema, err := compiler.Compile("a2a.json#/definitions/" + e.schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mutants(t, e) {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(m.text)))
			if err != nil {
				t.Fatal(err)
			}
			theirs, ours := schema.Validate(value), Check(e.object, []byte(m.text), nil)
			switch {
			case (theirs == nil) == (ours == nil):
				same++
			case theirs == nil && (stricter03[ours.Rule] || secondContent(m.what)):
				strict++
			default:
				t.Errorf("%s: %s: schema: %v, here: %v", e.schema, m.what, theirs, ours)
			}
		}
	}
	if same < 1000 || strict == 0 {
		t.Errorf("%d verdicts are the same, %d stricter: too few to tell", same, strict)
	}
	t.Logf("%d verdicts are the same, %d stricter", same, strict)
}

// secondContent reports whether a file got bytes beside a uri or the reverse:
// refused, whatever they are.
func secondContent(what string) bool {
	return strings.Contains(what, ".file gets bytes") || strings.Contains(what, ".file gets uri")
}
