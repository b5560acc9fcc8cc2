package refusals

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

const taskTool = `{"name":"create_task","inputSchema":{"type":"object","required":["title"],"additionalProperties":false,"properties":{"title":{"type":"string","maxLength":20},"priority":{"enum":["low","high"]}}},"outputSchema":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}}`

// schemaServer lists tools, some of them with schemas meant to harm, and
// answers calls with what the argument title says.
func schemaServer(t *testing.T, tools *atomic.Value) *harness.Upstream {
	return harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		var req struct {
			Method string
			Params struct{ Arguments struct{ Title string } }
		}
		if json.Unmarshal(body, &req) != nil {
			return
		}
		structured := `{"id":1}`
		switch {
		case req.Method == "tools/list":
			harness.Answer(w, r, fmt.Sprintf(`{"tools":[%s]}`, tools.Load()))
			return
		case req.Params.Arguments.Title == "lie":
			structured = `{"id":"s3cr3t"}`
		case req.Params.Arguments.Title == "stream":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n")
			fmt.Fprint(w, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[],\"structuredContent\":{\"id\":\"s3cr3t\"}}}\n\n")
			return
		}
		harness.Answer(w, r, `{"content":[],"structuredContent":`+structured+`}`)
	})
}

func calling(tool, arguments string) string {
	return request(`{"name":"` + tool + `","arguments":` + arguments + `}`)
}

// list makes the gateway see the tools of its upstream. Who asks may use none
// of them: what is learnt is what the server says.
func list(t *testing.T, b *bench) {
	t.Helper()
	key, _ := b.NewKey("tools:nothing")
	r := harness.Do(t, http.MethodPost, b.URL, []byte(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`), "X-API-Key", key)
	if r.Status != http.StatusOK || strings.Contains(r.Body, "create_task") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
}

// TestSchemas: calls and results that break the schemas of their tool, and
// tools whose schemas would harm the gateway.
func TestSchemas(t *testing.T) {
	var tools atomic.Value
	tools.Store(taskTool + `,{"name":"far","inputSchema":{"type":"object","$ref":"http://127.0.0.1:1/s3cr3t.json"}}` +
		`,{"name":"file","inputSchema":{"type":"object","$ref":"file:///etc/passwd"}},{"name":"loop","inputSchema":{"$ref":"#"}}` +
		`,{"name":"bomb","inputSchema":{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"},{"$ref":"#/$defs/b"}]},"b":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}}}}`)
	up := schemaServer(t, &tools)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, `pins.policy = "trust"`)), up: up}
	list(t, b)
	refused := func(name, arguments string) row {
		return row{
			name: name, body: calling("create_task", arguments), status: 400, code: -32602, id: "7", reason: "input_rejected",
			event: "INPUT_REJECTED", phase: "inspect", guard: "schema", actor: true,
		}
	}
	unusable := func(tool string) row {
		return row{
			name: "tool " + tool, body: calling(tool, `{}`), status: 403, code: -32000, id: "7", reason: "schema_unusable",
			event: "INPUT_REJECTED", phase: "inspect", guard: "schema", actor: true,
		}
	}
	lie := row{
		name: "result that breaks its schema", body: calling("create_task", `{"title":"lie"}`), status: 502, code: -32603, id: "7",
		reason: "reply_rejected", phase: "review", guard: "schema", actor: true, intended: true,
	}
	b.run(t, []row{
		refused("not of the words allowed", `{"title":"x","priority":"s3cr3t"}`), refused("too long", `{"title":"s3cr3t-s3cr3t-s3cr3t-s3cr3t"}`),
		refused("missing", `{}`), refused("unknown name", `{"title":"x","s3cr3t":1}`), refused("wrong type", `{"title":["s3cr3t"]}`),
		unusable("far"), unusable("file"), unusable("loop"), unusable("bomb"), lie,
	})
	r := harness.Do(t, http.MethodPost, b.URL, []byte(calling("create_task", `{"title":"x","priority":"s3cr3t"}`)), "X-API-Key", b.Key)
	if !strings.Contains(r.Body, `"path":"/arguments/priority"`) || !strings.Contains(r.Body, `"rule":"enum"`) {
		t.Errorf("the caller is not told where: %s", r.Body)
	}
	e := b.EventsOf(r.Header.Get("X-Request-Id"))
	if len(e) == 0 || e[len(e)-1].Details["detail"] != "breaks its schema: path /arguments/priority, rule enum" {
		t.Errorf("events %+v", e)
	}
	resp := harness.Open(t, http.MethodPost, b.URL, []byte(calling("create_task", `{"title":"stream"}`)), "X-API-Key", b.Key)
	if rest := broken(t, resp.Body); !strings.Contains(rest, "notifications/progress") || strings.Contains(rest, "s3cr3t") {
		t.Errorf("the stream holds %q", rest)
	}
	b.noSecrets(t)

	// A list that says something else, where it may, counts from then on.
	tools.Store(strings.Replace(taskTool, `"maxLength":20`, `"maxLength":4`, 1))
	ok := calling("create_task", `{"title":"12345"}`)
	if r := harness.Do(t, http.MethodPost, b.URL, []byte(ok), "X-API-Key", b.Key); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	list(t, b)
	if r := harness.Do(t, http.MethodPost, b.URL, []byte(ok), "X-API-Key", b.Key); r.Status != http.StatusBadRequest {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestOwnSchemas: an operator's schemas hold from the first call, for what
// callers send and for the events of streams.
func TestOwnSchemas(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	task := write("task.json", `{"type":"object","properties":{"title":{"type":"string","pattern":"^[a-z]+$"}}}`)
	progress := write("progress.json", `{"properties":{"progress":{"maximum":0.5}}}`)
	var tools atomic.Value
	tools.Store(taskTool)
	up := schemaServer(t, &tools)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, "[route.schema]", `unknown = "deny"`,
		"[[route.schemas]]", fmt.Sprintf("file = %q", task), `tools = ["create_*"]`,
		"[[route.schemas]]", fmt.Sprintf("file = %q", progress), `part = "event"`, `method = "notifications/progress"`)), up: up}
	unknown := row{
		name: "no list yet", body: calling("create_task", `{"title":"x"}`), status: 403, code: -32000, id: "7", reason: "schema_unknown",
		event: "INPUT_REJECTED", phase: "inspect", guard: "schema", actor: true,
	}
	b.run(t, []row{unknown})
	list(t, b)
	b.run(t, []row{{
		name: "own schema", body: calling("create_task", `{"title":"S3CR3T"}`), status: 400, code: -32602, id: "7", reason: "input_rejected",
		event: "INPUT_REJECTED", phase: "inspect", guard: "schema", actor: true,
	}})
	resp := harness.Open(t, http.MethodPost, b.URL, []byte(calling("create_task", `{"title":"stream"}`)), "X-API-Key", b.Key)
	if rest := broken(t, resp.Body); strings.Contains(rest, "progress") {
		t.Errorf("the stream holds %q", rest)
	}
	if r := harness.Do(t, http.MethodPost, b.URL, []byte(calling("create_task", `{"title":"x"}`)), "X-API-Key", b.Key); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
