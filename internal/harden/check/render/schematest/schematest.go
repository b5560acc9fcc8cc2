// Package schematest holds reports that tests make to the schema which is
// published for them.
package schematest

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render"
)

// Fits fails the test unless a report in JSON fits the schema. A member that
// the schema does not name fails too: readers pass over it, and we have forgotten
// to describe it.
func Fits(t testing.TB, report []byte) {
	t.Helper()
	got, err := jsonschema.UnmarshalJSON(bytes.NewReader(report))
	if err != nil {
		t.Fatalf("the report is no JSON: %v", err)
	}
	if err := compiled(t).Validate(got); err != nil {
		t.Errorf("the report does not fit its schema: %v", err)
	}
}

// Outcome is Fits of what an outcome is written as.
func Outcome(t testing.TB, o outcome.Outcome) {
	t.Helper()
	var b bytes.Buffer
	if err := render.Write(&b, "json", o, false); err != nil {
		t.Fatal(err)
	}
	Fits(t, b.Bytes())
}

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(render.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	strict(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(outcome.Schema, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(outcome.Schema)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// strict closes every object that is described.
func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["type"] == "object" && v["properties"] != nil {
			v["additionalProperties"] = false
		}
		for _, e := range v {
			strict(e)
		}
	case []any:
		for _, e := range v {
			strict(e)
		}
	}
}
