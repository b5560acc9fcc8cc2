package schema_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/schema"
)

func listing(tools string) *portcullis.Message {
	result := `{"tools":[` + tools + `]}`
	return &portcullis.Message{
		Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: "tools/list",
		Params: []byte(result), Request: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`),
	}
}

func named(name, members string) string {
	return fmt.Sprintf(`{"name":%q,%s}`, name, members)
}

func calling(name, arguments string) *portcullis.Message {
	m := &portcullis.Message{
		Shape: portcullis.ShapeRequest, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name},
		Params: []byte(`{"name":"` + name + `"}`),
	}
	if arguments != "" {
		m.Arguments = []byte(arguments)
	}
	return m
}

func answering(name, result string) *portcullis.Message {
	return &portcullis.Message{
		Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: "tools/call",
		Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name}, Params: []byte(result),
	}
}

// inspect returns the reason of a refusal, or "note:" and the reason of a note.
func inspect(t *testing.T, i *schema.Inspector, m *portcullis.Message) string {
	t.Helper()
	out, err := i.Inspect(context.Background(), portcullis.Principal{ID: "p"}, m)
	if err == nil {
		if out != m {
			t.Fatal("another message came out")
		}
		if len(m.Notes) == 0 {
			return ""
		}
		n := m.Notes[0]
		if len(m.Notes) > 1 || n.Type != portcullis.EventInputRejected || strings.Contains(fmt.Sprint(n.Details), canary) {
			t.Errorf("notes %+v", m.Notes)
		}
		return "note:" + n.Reason
	}
	var e *portcullis.Error
	if !errors.As(err, &e) || out != nil {
		t.Fatalf("%v with a message %v", err, out)
	}
	if strings.Contains(fmt.Sprintf("%+v", *e), canary) {
		t.Errorf("%+v tells the value", *e)
	}
	return e.Reason
}

const text = `{"type":"object","properties":{"a":{"type":"string","maxLength":3}},"required":["a"]}`

func TestArguments(t *testing.T) {
	i := schema.New(schema.Default(), nil)
	expect := func(name, arguments, want string) {
		t.Helper()
		if got := inspect(t, i, calling(name, arguments)); got != want {
			t.Errorf("%s %s: %q, want %q", name, arguments, got, want)
		}
	}
	expect("echo", `{"a":1}`, "") // no list was seen yet
	inspect(t, i, listing(named("echo", `"inputSchema":`+text)+","+
		named("far", `"inputSchema":{"$ref":"http://127.0.0.1:1/`+canary+`"}`)+","+
		named("loop", `"inputSchema":{"$ref":"#"}`)+","+
		named("bool", `"inputSchema":true`)+","+
		named("null", `"inputSchema":null`)+","+
		named("big", `"inputSchema":{"description":"`+strings.Repeat("x", 300<<10)+`"}`)+","+
		named("none", `"title":"x"`)+","+
		named("twice", `"inputSchema":{}`)+","+named("twice", `"inputSchema":`+text)+","+
		named("again", `"inputSchema":`+text)+","+named("again", `"inputSchema":`+text)))
	expect("echo", `{"a":"x"}`, "")
	expect("echo", `{"a":"`+canary+`"}`, "input_rejected")
	expect("echo", ``, "input_rejected") // absent counts as {}
	expect("again", `{"a":1}`, "input_rejected")
	for _, name := range []string{"far", "loop", "bool", "null", "big", "twice"} {
		expect(name, `{}`, "schema_unusable")
	}
	expect("none", `{"a":1}`, "")
	expect("other", `{"a":1}`, "")

	// The list of the moment counts, from the next call on.
	inspect(t, i, listing(named("echo", `"inputSchema":{"properties":{"a":{"type":"integer"}}}`)))
	expect("echo", `{"a":1}`, "")
	expect("echo", `{"a":"x"}`, "input_rejected")
	expect("far", `{}`, "") // no longer listed

	_, err := i.Inspect(t.Context(), portcullis.Principal{}, calling("echo", `{"a":"`+canary+`"}`))
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindMalformed || e.Code != portcullis.CodeInvalidParams ||
		e.Event != portcullis.EventInputRejected || e.Data["path"] != "/arguments/a" || e.Data["rule"] != "type" ||
		e.Detail != "breaks its schema: path /arguments/a, rule type" {
		t.Errorf("%+v", e)
	}
}

func TestPages(t *testing.T) {
	c := schema.Default()
	c.Unknown = schema.Deny
	i := schema.New(c, nil)
	expect := func(want string, names ...string) {
		t.Helper()
		for _, name := range names {
			if got := inspect(t, i, calling(name, `{}`)); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	expect("schema_unknown", "a", "b", "c")
	first := listing(named("a", `"inputSchema":{}`) + "," + named("b", `"inputSchema":{}`))
	first.Params = []byte(strings.TrimSuffix(string(first.Params), "}") + `,"nextCursor":"2"}`)
	inspect(t, i, first)
	second := listing(named("c", `"inputSchema":{}`))
	second.Request = []byte(`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"2"}}`)
	inspect(t, i, second)
	expect("", "a", "b", "c")
	inspect(t, i, listing(named("b", `"inputSchema":{}`)))
	expect("", "b")
	expect("schema_unknown", "a", "c")
	lost := listing(named("a", `"inputSchema":{}`))
	lost.Request = nil // a resumed stream: nobody knows which page it is
	inspect(t, i, lost)
	expect("", "a", "b")
	bad := listing(``)
	bad.Params = []byte(`{"tools":{}}`)
	inspect(t, i, bad)
	expect("", "a", "b")
}

func TestBounds(t *testing.T) {
	c := schema.Default()
	i := schema.New(c, nil)
	var b strings.Builder
	for n := range 5001 {
		fmt.Fprintf(&b, `{"name":"t%d","inputSchema":%s},`, n, text)
	}
	inspect(t, i, listing(strings.TrimSuffix(b.String(), ",")))
	for name, want := range map[string]string{"t0": "input_rejected", "t4999": "input_rejected", "t5000": "schema_unusable", "other": "schema_unusable"} {
		if got := inspect(t, i, calling(name, `{"a":1}`)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	b.Reset()
	for n := range 100 { // 20 MB that differ
		fmt.Fprintf(&b, `{"name":"t%d","inputSchema":{"description":"%d%s"}},`, n, n, strings.Repeat("x", 200<<10))
	}
	inspect(t, i, listing(strings.TrimSuffix(b.String(), ",")))
	for name, want := range map[string]string{"t0": "", "t99": "schema_unusable"} {
		if got := inspect(t, i, calling(name, `{}`)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestResults(t *testing.T) {
	const tools = `{"name":"sum","inputSchema":{},"outputSchema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}},{"name":"far","inputSchema":{},"outputSchema":{"$ref":"file:///etc/passwd"}}`
	for _, c := range []struct{ tool, result, block, warn string }{
		{"sum", `{"content":[],"structuredContent":{"n":1}}`, "", ""},
		{"sum", `{"content":[],"structuredContent":{"n":"` + canary + `"}}`, "reply_rejected", "note:schema_mismatch"},
		{"sum", `{"content":[],"structuredContent":{}}`, "reply_rejected", "note:schema_mismatch"},
		{"sum", `{"content":[],"structuredContent":null}`, "reply_rejected", "note:schema_mismatch"},
		{"sum", `{"content":[]}`, "", ""},
		{"sum", `{"content":[],"isError":true,"structuredContent":{}}`, "", ""},
		{"sum", `{"content":[],"isError":false,"structuredContent":{}}`, "reply_rejected", "note:schema_mismatch"},
		{"far", `{"content":[],"structuredContent":{}}`, "reply_rejected", "note:schema_unusable"},
		{"other", `{"content":[],"structuredContent":{}}`, "", ""},
	} {
		for mode, want := range map[schema.Mode]string{schema.Block: c.block, schema.Warn: c.warn, schema.Off: ""} {
			i := schema.New(schema.Config{Arguments: schema.Block, Results: mode, Unknown: schema.Allow, Unusable: schema.Deny}, nil)
			inspect(t, i, listing(tools))
			if got := inspect(t, i, answering(c.tool, c.result)); got != want {
				t.Errorf("%s %s: %s: %q, want %q", mode, c.tool, c.result, got, want)
			}
		}
	}
}

// TestQuestions: a question to the user with a schema that would harm a client
// does not reach it, in whatever form it comes.
func TestQuestions(t *testing.T) {
	form := func(requested string) string {
		return `{"message":"Your name?","requestedSchema":` + requested + `}`
	}
	for requested, want := range map[string]string{
		`{"type":"object","properties":{"name":{"type":"string","format":"email","title":"Name"}},"required":["name"]}`: "",
		`{"allOf":[{"$ref":"#"}]}`:       "reply_rejected",
		`{"$ref":"http://127.0.0.1:1/"}`: "reply_rejected",
		`true`:                           "reply_rejected",
		`{"description":"` + strings.Repeat("x", 40<<10) + `"}`: "reply_rejected",
	} {
		for name, m := range map[string]*portcullis.Message{
			"request": {Direction: portcullis.ToClient, Shape: portcullis.ShapeRequest, Method: "elicitation/create", Params: []byte(form(requested))},
			"inside":  answering("echo", `{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":`+form(requested)+`}}}`),
		} {
			if got := inspect(t, schema.New(schema.Default(), nil), m); got != want {
				t.Errorf("%s %.60s: %q, want %q", name, requested, got, want)
			}
		}
	}
	c := schema.Default()
	c.Results = schema.Warn
	m := &portcullis.Message{Direction: portcullis.ToClient, Shape: portcullis.ShapeRequest, Method: "elicitation/create", Params: []byte(form(`true`))}
	if got := inspect(t, schema.New(c, nil), m); got != "note:schema_unusable" {
		t.Errorf("%q", got)
	}
	plain := &portcullis.Message{Direction: portcullis.ToClient, Shape: portcullis.ShapeRequest, Method: "elicitation/create", Params: []byte(`{"mode":"url","url":"https://a.example"}`)}
	if got := inspect(t, schema.New(schema.Default(), nil), plain); got != "" {
		t.Errorf("%q", got)
	}
}

func TestModes(t *testing.T) {
	if schema.New(schema.Config{Arguments: schema.Off, Results: schema.Off}, nil) != nil {
		t.Error("an inspector that checks nothing")
	}
	const tools = `{"name":"echo","inputSchema":` + text + `},{"name":"far","inputSchema":{"$ref":"x"}}`
	for _, c := range []struct {
		arguments           schema.Mode
		unknown, unusable   string
		mismatch, far, none string
	}{
		{schema.Block, schema.Allow, schema.Deny, "input_rejected", "schema_unusable", ""},
		{schema.Block, schema.Deny, schema.Allow, "input_rejected", "note:schema_unusable", "schema_unknown"},
		{schema.Warn, schema.Deny, schema.Deny, "note:schema_mismatch", "note:schema_unusable", "note:schema_unknown"},
		{schema.Off, schema.Deny, schema.Deny, "", "", ""},
	} {
		i := schema.New(schema.Config{Arguments: c.arguments, Results: schema.Block, Unknown: c.unknown, Unusable: c.unusable}, nil)
		inspect(t, i, listing(tools))
		for name, want := range map[string]string{"echo": c.mismatch, "far": c.far, "none": c.none} {
			if got := inspect(t, i, calling(name, `{"a":"`+canary+`"}`)); got != want {
				t.Errorf("%+v %s: %q, want %q", c, name, got, want)
			}
		}
	}
}

func TestFollow(t *testing.T) {
	old := schema.New(schema.Default(), nil)
	inspect(t, old, listing(named("echo", `"inputSchema":`+text)))
	now := schema.New(schema.Default(), nil)
	now.Follow(nil)
	if got := inspect(t, now, calling("echo", `{}`)); got != "" {
		t.Errorf("%q", got)
	}
	now.Follow(old)
	if got := inspect(t, now, calling("echo", `{}`)); got != "input_rejected" {
		t.Errorf("%q", got)
	}
}

func TestRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := schema.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	event := &portcullis.Message{Direction: portcullis.ToClient, Shape: portcullis.ShapeNotification, Method: "notifications/progress", Params: []byte(`{"a":1}`)}
	prompt := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "prompts/get", Target: portcullis.Target{Kind: portcullis.TargetPrompt, Name: "p"}, Params: []byte(`{"name":"p"}`)}
	answer := answering("echo", `{"content":[]}`)
	for _, c := range []struct {
		rule schema.Rule
		m    *portcullis.Message
		want string
	}{
		{schema.Rule{Part: schema.Arguments, Method: "tools/call"}, calling("echo", `{"a":1}`), "input_rejected"},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call"}, calling("echo", `{"a":"x"}`), ""},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call"}, calling("echo", ``), "input_rejected"},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call", Warn: true}, calling("echo", `{"a":1}`), "note:schema_mismatch"},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call", Tools: []string{"e*o", "x"}}, calling("echo", `{"a":1}`), "input_rejected"},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call", Tools: []string{"e*o", "x"}}, calling("each", `{"a":1}`), ""},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call", Tools: []string{"*"}}, calling("each", `{"a":1}`), "input_rejected"},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call", Tools: []string{"a*c*e"}}, calling("abcde", `{"a":1}`), "input_rejected"},
		{schema.Rule{Part: schema.Arguments, Method: "tools/call", Tools: []string{"aa*a"}}, calling("aa", `{"a":1}`), ""},
		{schema.Rule{Part: schema.Params, Method: "prompts/get"}, prompt, "input_rejected"},
		{schema.Rule{Part: schema.Params, Method: "tools/call"}, prompt, ""},
		{schema.Rule{Part: schema.Result, Method: "tools/call"}, answer, "reply_rejected"},
		{schema.Rule{Part: schema.Result, Method: "tools/call", Tools: []string{"other"}}, answer, ""},
		{schema.Rule{Part: schema.Result, Method: "tools/call"}, calling("echo", `{"a":1}`), ""},
		{schema.Rule{Part: schema.Event, Method: "notifications/progress"}, event, "reply_rejected"},
		{schema.Rule{Part: schema.Event, Method: "notifications/message"}, event, ""},
		{schema.Rule{Part: schema.Params, Method: "notifications/progress"}, event, ""},
		{schema.Rule{Part: schema.Event, Method: "tools/call"}, answer, ""},
	} {
		c.rule.Schema = s
		m := *c.m
		i := schema.New(schema.Config{Arguments: schema.Off, Results: schema.Off}, []schema.Rule{c.rule})
		if got := inspect(t, i, &m); got != c.want {
			t.Errorf("%+v: %q, want %q", c.rule, got, c.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, want string }{
		"half":    {`{"type":`, "is not one JSON value"},
		"large":   {`{"description":"` + strings.Repeat("x", 300<<10) + `"}`, "is too large"},
		"outside": {`{"$ref":"other.json"}`, "refers to something outside itself"},
		"loop":    {`{"$ref":"#"}`, "refers to itself without an end"},
		"ahead":   {`{"pattern":"(?=a)"}`, "holds a pattern that cannot be used"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := schema.Load(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, file := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := schema.Load(file); err == nil {
			t.Errorf("%s is loaded", file)
		}
	}
}

// TestListsAndCallsAtOnce: a call sees one list or the next, never half of one.
func TestListsAndCallsAtOnce(t *testing.T) {
	i := schema.New(schema.Default(), nil)
	lists := []string{
		named("a", `"inputSchema":`+text) + "," + named("b", `"inputSchema":`+text),
		named("a", `"inputSchema":{"properties":{"a":{"type":"string"}}}`) + "," + named("b", `"inputSchema":`+text),
	}
	inspect(t, i, listing(lists[0]))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 50 {
				if n%2 == 0 {
					inspect(t, i, listing(lists[k%2]))
				} else if got := inspect(t, i, calling("a", `{"a":1}`)); got != "input_rejected" {
					t.Errorf("%q", got)
				}
			}
		})
	}
	wg.Wait()
}

// TestHeavyChecksTakeTurns: many large values at once are checked a few at a
// time, and who has left does not wait.
func TestHeavyChecksTakeTurns(t *testing.T) {
	i := schema.New(schema.Default(), nil)
	inspect(t, i, listing(named("echo", `"inputSchema":{"properties":{"a":{"type":"array","items":{"type":"integer"}}}}`)))
	large := `{"a":[` + strings.Repeat("1,", 50_000) + `1]}`
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if got := inspect(t, i, calling("echo", large)); got != "" {
				t.Errorf("%q", got)
			}
		})
	}
	wg.Wait()
	if got := inspect(t, i, calling("echo", strings.Replace(large, "1", `"x"`, 1))); got != "input_rejected" {
		t.Errorf("%q", got)
	}
}

func BenchmarkInspectCall(b *testing.B) {
	i := schema.New(schema.Default(), nil)
	list := listing(named("echo", `"inputSchema":`+text))
	if _, err := i.Inspect(b.Context(), portcullis.Principal{}, list); err != nil {
		b.Fatal(err)
	}
	m := calling("echo", `{"a":"x"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Inspect(b.Context(), portcullis.Principal{}, m); err != nil {
			b.Fatal(err)
		}
	}
}
