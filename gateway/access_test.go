package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
)

// roleHolder believes "name/role,role/scope scope" of the header.
func roleHolder(name string) (portcullis.Principal, error) {
	parts := append(strings.Split(name, "/"), "", "")
	return portcullis.Principal{ID: parts[0], Method: "test", Roles: strings.Split(parts[1], ","), Scopes: strings.Fields(parts[2])}, nil
}

const guardedRoute = oneRoute + `
tools.meta = [{ tool = "call_tool", name = "/tool_name", arguments = "/arguments" }]
[access]
policy_files = "POLICIES"
[[access.rules]]
tools = ["get_*", "call_tool"]
needs = "read"
[[access.rules]]
tools = ["delete_*"]
needs = "delete"
[[access.rules]]
resources = ["file:///docs/*"]
needs = "read"
`

const guardedPolicies = `
permit(principal, action, resource);
@id("no root")
forbid(principal, action == Portcullis::Action::"tools/call", resource) when {
  context.arguments has path && context.arguments.path like "/etc/*"
};
forbid(principal, action, resource == Portcullis::Tool::"get_secret");
`

func guardedRig(t *testing.T, up upstreamFunc) *rig {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.cedar")
	if err := os.WriteFile(file, []byte(guardedPolicies), 0o600); err != nil {
		t.Fatal(err)
	}
	return configuredRig(t, strings.Replace(guardedRoute, "POLICIES", file, 1), roleHolder, up)
}

func callOf(name, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, name, args)
}

func TestCallsAreDecidedByRoleRuleAndPolicy(t *testing.T) {
	r := guardedRig(t, answering)
	for _, c := range []struct {
		who, body string
		status    int
		rule      string
	}{
		{"a/viewer", callOf("get_user", `{}`), 200, ""},
		{"a/viewer", callOf("delete_user", `{}`), 403, "access.rules[1]"},
		{"a/admin", callOf("delete_user", `{}`), 200, ""},
		{"a/admin", callOf("reboot", `{}`), 403, "no rule maps this"},
		{"a/constructor", callOf("get_user", `{}`), 403, "access.rules[0]"},
		{"a//tools:*", callOf("get_user", `{}`), 403, "access.rules[0]"},
		{"a//tools:get_user read", callOf("get_user", `{}`), 200, ""},
		{"a//read", callOf("get_user", `{}`), 403, "no scope"},
		{"a/admin", callOf("get_user", `{"path":"/etc/passwd"}`), 403, "no root"},
		{"a/admin", callOf("get_user", `{"path":5}`), 403, "failed:"},
		{"a/admin", callOf("get_secret", `{}`), 403, "p.cedar:7"},
		{"a/admin", callOf("call_tool", `{"tool_name":"get_user"}`), 200, ""},
		{"a/viewer", callOf("call_tool", `{"tool_name":"delete_user"}`), 403, "inner tool: rbac: access.rules[1]"},
		{"a/admin", callOf("call_tool", `{"tool_name":"get_user","arguments":{"path":"/etc/passwd"}}`), 403, "inner tool: cedar:"},
		{"a/admin", callOf("call_tool", `{"tool_name":["get_user"]}`), 403, "names no one tool"},
		{"a/viewer", `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, 200, ""},
		{"a/viewer", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///docs/a"}}`, 200, ""},
		{"a/viewer", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///docs/../a"}}`, 403, "dot segment"},
		{"a/viewer", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///x"}}`, 403, "no rule maps this"},
	} {
		refused := r.journal.count(portcullis.EventAuthzDenied)
		got := r.do(post(c.body, "X-Name", c.who))
		if got.Code != c.status {
			t.Errorf("%s %s: status %d: %s", c.who, c.body, got.Code, got.Body)
			continue
		}
		if c.status == http.StatusOK {
			continue
		}
		e := r.journal.last(t, portcullis.EventAuthzDenied)
		if r.journal.count(portcullis.EventAuthzDenied) != refused+1 || e.Actor.ID != "a" || e.Resource == "" || e.Action == "" || e.Severity != portcullis.SeverityWarn {
			t.Errorf("%s: event %+v", c.body, e)
		}
		if i := slices.IndexFunc(e.Details, func(a slog.Attr) bool { return a.Key == "detail" && strings.Contains(a.Value.String(), c.rule) }); i < 0 {
			t.Errorf("%s: the event does not tell %q: %v", c.body, c.rule, e.Details)
		}
		if body := got.Body.String(); strings.Contains(body, "rules") || strings.Contains(body, "cedar") || strings.Contains(body, "policy") || !strings.Contains(body, `"reason":"forbidden"`) {
			t.Errorf("%s: the caller reads %s", c.body, body)
		}
	}
}

func TestRefusalIsTheSameForWhatIsNotThere(t *testing.T) {
	r := guardedRig(t, answering)
	first := r.do(post(callOf("reboot", `{}`), "X-Name", "a/viewer"))
	second := r.do(post(callOf("not_there", `{}`), "X-Name", "a/viewer"))
	strip := func(s string) string {
		var m map[string]any
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			t.Fatal(err)
		}
		delete(m["error"].(map[string]any)["data"].(map[string]any), "requestId")
		return fmt.Sprint(m)
	}
	if first.Code != second.Code || strip(first.Body.String()) != strip(second.Body.String()) {
		t.Errorf("%s\n%s", first.Body, second.Body)
	}
}

func listing(names ...string) upstreamFunc {
	return func(_ context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		if c.Message.Method != "tools/list" {
			return reply("application/json", answer), nil
		}
		entries := make([]string, len(names))
		for i, n := range names {
			entries[i] = fmt.Sprintf(`{"name":%q}`, n)
		}
		return reply("application/json", `{"jsonrpc":"2.0","id":7,"result":{"tools":[`+strings.Join(entries, ",")+`]}}`), nil
	}
}

// TestListedIsCallable: for any policies that ask nothing of arguments, a tool
// is in the list exactly when calling it is allowed, from the same address.
func TestListedIsCallable(t *testing.T) {
	names := []string{"get_a", "get_b", "delete_a", "call_tool", "other"}
	file := filepath.Join(t.TempDir(), "p.cedar")
	rapid.Check(t, func(rt *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(1, 4).Draw(rt, "policies") {
			fmt.Fprintf(&text, "%s(principal%s, action, resource%s) when { %s };\n",
				rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(rt, "effect"),
				rapid.SampledFrom([]string{"", ` in Portcullis::Role::"viewer"`, ` == Portcullis::User::"a"`}).Draw(rt, "principal"),
				rapid.SampledFrom([]string{"", ` == Portcullis::Tool::"get_a"`, ` in Portcullis::Route::"mcp"`}).Draw(rt, "resource"),
				rapid.SampledFrom([]string{"true", `resource.name like "get_*"`, `context.ip.isInRange(ip("192.0.2.0/24"))`, `!context.tls`, `principal.scopes.contains("read")`, `context.hour > 99 || principal.roles < 3`}).Draw(rt, "when"))
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			rt.Fatal(err)
		}
		r := configuredRig(t, strings.Replace(guardedRoute, "POLICIES", file, 1), roleHolder, listing(names...))
		who := rapid.SampledFrom([]string{"a/viewer", "a/admin", "b/viewer,admin", "a//tools:* read", "c//tools:get_a"}).Draw(rt, "who")
		shown := r.do(post(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "X-Name", who))
		for _, n := range names {
			args := `{}`
			if n == "call_tool" {
				args = `{"tool_name":"get_a"}`
			}
			may := r.do(post(callOf(n, args), "X-Name", who)).Code == http.StatusOK
			listed := shown.Code == http.StatusOK && strings.Contains(shown.Body.String(), `"`+n+`"`)
			if n == "call_tool" && !may {
				continue // the tool inside may be the reason
			}
			if may != listed {
				rt.Fatalf("%s as %s: called %v, listed %v\n%s", n, who, may, listed, &text)
			}
		}
	})
}

func TestBadPolicyFileBuildsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.cedar")
	for want, text := range map[string]string{"p.cedar:2: ": "\npermit(", "": "\x00"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Build(parse(t, strings.Replace(guardedRoute, "POLICIES", file, 1)), Deps{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(parse(t, strings.Replace(guardedRoute, "POLICIES", file, 1)), Deps{}, nil); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestRewrittenArgumentsAreDecidedAgain: what a content rule makes of a call is
// a call that policies and the tools inside tools must allow as well.
func TestRewrittenArgumentsAreDecidedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.cedar")
	if err := os.WriteFile(file, []byte(`permit(principal, action, resource);
@id("no gaps")
forbid(principal, action, resource) when { context.arguments has to && context.arguments.to like "*redacted*" };
`), 0o600); err != nil {
		t.Fatal(err)
	}
	sent := 0
	r := configuredRig(t, oneRoute+`
tools.allow = ["get_*", "call_tool"]
tools.meta = [{ tool = "call_tool", name = "/tool_name", arguments = "/arguments" }]
inspect.preset = "off"
[[route.inspect.arguments]]
detect = ["pattern.inner"]
action = "redact"
[[inspect.patterns]]
name = "inner"
regex = "get_[0-9]+"
[access]
policy_files = "`+file+`"
`, roleHolder, func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		sent++
		return answering(ctx, c)
	})
	for _, c := range []struct {
		body   string
		status int
		rule   string
	}{
		{callOf("get_user", `{"note":"see get_17"}`), 200, ""}, // rewritten, and allowed still
		{callOf("get_user", `{"to":"see get_17"}`), 403, "no gaps"},
		{callOf("call_tool", `{"tool_name":"get_user","arguments":{}}`), 200, ""},
		{callOf("call_tool", `{"tool_name":"get_17","arguments":{}}`), 403, "inner tool: tool: not in the allow list"},
		{callOf("call_tool", `{"tool_name":"get_user","arguments":{"to":"get_17"}}`), 403, "no gaps"},
	} {
		before := sent
		w := r.do(post(c.body, "X-Name", "a//tools:*"))
		if w.Code != c.status || (sent > before) != (c.status == 200) {
			t.Errorf("%s: %d, sent %v: %s", c.body, w.Code, sent > before, w.Body)
		}
		if c.status == 200 {
			continue
		}
		if e := r.journal.last(t, portcullis.EventAuthzDenied); !strings.Contains(fmt.Sprint(e.Details), c.rule) {
			t.Errorf("%s: %v, want %q", c.body, e.Details, c.rule)
		}
	}
}
