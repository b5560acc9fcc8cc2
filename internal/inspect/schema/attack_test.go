package schema_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

// canary is a value that must never be told.
const canary = "c4n4ry-value"

func compile(t testing.TB, raw string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(raw), schema.Options{Object: true})
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return s
}

// doubling is a schema of n definitions, each of which applies the next twice.
func doubling(n int, keyword string) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/a0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"a%d":{%q:[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, keyword, i+1, i+1)
	}
	fmt.Fprintf(&b, `"a%d":{"type":"object"}}}`, n)
	return b.String()
}

// TestUnusableSchemas: schemas that a hostile server would send.
func TestUnusableSchemas(t *testing.T) {
	asked := 0
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Write([]byte(`{}`))
	}))
	defer host.Close()
	file := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(file, []byte(`{"const":"`+canary+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, schema, want string }{
		{"http reference", `{"$ref":"` + host.URL + `/s.json"}`, "outside"},
		{"file reference", `{"$ref":"file://` + file + `"}`, "outside"},
		{"file reference below", `{"properties":{"a":{"allOf":[{"$ref":"file:///etc/passwd"}]}}}`, "outside"},
		{"relative reference", `{"$ref":"../../../etc/passwd"}`, "outside"},
		{"reference against another base", `{"$id":"` + host.URL + `/","$ref":"s.json"}`, "outside"},
		{"$schema of another host", `{"$schema":"` + host.URL + `/meta.json"}`, "outside"},
		{"reference to itself", `{"$ref":"#"}`, "without an end"},
		{"allOf of itself", `{"allOf":[{"$ref":"#"}]}`, "without an end"},
		{"reference in a circle", `{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}`, "without an end"},
		{"names that are what they name", `{"propertyNames":{"$ref":"#"}}`, "without an end"},
		{"dynamic reference", `{"$dynamicAnchor":"n","properties":{"a":{"$dynamicRef":"#n"}}}`, "$dynamicRef"},
		{"recursive reference", `{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$recursiveRef":"#"}}}`, "$dynamicRef"},
		{"part that is not there", `{"$ref":"#/$defs/none"}`, "not there"},
		{"anchor that is not there", `{"$ref":"#none"}`, "not there"},
		{"doubling by allOf", doubling(40, "allOf"), "costs too much"},
		{"doubling by anyOf", doubling(40, "anyOf"), "costs too much"},
		{"doubling by oneOf", doubling(50, "oneOf"), "costs too much"},
		{"long way in place", doubling(100, "allOf"), "costs too much"},
		{"deep allOf", strings.Repeat(`{"allOf":[`, 1000) + `{}` + strings.Repeat(`]}`, 1000), "too deep"},
		{"deep properties", strings.Repeat(`{"properties":{"a":`, 100) + `{}` + strings.Repeat(`}}`, 100), "too deep"},
		{"ten megabytes", `{"description":"` + strings.Repeat("x", 10<<20) + `"}`, "too large"},
		{"a million words", `{"enum":[` + strings.Repeat(`1,`, 1_000_000) + `1]}`, "too large"},
		{"many words", `{"enum":[` + strings.Repeat(`1,`, 30_000) + `1]}`, "too large"},
		{"many parts", `{"allOf":[` + strings.Repeat(`{"x":{}},`, 10_000) + `{}]}`, "too large"},
		{"number with many digits", `{"maximum":` + strings.Repeat("9", 1000) + `}`, "number"},
		{"number with a large exponent", `{"maximum":1e999999999}`, "number"},
		{"pattern of a million states", `{"pattern":"((a{30}){30}b){30}"}`, "pattern"},
		{"long pattern", `{"pattern":"` + strings.Repeat("a", 5000) + `"}`, "pattern"},
		{"pattern that is none", `{"pattern":"("}`, "pattern"},
		{"name pattern that looks ahead", `{"patternProperties":{"(?=a)":{"type":"string"}}}`, "pattern"},
		{"true", `true`, "not an object"},
		{"false", `false`, "not an object"},
		{"list", `[]`, "not an object"},
		{"null", `null`, "not an object"},
		{"text", `"object"`, "not an object"},
		{"type that is none", `{"type":"` + canary + `"}`, "not a JSON Schema"},
		{"properties that are none", `{"properties":["` + canary + `"]}`, "not a JSON Schema"},
		{"two values", `{}{}`, "not one JSON value"},
		{"half a value", `{"type":`, "not one JSON value"},
		{"a name twice", `{"type":"object","type":"string"}`, "not one JSON value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := schema.Compile([]byte(c.schema), schema.Options{Object: true})
			if err == nil || s != nil {
				t.Fatal("usable")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q does not say %q", err, c.want)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), host.URL) || strings.Contains(err.Error(), "passwd") {
				t.Errorf("%q tells of the schema", err)
			}
		})
	}
	if asked != 0 {
		t.Errorf("a host was asked %d times", asked)
	}
}

// TestBudget: what a usable schema and a value together may cost.
func TestBudget(t *testing.T) {
	tree := `{"anyOf":[{"type":"string"},{"type":"array","items":{"$ref":"#"}},{"type":"object","additionalProperties":{"$ref":"#"}}]}`
	branching := `{"anyOf":[` + strings.Repeat(`{"properties":{"a":{"$ref":"#"}},"required":["b"]},`, 9) + `{"properties":{"a":{"$ref":"#"}}}]}`
	nested := func(open, shut string, n int) string {
		return strings.Repeat(open, n) + `"x"` + strings.Repeat(shut, n)
	}
	for _, c := range []struct{ name, schema, value, rule string }{
		{"tree as deep as allowed", tree, nested(`[`, `]`, 60), ""},
		{"object as deep as allowed", tree, nested(`{"a":`, `}`, 60), ""},
		{"too deep", tree, nested(`[`, `]`, 70), "depth"},
		{"ten ways, few steps", branching, nested(`{"a":`, `}`, 3), ""},
		{"ten ways, many steps", branching, nested(`{"a":`, `}`, 20), "budget"},
		{"doubling that ends soon", doubling(10, "allOf"), `{}`, ""},
		{"a text and a short pattern", `{"properties":{"a":{"pattern":"^[a-z]*$"}}}`, `{"a":"` + strings.Repeat("x", 100_000) + `"}`, ""},
		{"a text and a long pattern", `{"properties":{"a":{"pattern":"(a?){500}b"}}}`, `{"a":"` + strings.Repeat("a", 100_000) + `"}`, "budget"},
		{"catastrophe of other engines", `{"properties":{"a":{"pattern":"^(a+)+$"}}}`, `{"a":"` + strings.Repeat("a", 50_000) + `!"}`, "pattern"},
		{"names and a long pattern", `{"patternProperties":{"(a?){500}b":{}}}`, `{"` + strings.Repeat("a", 100_000) + `":1}`, "budget"},
		{"unique words", `{"properties":{"a":{"uniqueItems":true}}}`, `{"a":["x","y","x"]}`, "uniqueItems"},
		{"unique and too many", `{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[` + strings.Repeat(`[],`, 20_000) + `1]}`, "budget"},
		{"number out of range", `{"properties":{"a":{"type":"integer"}}}`, `{"a":1e999999999}`, "number"},
		{"large value", `{}`, `{"a":"` + strings.Repeat("x", 5<<20) + `"}`, "budget"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := compile(t, c.schema).Check([]byte(c.value), "")
			switch {
			case c.rule == "" && f != nil:
				t.Errorf("refused: %+v", *f)
			case c.rule != "" && (f == nil || f.Rule != c.rule):
				t.Errorf("%+v, want the rule %s", f, c.rule)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const task = `{"type":"object","required":["title"],"additionalProperties":false,"properties":{
		"title":{"type":"string","minLength":1,"maxLength":3},"priority":{"enum":["low","high"]},"n":{"type":"integer","minimum":1,"multipleOf":2},
		"list":{"type":"array","maxItems":2,"items":{"type":"object","properties":{"a/b":{"type":"string"}}}},
		"map":{"additionalProperties":{"type":"integer"}},"either":{"oneOf":[{"type":"string"},{"type":"integer"}]},"no":{"not":{"type":"string"}},
		"never":false,"dep":{"dependentRequired":{"a":["b"]}},"const":{"const":1},"name":{"propertyNames":{"maxLength":2}}}}`
	s := compile(t, task)
	for _, c := range []struct{ value, path, rule string }{
		{`{"title":"x"}`, "", ""},
		{`{"title":"x","priority":"high","list":[{"a/b":"x"}],"map":{"k":1},"either":1,"no":1,"n":4.0}`, "", ""},
		{`{}`, "/arguments/title", "required"},
		{`{"title":"` + canary + `"}`, "/arguments/title", "maxLength"},
		{`{"title":""}`, "/arguments/title", "minLength"},
		{`{"title":"x","priority":"` + canary + `"}`, "/arguments/priority", "enum"},
		{`{"title":"x","` + canary + `":1}`, "/arguments/*", "additionalProperties"},
		{`{"title":"x","map":{"` + canary + `":"x"}}`, "/arguments/map/*", "type"},
		{`{"title":"x","map":{"12345678":"x"}}`, "/arguments/map/*", "type"},
		{`{"title":"x","list":[{},{"a/b":1}]}`, "/arguments/list/1/a~1b", "type"},
		{`{"title":"x","list":[1,2,3]}`, "/arguments/list", "maxItems"},
		{`{"title":"x","either":true}`, "/arguments/either", "oneOf"},
		{`{"title":"x","no":"` + canary + `"}`, "/arguments/no", "not"},
		{`{"title":"x","never":1}`, "/arguments/never", "false"},
		{`{"title":"x","n":1.5}`, "/arguments/n", "type"},
		{`{"title":"x","n":3}`, "/arguments/n", "multipleOf"},
		{`{"title":"x","const":"` + canary + `"}`, "/arguments/const", "const"},
		{`{"title":"x","dep":{"a":1}}`, "/arguments/dep", "dependentRequired"},
		{`{"title":"x","name":{"` + canary + `":1}}`, "/arguments/name", "propertyNames"},
		{`[]`, "/arguments", "type"},
		{`"` + canary + `"`, "/arguments", "type"},
		{`{"title":"x"`, "/arguments", "json"},
		{`{"title":"x","title":"y"}`, "/arguments", "json"},
	} {
		f := s.Check([]byte(c.value), "/arguments")
		if f == nil {
			f = new(schema.Failure)
		}
		if f.Path != c.path || f.Rule != c.rule {
			t.Errorf("%s: %+v, want %s %s", c.value, *f, c.path, c.rule)
		}
		if strings.Contains(fmt.Sprint(*f), canary) {
			t.Errorf("%s: %+v tells the value", c.value, *f)
		}
	}
}

// TestPathsAreBounded: names of a schema are its server's, and may be anything.
func TestPathsAreBounded(t *testing.T) {
	long := strings.Repeat("n", 60)
	raw, value := `{"type":"string"}`, `1`
	for range 10 {
		raw, value = `{"properties":{"`+long+`":`+raw+`}}`, `{"`+long+`":`+value+`}`
	}
	if f := compile(t, raw).Check([]byte(value), ""); f == nil || len(f.Path) > 256 {
		t.Errorf("%+v", f)
	}
	for _, name := range []string{`a\u001b[31m`, `a\nb`, strings.Repeat("x", 65), `ünïcode`, `a\"b`} {
		f := compile(t, `{"properties":{"`+name+`":{"type":"string"}}}`).Check([]byte(`{"`+name+`":1}`), "")
		if f == nil || f.Path != "/*" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestDrafts(t *testing.T) {
	for _, c := range []struct {
		name, schema, value string
		ok                  bool
	}{
		{"2020-12 by default", `{"properties":{"a":{"prefixItems":[{"type":"string"}],"items":false}}}`, `{"a":["x",1]}`, false},
		{"draft-07 items", `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"items":[{"type":"string"}],"additionalItems":false}}}`, `{"a":["x",1]}`, false},
		{"draft-07 definitions", `{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"s":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/s"}}}`, `{"a":1}`, false},
		{"unknown keywords", `{"type":"object","x-mcp-header":"A","properties":{"a":{"type":"string","x-order":1}}}`, `{"a":"b"}`, true},
		{"formats are notes in 2020-12", `{"properties":{"a":{"format":"date-time"}}}`, `{"a":"soon"}`, true},
		{"formats count in draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"format":"date-time"}}}`, `{"a":"soon"}`, false},
		{"a pattern that looks ahead is the server's", `{"properties":{"a":{"pattern":"^(?!x)"}}}`, `{"a":"x"}`, true},
		{"an empty schema", `{}`, `{"a":"x"}`, true},
		{"its own name", `{"$id":"https://example.com/s","$defs":{"s":{"type":"string"}},"properties":{"a":{"$ref":"https://example.com/s#/$defs/s"}}}`, `{"a":1}`, false},
		{"an anchor", `{"$defs":{"s":{"$anchor":"s","type":"string"}},"properties":{"a":{"$ref":"#s"}}}`, `{"a":1}`, false},
	} {
		if f := compile(t, c.schema).Check([]byte(c.value), ""); (f == nil) != c.ok {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
	if _, err := schema.Compile([]byte(`{"pattern":"^(?!x)"}`), schema.Options{Trusted: true}); err == nil {
		t.Error("a schema of the operator's own with a pattern that cannot be checked is accepted")
	}
}
