package refusals

import (
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

func TestRates(t *testing.T) {
	b := newBench(t, "", func(up *harness.Upstream) string {
		return route(up, "mcp", plenty) +
			route(up, "key", `rate = ["1/1h per key"]`) +
			route(up, "route", `rate = ["1/1h per route"]`) +
			route(up, "tool", `rate = ["1/1h per tool"]`) +
			route(up, "one", `rate = ["1/1h per tool:echo"]`)
	})
	var rows []row
	for _, name := range []string{"key", "route", "tool", "one"} {
		if r := harness.Do(t, http.MethodPost, b.Base+"/"+name, []byte(call), "X-API-Key", b.Key); r.Status != http.StatusOK || r.Header.Get("X-RateLimit-Remaining") != "0" {
			t.Fatalf("the first call: %d %v", r.Status, r.Header)
		}
		rows = append(rows, row{
			name: name, path: "/" + name, route: name, status: 429, code: -32000, id: "7", reason: "rate_limited",
			event: "RATE_LIMIT_EXCEEDED", phase: "admit", guard: "rate_caller", actor: true,
			want: map[string]string{"Retry-After": "*", "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "*", "RateLimit": "*", "RateLimit-Policy": "*"},
		})
	}
	b.run(t, rows)
	other := strings.Replace(call, `"echo"`, `"other"`, 1)
	for _, name := range []string{"tool", "one"} {
		if r := harness.Do(t, http.MethodPost, b.Base+"/"+name, []byte(other), "X-API-Key", b.Key); r.Status != http.StatusOK {
			t.Errorf("%s: another tool is refused: %d", name, r.Status)
		}
	}
	second, _ := b.NewKey("tools:*")
	if r := harness.Do(t, http.MethodPost, b.Base+"/key", []byte(call), "X-API-Key", second); r.Status != http.StatusOK {
		t.Errorf("another key is refused: %d", r.Status)
	}
}

func TestAuthorization(t *testing.T) {
	b := newBench(t, "", func(up *harness.Upstream) string {
		return route(up, "mcp", plenty, "[route.tools]", `deny = ["delete_*"]`, `scopes = { "write_*" = ["write", "audit"] }`,
			"[route.prompts]", `deny = ["hidden"]`, "[route.resources]", `deny = ["file:///secret*"]`) +
			route(up, "few", plenty, "[route.tools]", `allow = ["echo"]`)
	})
	nothing, _ := b.NewKey("prompts:other")
	b.secrets = []string{secretOf(nothing)}
	tool := func(name string) string { return request(`{"name":"` + name + `"}`) }
	deny := func(name, key, body, guard, scope string) row {
		r := row{
			name: name, key: key, body: body, status: 403, code: -32000, id: "7", reason: "forbidden", public: "Insufficient permissions",
			event: "AUTHZ_DENIED", phase: "authz", guard: guard, actor: true,
		}
		if scope != "" {
			r.want = map[string]string{"WWW-Authenticate": `Bearer realm="portcullis", error="insufficient_scope", scope="` + scope + `"`}
		}
		return r
	}
	few := deny("tool that no list allows", "", tool("other"), "tool", "")
	few.path, few.route = "/few", "few"
	listen := modern("x")
	listen = strings.Replace(listen, "tools/call", "subscriptions/listen", 1)
	listen = strings.Replace(listen, `"name":"x","arguments":{}`, `"notifications":{"resourceSubscriptions":["file:///open","file:///secret/a"]}`, 1)
	subscription := deny("listening to a denied resource", "", listen, "tool", "")
	subscription.headers = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen"}
	b.run(t, []row{
		deny("no scope", nothing, tool("echo"), "scope", "tools:echo"),
		deny("some scopes", nothing, tool("write_file"), "scope", "audit tools:write_file write"),
		deny("all but the named scopes", "", tool("write_file"), "scope", "audit tools:write_file write"),
		deny("denied tool", "", tool("delete_all"), "tool", ""),
		few,
		deny("denied prompt", "", strings.Replace(tool("hidden"), "tools/call", "prompts/get", 1), "tool", ""),
		deny("prompt without scope", nothing, strings.Replace(tool("p"), "tools/call", "prompts/get", 1), "scope", "prompts:p"),
		deny("denied resource", "", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///secret/a"}}`, "tool", ""),
		deny("resource without scope", nothing, `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///a"}}`, "scope", "resources:file:///a"),
		deny("subscription without scope", nothing, `{"jsonrpc":"2.0","id":7,"method":"resources/subscribe","params":{"uri":"file:///a"}}`, "scope", "resources:file:///a"),
		subscription,
	})
	t.Run("the same whether it exists", func(t *testing.T) {
		one := harness.Do(t, http.MethodPost, b.URL, []byte(tool("delete_all")), "X-API-Key", b.Key)
		two := harness.Do(t, http.MethodPost, b.URL, []byte(tool("delete_nothing")), "X-API-Key", b.Key)
		if strip(one) != strip(two) {
			t.Errorf("%s\n%s", one.Body, two.Body)
		}
	})
}

// strip removes the request id from a body.
func strip(r harness.Response) string {
	return strings.ReplaceAll(r.Body, r.Header.Get("X-Request-Id"), "")
}

func TestAdminAPI(t *testing.T) {
	up := harness.NewUpstream(t, echo)
	token := "scrape-token-0123456789"
	b := &bench{Gateway: harness.Start(t, oneRoute(up)+"[telemetry]\nmetrics_token = \""+token+"\"\n"), up: up, secrets: []string{token}}
	caller, _ := b.NewKey("tools:*")
	refused := func(name, path string, headers ...string) row {
		return row{
			name: name, method: "GET", path: path, key: "-", headers: headers, admin: true, route: "admin", status: 403, reason: "forbidden",
			public: "Insufficient permissions", event: "AUTHZ_DENIED", phase: "authz", guard: "manage", actor: true,
			want: map[string]string{"WWW-Authenticate": `Bearer realm="portcullis", error="insufficient_scope", scope="manage"`},
		}
	}
	none := refused("no credential", "/api/v1/keys")
	none.status, none.reason, none.public, none.event, none.phase, none.guard, none.actor, none.want = 401, "unauthenticated", "", "AUTH_FAILURE", "authn", "metrics_token", false, nil
	version := refused("unknown version", "/api/v2/keys", "X-API-Key", b.Key)
	version.status, version.reason, version.public, version.event, version.phase, version.guard, version.actor, version.want = 400, "input_rejected", "", "INPUT_REJECTED", "edge", "api_version", false, nil
	host := refused("foreign host", "/api/v1/keys", "X-API-Key", b.Key, "Host", "evil.example")
	host.reason, host.public, host.event, host.phase, host.guard, host.actor, host.want = "forbidden", "", "UNAUTHORIZED_ACCESS_ATTEMPT", "edge", "host", false, nil
	b.run(t, []row{
		refused("key without manage", "/api/v1/keys", "X-API-Key", caller),
		refused("key without manage, metrics", "/metrics", "X-API-Key", caller),
		refused("scrape token elsewhere", "/api/v1/keys", "Authorization", "Bearer "+token),
		none, version, host,
	})
	if r := harness.Do(t, "GET", b.Admin+"/metrics", nil, "Authorization", "Bearer "+token); r.Status != http.StatusOK || !strings.Contains(r.Body, "portcullis_requests_total") {
		t.Errorf("the scraper gets %d", r.Status)
	}
}
