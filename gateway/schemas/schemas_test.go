package schemas_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/schemas"
	"github.com/portcullis-dev/portcullis/internal/config"
)

func guard(t *testing.T, prev *schemas.Guard, change func(*config.Route)) *schemas.Guard {
	t.Helper()
	rc := config.DefaultRoute()
	rc.Upstream = "http://127.0.0.1:1/mcp"
	change(&rc)
	g, err := schemas.New(&rc, prev)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// refuses reports whether a call of the tool echo without arguments is refused.
func refuses(t *testing.T, g *schemas.Guard) bool {
	t.Helper()
	guards := g.Behind()
	if len(guards) == 0 {
		return false
	}
	_, err := guards[0].Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{
		Shape: portcullis.ShapeRequest, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "echo"},
	})
	return err != nil
}

// TestWhatIsKept: a new configuration of the same server knows its tools, that
// of another does not.
func TestWhatIsKept(t *testing.T) {
	same := func(*config.Route) {}
	first := guard(t, nil, same)
	if refuses(t, first) {
		t.Error("nothing was listed yet")
	}
	if _, err := first.Behind()[0].Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{
		Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: "tools/list", Request: []byte(`{}`),
		Params: []byte(`{"tools":[{"name":"echo","inputSchema":{"type":"object","required":["a"]}}]}`),
	}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*config.Route)
		want   bool
	}{
		"same":           {same, true},
		"other settings": {func(r *config.Route) { r.Schema.Results = "off" }, true},
		"other server":   {func(r *config.Route) { r.Upstream = "http://127.0.0.1:2/mcp" }, false},
		"a command":      {func(r *config.Route) { r.Upstream, r.Command = "", []string{"x"} }, false},
		"off":            {func(r *config.Route) { r.Schema.Arguments, r.Schema.Results = "off", "off" }, false},
	} {
		if got := refuses(t, guard(t, first, c.change)); got != c.want {
			t.Errorf("%s: refused %v, want %v", name, got, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	other := guard(t, nil, func(*config.Route) {}).Behind()[0]
	on := guard(t, nil, func(*config.Route) {}).Behind(other)
	off := guard(t, nil, func(r *config.Route) { r.Schema.Arguments, r.Schema.Results = "off", "off" }).Behind(other)
	if len(on) != 2 || on[0] != other || len(off) != 1 {
		t.Errorf("%d and %d inspectors", len(on), len(off))
	}
	rc := config.DefaultRoute()
	rc.Schemas = []config.SchemaFile{{File: "/nowhere/s.json", Part: "arguments", Method: "tools/call", Action: "block"}}
	if _, err := schemas.New(&rc, nil); err == nil || !strings.Contains(err.Error(), "schemas[0]: file: ") {
		t.Errorf("%v", err)
	}
}

// TestToolsInsideTools: a tool that calls others is no way around their schemas.
func TestToolsInsideTools(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "s.json")
	if err := os.WriteFile(own, []byte(`{"properties":{"n":{"maximum":9}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := guard(t, nil, func(r *config.Route) {
		r.Tools.Meta = []config.MetaTool{{Tool: "run", Name: "/tool", Arguments: "/args"}}
		r.Schema.Unknown = "deny"
		r.Schemas = []config.SchemaFile{{File: own, Part: "arguments", Method: "tools/call", Tools: []string{"hidden"}, Action: "block"}}
	}).Behind()[0]
	if _, err := g.Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{
		Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: "tools/list", Request: []byte(`{}`),
		Params: []byte(`{"tools":[{"name":"run","inputSchema":{"type":"object","required":["tool"]}},{"name":"echo","inputSchema":{"type":"object","properties":{"a":{"type":"string"}}}}]}`),
	}); err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{
		`{"tool":"echo","args":{"a":"x"}}`:                     "",
		`{"tool":"echo","args":{"a":1}}`:                       "/inner/arguments/a type",
		`{"tool":"echo"}`:                                      "",
		`{"tool":"run","args":{"tool":"echo","args":{"a":1}}}`: "/inner/arguments/a type",
		`{"tool":"run","args":{}}`:                             "/inner/arguments/tool required",
		`{"tool":"hidden","args":{"n":9}}`:                     "",
		`{"tool":"hidden","args":{"n":10}}`:                    "/inner/arguments/n maximum",
		`{"tool":"unlisted","args":{"n":10}}`:                  "",
		`{}`:                                                   "/arguments/tool required",
	} {
		_, err := g.Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{
			Shape: portcullis.ShapeRequest, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "run"}, Arguments: []byte(arguments),
		})
		got := ""
		var e *portcullis.Error
		if errors.As(err, &e) {
			got = fmt.Sprintf("%v %v", e.Data["path"], e.Data["rule"])
		}
		if got != want {
			t.Errorf("%s: %q, want %q", arguments, got, want)
		}
	}
}
