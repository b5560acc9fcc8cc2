package schema_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

// TestExamples: the schemas of docs/examples say what the pages tell of them.
func TestExamples(t *testing.T) {
	for _, c := range []struct{ file, value, path, rule string }{
		{"userinput", `{"message":"hello"}`, "", ""},
		{"userinput", `{"message":"  hello  ","skillId":"s","sessionId":"0197f3c2-7b1a-7c3e-9d1f-2a4b6c8d0e1f"}`, "", ""},
		{"userinput", `{"message":"` + strings.Repeat("x", 10_000) + `"}`, "", ""},
		{"userinput", `{"message":"` + strings.Repeat("x", 10_001) + `"}`, "/message", "maxLength"},
		{"userinput", `{"message":"x` + strings.Repeat(" ", 10_000) + `"}`, "/message", "maxLength"}, // as it was sent
		{"userinput", `{"message":"` + strings.Repeat("😀", 10_000) + `"}`, "", ""},                   // 20,000 UTF-16 units
		{"userinput", `{"message":"x","sessionId":"1"}`, "/sessionId", "format"},
		{"userinput", `{"message":1}`, "/message", "type"},
		{"userinput", `{}`, "/message", "required"},
		{"userinput", `{"message":"x","` + canary + `":1}`, "/*", "additionalProperties"},

		{"task", `{"title":"Write"}`, "", ""},
		{"task", `{"title":"Write","description":"","priority":"high","dueDate":"2026-11-30T12:00:00Z"}`, "", ""},
		{"task", `{"title":"Write","dueDate":"2026-11-30"}`, "", ""},
		{"task", `{"title":"Write","dueDate":"` + canary + `"}`, "/dueDate", "anyOf"},
		{"task", `{"title":""}`, "/title", "minLength"},
		{"task", `{"title":"` + strings.Repeat("x", 201) + `"}`, "/title", "maxLength"},
		{"task", `{"title":"x","description":"` + strings.Repeat("x", 1001) + `"}`, "/description", "maxLength"},
		{"task", `{"title":"x","priority":"` + canary + `"}`, "/priority", "enum"},
		{"task", `{"title":"x","isAdmin":true}`, "/*", "additionalProperties"},
		{"task", `{"title":"x","__proto__":{}}`, "/*", "additionalProperties"},

		{"stream-event", `{"type":"task.status","status":{"state":"working"}}`, "", ""},
		{"stream-event", `{"type":"task.status","status":{"state":"TASK_STATE_REJECTED","timestamp":"2026-01-01T00:00:00Z","message":{"parts":[{"type":"text","text":"x"}]}},"final":true}`, "", ""},
		{"stream-event", `{"type":"task.status","status":{"state":"` + canary + `"}}`, "/status/state", "enum"},
		{"stream-event", `{"type":"task.status"}`, "/status", "required"},
		{"stream-event", `{"type":"task.status","status":{"state":"working","message":{"parts":[{"type":"text"}]}}}`, "/status/message/parts/0/text", "required"},
		{"stream-event", `{"type":"task.artifact","artifact":{"id":"a","parts":[{"type":"data","data":{}},{"type":"file","file":{}}],"index":0,"append":false,"lastChunk":true}}`, "", ""},
		{"stream-event", `{"type":"task.artifact","artifact":{"id":"a","parts":[{"type":"` + canary + `"}]}}`, "/artifact/parts/0/type", "enum"},
		{"stream-event", `{"type":"task.artifact","artifact":{"id":"a","parts":[],"index":-1}}`, "/artifact/index", "minimum"},
		{"stream-event", `{"type":"task.output","output":"x"}`, "", ""},
		{"stream-event", `{"type":"task.output","delta":"x"}`, "/output", "required"},
		{"stream-event", `{"type":"error","code":-32000,"message":"x","data":{}}`, "", ""},
		{"stream-event", `{"type":"error","message":"x"}`, "/code", "required"},
		{"stream-event", `{"type":"done","task":{"id":"1"}}`, "", ""},
		{"stream-event", `{"type":"done"}`, "/task", "required"},
		{"stream-event", `{"type":"` + canary + `"}`, "/type", "enum"},
		{"stream-event", `{}`, "/type", "required"},
		{"stream-event", `"` + canary + `"`, "", "type"},
	} {
		s, err := schema.Load(filepath.Join("../../../docs/examples", c.file+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		f := s.Check([]byte(c.value), "")
		if f == nil {
			f = new(schema.Failure)
		}
		short := c.value[:min(len(c.value), 100)]
		if f.Path != c.path || f.Rule != c.rule {
			t.Errorf("%s %s: %+v, want %q %q", c.file, short, *f, c.path, c.rule)
		}
		if strings.Contains(fmt.Sprint(*f), canary) {
			t.Errorf("%s %s: %+v tells the value", c.file, short, *f)
		}
	}
}
