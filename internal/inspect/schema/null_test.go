package schema_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

func TestNullStandsForLeftOut(t *testing.T) {
	i := schema.New(schema.Default(), nil)
	if got := inspect(t, i, listing(named("t", `"inputSchema":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"object","properties":{"d":{"type":"string"}}}},"required":["b"],"additionalProperties":false}`))); got != "" {
		t.Fatal(got)
	}
	for arguments, want := range map[string]string{
		`{"a":null,"b":"x"}`:             "",
		`{"b":"x", "a" : null , "c":{}}`: "",
		`{"b":null}`:                     "input_rejected",
		`{"a":null}`:                     "input_rejected",
		`{"a":null,"b":1}`:               "input_rejected",
		`{"b":"x","c":{"d":null}}`:       "input_rejected",
		`{"b":"x","c":[null]}`:           "input_rejected",
	} {
		if got := inspect(t, i, calling("t", arguments)); got != want {
			t.Errorf("%s: %q, want %q", arguments, got, want)
		}
	}
}
