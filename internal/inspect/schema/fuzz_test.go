package schema_test

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

// FuzzSchema: no schema and no value make the checker fall or run on, the
// answer is always the same, and no word of the value is told.
func FuzzSchema(f *testing.F) {
	for _, seed := range [][2]string{
		{`{}`, `{}`},
		{`{"$ref":"#"}`, `{}`},
		{`{"type":"object","required":["a"],"properties":{"a":{"enum":[1,"b"]}}}`, `{"a":"c"}`},
		{`{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}`, `[1]`},
		{`{"properties":{"a":{"$ref":"#"}},"additionalProperties":false,"minProperties":1}`, `{"a":{"a":{}}}`},
		{`{"patternProperties":{"^a":{"type":"integer"}},"unevaluatedProperties":false}`, `{"ab":1,"c":2}`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"const":1e2}],"dependencies":{"a":["b"]}}`, `[100]`},
		{`{"uniqueItems":true,"contains":{"type":"null"},"minContains":2}`, `[null,null,[[]],[]]`},
		{`{"$id":"https://a.example/","$defs":{"b":{"$id":"b","$anchor":"c"}},"$ref":"b#c"}`, `1`},
		{`{"$dynamicAnchor":"a","$dynamicRef":"#a"}`, `1`},
		{`{"multipleOf":0.01,"pattern":"^(?=a)(b+)+$"}`, `1.001`},
	} {
		f.Add(seed[0], seed[1], false)
		f.Add(seed[0], seed[1], true)
	}
	f.Fuzz(func(t *testing.T, raw, value string, trusted bool) {
		s, err := schema.Compile([]byte(raw), schema.Options{Trusted: trusted})
		if err != nil {
			if s != nil || len(err.Error()) > 200 {
				t.Fatalf("%v with %v", s, err)
			}
			return
		}
		first, second := s.Check([]byte(value), "/a"), s.Check([]byte(value), "/a")
		if (first == nil) != (second == nil) || first != nil && *first != *second {
			t.Fatalf("%+v, then %+v", first, second)
		}
		if first == nil {
			return
		}
		if len(first.Path) > 256 || !strings.HasPrefix(first.Path, "/a") || len(first.Rule) > 30 || first.Rule == "" {
			t.Fatalf("%+v", *first)
		}
		const canary = "c4n4ry"
		if strings.Contains(value, canary) && !strings.Contains(raw, canary) && strings.Contains(first.Path+first.Rule, canary) {
			t.Fatalf("%+v tells of %s", *first, value)
		}
	})
}

func benchmark(b *testing.B, raw, value string) {
	s := compile(b, raw)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if f := s.Check([]byte(value), ""); f != nil {
			b.Fatal(*f)
		}
	}
}

func BenchmarkCheckSmall(b *testing.B) {
	benchmark(b, `{"type":"object","required":["title"],"additionalProperties":false,"properties":{"title":{"type":"string","maxLength":200},"priority":{"enum":["low","medium","high"]},"tags":{"type":"array","items":{"type":"string"}}}}`,
		`{"title":"Write the report","priority":"high","tags":["a","b","c"]}`)
}

func BenchmarkCheckLarge(b *testing.B) {
	row := `{"id":12345,"name":"Some name of a thing","tags":["one","two"],"price":12.5}`
	benchmark(b, `{"properties":{"rows":{"type":"array","items":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"name":{"type":"string","maxLength":100},"tags":{"type":"array","items":{"type":"string"}},"price":{"type":"number","minimum":0}}}}}}`,
		`{"rows":[`+strings.Repeat(row+",", 99)+row+`]}`)
}

func BenchmarkCompile(b *testing.B) {
	raw := []byte(`{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200},"priority":{"enum":["low","medium","high"]}}}`)
	for b.Loop() {
		if _, err := schema.Compile(raw, schema.Options{Object: true}); err != nil {
			b.Fatal(err)
		}
	}
}
