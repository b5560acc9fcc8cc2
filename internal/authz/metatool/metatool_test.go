package metatool

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// allowed lets a principal call the tools named so, and fails on "broken".
type allowed []string

func (allowed) Name() string { return "allowed" }

func (l allowed) Authorize(_ context.Context, _ portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	for _, name := range l {
		if a.Target.Name == name {
			return portcullis.Decision{Effect: portcullis.Allow, Rule: name + string(a.Arguments)}, nil
		}
	}
	if a.Target.Name == "broken" {
		return portcullis.Decision{}, errors.New("broken")
	}
	return portcullis.Decision{Rule: "not " + a.Target.Name, Need: []string{"tools:" + a.Target.Name}}, nil
}

func guard(t testing.TB) *Guard {
	t.Helper()
	g, err := New([]Tool{
		{Tool: "call_tool", Name: "/tool_name", Arguments: "/arguments"},
		{Tool: "run", Name: "/a~1b/n"},
	}, []portcullis.Authorizer{allowed{"call_tool", "run", "echo"}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func call(name, args string) portcullis.Action {
	return portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name}, Arguments: []byte(args)}
}

func TestInnerTool(t *testing.T) {
	g := guard(t)
	nested := `{"tool_name":"echo","arguments":{}}`
	for range maxNesting {
		nested = `{"tool_name":"call_tool","arguments":` + nested + `}`
	}
	for _, c := range []struct {
		tool, args, rule string
		want             bool
	}{
		{"echo", `{"tool_name":"delete"}`, "calls no other tool", true},
		{"call_tool", `{"tool_name":"echo","arguments":{"x":1}}`, "inner tool is allowed", true},
		{"call_tool", `{"tool_name":"echo"}`, "inner tool is allowed", true},
		{"call_tool", `{"tool_name":"delete"}`, "inner tool: allowed: not delete", false},
		{"call_tool", `{"tool_name":"\u0064elete"}`, "inner tool: allowed: not delete", false},
		{"call_tool", `{"tool_name":"call_tool","arguments":{"tool_name":"delete"}}`, "inner tool: allowed: not delete", false},
		{"call_tool", `{"tool_name":"run","arguments":{"a/b":{"n":"delete"}}}`, "inner tool: allowed: not delete", false},
		{"run", `{"a/b":{"n":"echo"}}`, "inner tool is allowed", true},
		{"run", `{"a/b":"echo"}`, "names no one tool", false},
		{"run", `{"a/b":[{"n":"echo"}]}`, "names no one tool", false},
		{"call_tool", ``, "names no one tool", false},
		{"call_tool", `{}`, "names no one tool", false},
		{"call_tool", `[]`, "names no one tool", false},
		{"call_tool", `{"tool_name":null}`, "names no one tool", false},
		{"call_tool", `{"tool_name":""}`, "names no one tool", false},
		{"call_tool", `{"tool_name":["echo"]}`, "names no one tool", false},
		{"call_tool", `{"tool_name":"` + strings.Repeat("x", 300) + `"}`, "names no one tool", false},
		{"call_tool", `{"tool_name":"echo","Tool_Name":"delete"}`, "names no one tool", false},
		{"call_tool", `{"TOOL_NAME":"echo"}`, "names no one tool", false},
		{"call_tool", `{"tool_name":"echo","arguments":"{}"}`, "names no one tool", false},
		{"call_tool", `{"tool_name":"echo","arguments":{},"Arguments":{}}`, "names no one tool", false},
		{"call_tool", nested, "tools inside tools", false},
	} {
		d, err := g.Authorize(t.Context(), portcullis.Principal{ID: "a"}, call(c.tool, c.args))
		if err != nil || d.Allowed() != c.want || d.Rule != c.rule {
			t.Errorf("%s %.60s: got %+v, %v", c.tool, c.args, d, err)
		}
	}
	if d, err := g.Authorize(t.Context(), portcullis.Principal{ID: "a"}, call("call_tool", `{"tool_name":"broken"}`)); err == nil || d.Allowed() {
		t.Errorf("an error of a guard got lost: %+v", d)
	}
	if d, _ := g.Authorize(t.Context(), portcullis.Principal{}, call("echo", "")); d.Allowed() {
		t.Error("nobody was allowed")
	}
	list := call("call_tool", "")
	list.Listing = true
	if d, err := g.Authorize(t.Context(), portcullis.Principal{ID: "a"}, list); err != nil || !d.Allowed() {
		t.Errorf("not listed: %+v, %v", d, err)
	}
}

func TestValidate(t *testing.T) {
	for want, tool := range map[string]Tool{
		`tool: ""`:       {Name: "/n"},
		`tool: "call_*"`: {Tool: "call_*", Name: "/n"},
		`name: ""`:       {Tool: "t"},
		`name: "n"`:      {Tool: "t", Name: "n"},
		`name: "/"`:      {Tool: "t", Name: "/"},
		`name: "/a//b"`:  {Tool: "t", Name: "/a//b"},
		`name: "/a~2"`:   {Tool: "t", Name: "/a~2"},
		`arguments: "a"`: {Tool: "t", Name: "/n", Arguments: "a"},
	} {
		if _, err := New([]Tool{tool}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", tool, err, want)
		}
	}
}

func FuzzPointer(f *testing.F) {
	f.Add("/tool_name", []byte(`{"tool_name":"echo"}`))
	f.Add("/a~1b/~0", []byte(`{"a/b":{"~":"delete"}}`))
	f.Add("/a", []byte(`{"a"`))
	f.Fuzz(func(t *testing.T, text string, args []byte) {
		g, err := New([]Tool{{Tool: "t", Name: text}}, []portcullis.Authorizer{allowed{"t", "echo"}})
		if err != nil {
			return
		}
		d, err := g.Authorize(t.Context(), portcullis.Principal{ID: "a"}, call("t", string(args)))
		if err == nil && d.Allowed() && !strings.Contains(string(args), `"`) {
			t.Fatalf("%q in %q was allowed", text, args)
		}
	})
}
