package refusals

import (
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// between returns what stands between two texts.
func between(t *testing.T, s, before, after string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, before)
	s, _, found := strings.Cut(s, after)
	if !ok || !found {
		t.Fatalf("%q is not between %q and %q", s, before, after)
	}
	return s
}

// TestHandles: what an upstream hands to one caller is worth nothing to
// another, and a state goes with the request it was made for.
func TestHandles(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"resultType":"input_required","requestState":"upstream-state","taskId":"upstream-task","content":[]}`)
	})
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty)+route(up, "other", plenty)), up: up}
	got := harness.Do(t, http.MethodPost, b.URL, []byte(call), "X-API-Key", b.Key)
	if got.Status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	task, state := between(t, string(got.Body), `"taskId":"`, `"`), between(t, string(got.Body), `"requestState":"`, `"`)
	if strings.Contains(string(got.Body), "upstream-state") {
		t.Errorf("the state is readable: %s", got.Body)
	}
	stranger, _ := b.NewKey("tools:*", "prompts:*", "resources:*")
	again := strings.Replace(call, `"params":{`, `"params":{"requestState":"`+state+`","inputResponses":{},`, 1)
	use := func(id string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"tasks/get","params":{"taskId":"` + id + `"}}`
	}
	foreign := func(name, key, body string) row {
		return row{
			name: name, key: key, body: body, headers: []string{"Mcp-Protocol-Version", "2025-11-25"}, status: 400, code: -32602, id: "7", reason: "not_found",
			event: "UNAUTHORIZED_ACCESS_ATTEMPT", phase: "inspect", guard: "handles", actor: true,
		}
	}
	b.run(t, []row{
		foreign("task of another", stranger, use(task)),
		foreign("task of the upstream", "", use("upstream-task")),
		foreign("state of another", stranger, again),
		foreign("state of another request", "", strings.Replace(again, `"arguments":{`, `"arguments":{"more":1,`, 1)),
		foreign("state of the upstream", "", strings.Replace(again, state, "upstream-state", 1)),
	})
	for name, body := range map[string]string{"upstream-task": use(task), "upstream-state": again} {
		if r := harness.Do(t, http.MethodPost, b.URL, []byte(body), "X-API-Key", b.Key, "Mcp-Protocol-Version", "2025-11-25"); r.Status != http.StatusOK {
			t.Errorf("the owner's %s: %d %s", name, r.Status, r.Body)
		}
		seen := up.Seen()
		if last := string(seen[len(seen)-1].Body); !strings.Contains(last, `"`+name+`"`) {
			t.Errorf("the upstream got %s, want %s in it", last, name)
		}
	}
}

// TestTaskHeader: the header that mirrors a task id says to the upstream what
// the body says to it.
func TestTaskHeader(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"resultType":"complete","taskId":"upstream-task","status":"working"}`)
	})
	g := harness.Start(t, oneRoute(up))
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`
	modern := func(method, name, params string) harness.Response {
		return harness.Do(t, http.MethodPost, g.URL, []byte(`{"jsonrpc":"2.0","id":7,"method":"`+method+`","params":{`+params+`,`+meta+`}}`),
			"X-API-Key", g.Key, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method, "Mcp-Name", name)
	}
	got := modern("tools/call", "echo", `"name":"echo","arguments":{}`)
	if got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	task := between(t, string(got.Body), `"taskId":"`, `"`)
	if got = modern("tasks/get", task, `"taskId":"`+task+`"`); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	seen := up.Seen()
	if last := seen[len(seen)-1]; last.Header.Get("Mcp-Name") != "upstream-task" || !strings.Contains(string(last.Body), `"upstream-task"`) {
		t.Errorf("the upstream got Mcp-Name %q with %s", last.Header.Get("Mcp-Name"), last.Body)
	}
}
