package refusals

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// plenty is a rate that no test reaches.
const plenty = `rate = ["1000000/1s per address", "1000000/1s per key"]`

// echo answers every request.
func echo(w http.ResponseWriter, r *http.Request) {
	harness.Answer(w, r, `{"content":[{"type":"text","text":"hello"}]}`)
}

// route writes one [[route]] to the upstream.
func route(up *harness.Upstream, name string, lines ...string) string {
	return fmt.Sprintf("[[route]]\nname = %q\npath = \"/%s\"\nupstream = %q\n%s\n", name, name, up.URL+"/mcp", strings.Join(lines, "\n"))
}

func newBench(t *testing.T, server string, routes func(up *harness.Upstream) string) *bench {
	t.Helper()
	up := harness.NewUpstream(t, echo)
	return &bench{Gateway: harness.Start(t, server+"\n"+routes(up)), up: up}
}

func oneRoute(up *harness.Upstream) string { return route(up, "mcp", plenty) }

func TestEdge(t *testing.T) {
	b := newBench(t, "", func(up *harness.Upstream) string {
		return route(up, "mcp", plenty, "limits.bytes = 4096") +
			route(up, "cors", plenty, "[route.cors]", `origins = ["https://app.example.com"]`) +
			route(up, "slow", `rate = ["1/1h per address"]`)
	})
	if r := harness.Do(t, http.MethodPost, b.Base+"/slow", []byte(call), "X-API-Key", b.Key); r.Status != http.StatusOK {
		t.Fatalf("the first call is refused: %d %s", r.Status, r.Body)
	}
	big := strings.Replace(call, "s3cr3t-argument", strings.Repeat("x", 5000), 1)
	json := "application/json"
	forbidden := func(r row) row {
		r.status, r.code, r.reason, r.event, r.phase = 403, -32000, "forbidden", "UNAUTHORIZED_ACCESS_ATTEMPT", "edge"
		return r
	}
	rejected := func(r row) row {
		r.reason, r.event, r.phase, r.guard = "input_rejected", "INPUT_REJECTED", "edge", "body"
		return r
	}
	b.run(t, []row{
		forbidden(row{name: "foreign host", headers: []string{"Host", "evil.example"}, guard: "host"}),
		forbidden(row{name: "foreign port", headers: []string{"Host", "localhost:1"}, guard: "host"}),
		forbidden(row{name: "foreign origin", headers: []string{"Origin", "https://evil.example"}, guard: "origin"}),
		forbidden(row{name: "null origin", headers: []string{"Origin", "null"}, guard: "origin"}),
		forbidden(row{name: "two origins", headers: []string{"Origin", b.Base, "Origin", "https://evil.example"}, guard: "origin"}),
		forbidden(row{name: "cross-site request", headers: []string{"Sec-Fetch-Site", "cross-site"}, guard: "origin"}),
		forbidden(row{name: "same-site request", headers: []string{"Sec-Fetch-Site", "same-site"}, guard: "origin"}),
		{
			name: "preflight of a foreign origin", method: "OPTIONS", path: "/cors", route: "cors", key: "-",
			headers: []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"},
			status:  403, reason: "forbidden", event: "UNAUTHORIZED_ACCESS_ATTEMPT", phase: "edge", guard: "origin",
		},
		{
			name: "preflight for a method that is not allowed", method: "OPTIONS", path: "/cors", route: "cors", key: "-",
			headers: []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PATCH"},
			status:  403, reason: "forbidden", event: "UNAUTHORIZED_ACCESS_ATTEMPT", phase: "edge", guard: "cors",
		},
		{
			name: "rate per address", path: "/slow", route: "slow",
			status: 429, code: -32000, reason: "rate_limited", event: "RATE_LIMIT_EXCEEDED", phase: "edge", guard: "rate_address",
			want: map[string]string{"Retry-After": "*", "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "*", "RateLimit": "*", "RateLimit-Policy": "*"},
		},
		rejected(row{name: "method", method: "PUT", status: 405, want: map[string]string{"Allow": "GET, POST, DELETE"}}),
		rejected(row{name: "HEAD", method: "HEAD", status: 405, want: map[string]string{"Allow": "GET, POST, DELETE"}}),
		rejected(row{name: "OPTIONS without CORS", method: "OPTIONS", status: 405, want: map[string]string{"Allow": "GET, POST, DELETE"}}),
		rejected(row{name: "unknown method", method: "BREW", status: 405, want: map[string]string{"Allow": "GET, POST, DELETE"}}),
		rejected(row{name: "content type", headers: []string{"Content-Type", "text/plain"}, status: 415, code: -32000}),
		rejected(row{name: "content type of another charset", headers: []string{"Content-Type", json + "; charset=utf-16"}, status: 415, code: -32000}),
		rejected(row{name: "content encoding", headers: []string{"Content-Encoding", "gzip"}, status: 415, code: -32000, want: map[string]string{"Accept-Encoding": "identity"}}),
		rejected(row{name: "declared size", body: big, status: 413, code: -32000, public: "Request body too large"}),
		rejected(row{name: "body of a GET", method: "GET", body: "{}", status: 400}),
		{
			name: "unknown path", path: "/elsewhere", route: "none",
			status: 404, reason: "not_found", event: "CALL_REFUSED", phase: "edge", guard: "no_route",
		},
		{
			name: "path with a slash behind", path: "/mcp/", route: "none",
			status: 404, reason: "not_found", event: "CALL_REFUSED", phase: "edge", guard: "no_route",
		},
	})
	t.Run("good preflight", func(t *testing.T) {
		r := harness.Do(t, "OPTIONS", b.Base+"/cors", nil, "Origin", "https://app.example.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-api-key")
		if r.Status != http.StatusNoContent || r.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || r.Body != "" {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
	})
	t.Run("call of an allowed origin", func(t *testing.T) {
		r := harness.Do(t, "POST", b.Base+"/cors", []byte(call), "Origin", "https://app.example.com", "X-API-Key", b.Key)
		if r.Status != http.StatusOK || r.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
	})
	t.Run("refusal that a page may read", func(t *testing.T) {
		r := harness.Do(t, "POST", b.Base+"/cors", []byte(call), "Origin", "https://app.example.com")
		if r.Status != http.StatusUnauthorized || r.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
	})
}

func TestAddressLists(t *testing.T) {
	for name, list := range map[string]string{
		"denied":      `deny_ips = ["127.0.0.0/8"]`,
		"not allowed": `allow_ips = ["192.0.2.1"]`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "", func(up *harness.Upstream) string { return oneRoute(up) + "[security]\n" + list + "\n" })
			b.run(t, []row{{
				name: name, status: 403, code: -32000, reason: "forbidden", public: "IP not allowed",
				event: "UNAUTHORIZED_ACCESS_ATTEMPT", phase: "edge", guard: "ip",
			}})
		})
	}
}

func TestHTTPSRequired(t *testing.T) {
	server := "https.require = \"always\"\nhttps.hostname = \"mcp.example.com\"\nallowed_hosts = [\"mcp.example.com\"]"
	b := newBench(t, server, oneRoute)
	b.run(t, []row{{
		name: "POST in clear", status: 403, code: -32000, reason: "forbidden", public: "HTTPS required",
		event: "UNAUTHORIZED_ACCESS_ATTEMPT", phase: "edge", guard: "https",
	}})
	t.Run("GET is redirected", func(t *testing.T) {
		r := harness.Do(t, "GET", b.Base+"/mcp?a=b", nil, "Host", "evil.example")
		if r.Status != http.StatusPermanentRedirect || r.Header.Get("Location") != "https://mcp.example.com/mcp?a=b" {
			t.Errorf("%d, Location %q", r.Status, r.Header.Get("Location"))
		}
		for name, want := range securityHeaders {
			checkHeader(t, r.Header, name, want)
		}
	})
	if n := len(b.up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
}

func TestMaintenance(t *testing.T) {
	b := newBench(t, "", oneRoute)
	if _, err := b.API().SetMaintenance(t.Context(), admin.Maintenance{On: true, Reason: "s3cr3t reason", RetryAfter: 90}); err != nil {
		t.Fatal(err)
	}
	refusal := row{
		name: "maintenance", status: 503, code: -32000, reason: "maintenance", public: "Service is under maintenance",
		event: "CALL_REFUSED", phase: "edge", guard: "switch", want: map[string]string{"Retry-After": "90"},
	}
	b.run(t, []row{refusal})
	if r := harness.Do(t, "GET", b.Base+"/ready", nil); r.Status != http.StatusServiceUnavailable {
		t.Errorf("/ready says %d", r.Status)
	}
	if r := harness.Do(t, "GET", b.Base+"/health", nil); r.Status != http.StatusOK {
		t.Errorf("/health says %d", r.Status)
	}
	if _, err := b.API().SetMaintenance(t.Context(), admin.Maintenance{}); err != nil {
		t.Fatal(err)
	}
	if r := harness.Do(t, "POST", b.URL, []byte(call), "X-API-Key", b.Key); r.Status != http.StatusOK {
		t.Errorf("after maintenance: %d", r.Status)
	}
	kinds := map[string]int{}
	for _, e := range b.Events() {
		kinds[e.Type]++
	}
	if kinds["MAINTENANCE_ON"] != 1 || kinds["MAINTENANCE_OFF"] != 1 {
		t.Errorf("events %v", kinds)
	}
}
