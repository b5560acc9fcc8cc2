package telemetry

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/collector"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const (
	call        = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}`
	theirTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	theirParent = "00-" + theirTrace + "-00f067aa0ba902b7-01"
)

func upstream(t *testing.T) *harness.Upstream {
	return harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"content":[]}`)
	})
}

func post(t *testing.T, g *harness.Gateway, body string, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.URL, []byte(body), append([]string{"X-API-Key", g.Key}, headers...)...)
}

func route(u *harness.Upstream) string {
	return "[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"" + u.URL + "/mcp\"\n"
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

// server returns the server spans among some.
func servers(spans []collector.Span) []collector.Span {
	var out []collector.Span
	for _, s := range spans {
		if s.GetKind() == 2 {
			out = append(out, s)
		}
	}
	return out
}

// TestTraces follows one trace from the caller's header to the upstream, the
// audit log, the log and the metrics; the collector gets its credential.
func TestTraces(t *testing.T) {
	c, u := collector.Start(t), upstream(t)
	secret := filepath.Join(t.TempDir(), "otlp")
	if err := os.WriteFile(secret, []byte("Bearer c0llect0r-s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := harness.Start(t, route(u)+`
[telemetry.traces]
endpoint = "`+c.URL+`"
service = "mcp-server"
headers = { Authorization = "secret://file`+secret+`", X-Scope-OrgID = "team" }
`)
	ok := post(t, g, call, "Traceparent", theirParent, "Tracestate", "vendor=1", "Baggage", "user=ann")
	refused := post(t, g, `{"jsonrpc":"2.0","id":1,"method":"tools/call"`)
	if ok.Status != 200 || refused.Status != 400 {
		t.Fatal(ok, refused)
	}
	eventually(t, "two traces", func() bool { return len(servers(c.Spans())) == 2 })

	var span, bad collector.Span
	for _, s := range servers(c.Spans()) {
		if s.Trace() == theirTrace {
			span = s
		} else {
			bad = s
		}
	}
	if span.Span == nil || span.Parent() != "00f067aa0ba902b7" || span.GetName() != "tools/call echo" || span.Resource["service.name"] != "mcp-server" {
		t.Errorf("%s", span)
	}
	if text, failed := bad.Failed(); !failed || text != "input_rejected" {
		t.Errorf("%s", bad)
	}
	for _, h := range c.Headers() {
		if h.Get("Authorization") != "Bearer c0llect0r-s3cr3t" || h.Get("X-Scope-OrgID") != "team" {
			t.Errorf("the collector got %v", h)
		}
	}
	seen := u.Seen()[0]
	if got := seen.Header.Get("Traceparent"); !strings.HasPrefix(got, "00-"+theirTrace+"-") || got == theirParent || seen.Header.Get("Tracestate") != "vendor=1" || seen.Header.Get("Baggage") != "" {
		t.Errorf("the upstream got %v", seen.Header)
	}
	for id, trace := range map[string]string{ok.Header.Get("X-Request-Id"): theirTrace, refused.Header.Get("X-Request-Id"): bad.Trace()} {
		found := 0
		for _, e := range g.EventsOf(id) {
			if e.TraceID == trace {
				found++
			} else if e.Type != "AUTH_SUCCESS" { // written before the message is read
				t.Errorf("%s has trace %q, want %s", e.Type, e.TraceID, trace)
			}
		}
		if found == 0 {
			t.Errorf("no event of request %s has trace %s", id, trace)
		}
	}
	if !strings.Contains(g.Log.String(), `"trace_id":"`+bad.Trace()+`"`) {
		t.Error("the log does not tell the trace of the refusal")
	}
	metrics := harness.Do(t, http.MethodGet, g.Admin+"/metrics", nil, "X-API-Key", g.Key, "Accept", "application/openmetrics-text; version=1.0.0")
	if !strings.Contains(metrics.Body, `# {trace_id="`+theirTrace+`"}`) {
		t.Error("no exemplar")
	}
	if strings.Contains(g.Log.String()+metrics.Body, "c0llect0r-s3cr3t") {
		t.Error("the collector's credential shows")
	}
	eventually(t, "spans are counted", func() bool {
		return strings.Contains(g.Metrics(), `portcullis_trace_spans_total{result="failed"} 0`) && !strings.Contains(g.Metrics(), `portcullis_trace_spans_total{result="exported"} 0`)
	})
}

// TestCollectorAway: a collector that is down, hangs or refuses changes no call
// and does not hold up the end of the gateway.
func TestCollectorAway(t *testing.T) {
	hang := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(func() { close(hang); hanging.Close() })
	refusing := collector.Start(t)
	refusing.Answer(http.StatusForbidden)
	for name, url := range map[string]string{
		"down": "http://" + harness.FreeAddr(t) + collector.Path, "hanging": hanging.URL + collector.Path, "refusing": refusing.URL,
	} {
		t.Run(name, func(t *testing.T) {
			u := upstream(t)
			g := harness.Start(t, route(u)+"[telemetry.traces]\nendpoint = \""+url+"\"\nqueue = 64\n")
			for range 50 { // more spans than the queue holds
				if r := post(t, g, call); r.Status != 200 {
					t.Fatal(r)
				}
			}
			if !strings.Contains(g.Metrics(), `portcullis_trace_spans_total{result="dropped"}`) {
				t.Error("what is dropped is not counted")
			}
			if name == "refusing" {
				eventually(t, "the log says it once", func() bool { return strings.Count(g.Log.String(), "trace collector does not take spans") == 1 })
				eventually(t, "it is counted", func() bool { return !strings.Contains(g.Metrics(), `portcullis_trace_spans_total{result="failed"} 0`) })
			}
			g.Stop(10 * time.Second)
		})
	}
}

// TestReload: traces are turned on, pointed elsewhere and turned off while the
// gateway runs.
func TestReload(t *testing.T) {
	u, first, second := upstream(t), collector.Start(t), collector.Start(t)
	g := harness.Start(t, route(u))
	post(t, g, call)
	g.Reconfigure(route(u) + "[telemetry.traces]\nendpoint = \"" + first.URL + "\"\n")
	eventually(t, "a trace at the first", func() bool { post(t, g, call); return len(first.Spans()) > 0 })
	g.Reconfigure(route(u) + "[telemetry.traces]\nendpoint = \"" + second.URL + "\"\n")
	eventually(t, "a trace at the second", func() bool { post(t, g, call); return len(second.Spans()) > 0 })
	g.Reconfigure(route(u))
	eventually(t, "an event without a trace", func() bool {
		id := post(t, g, call).Header.Get("X-Request-Id")
		for _, e := range g.EventsOf(id) {
			if e.Type == "CALL_FINISHED" {
				return e.TraceID == ""
			}
		}
		return false
	})
}

// TestEnvironment: the variables that OpenTelemetry and the older guide name
// turn traces on; what they mean is said.
func TestEnvironment(t *testing.T) {
	c, u := collector.Start(t), upstream(t)
	t.Setenv("JAEGER_ENDPOINT", c.Server.URL+"/api/traces")
	g := harness.Start(t, route(u))
	post(t, g, call)
	eventually(t, "a trace", func() bool { return len(servers(c.Spans())) == 1 })
	if !strings.Contains(g.Log.String(), "JAEGER_ENDPOINT is of a protocol that OpenTelemetry gave up in 2023") {
		t.Error("no warning")
	}
}

// TestLogLines: every line is a JSON object with the time in UTC, RFC 3339 with
// milliseconds, level and message, and says which part speaks.
func TestLogLines(t *testing.T) {
	u := upstream(t)
	g := harness.Start(t, route(u))
	post(t, g, `{`)
	g.Stop(10 * time.Second)
	for line := range strings.Lines(g.Log.String()) {
		var l struct{ Time, Level, Msg, Module string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", l.Time); err != nil || at.IsZero() || l.Level == "" || l.Msg == "" || l.Module == "" {
			t.Errorf("%s%v", line, err)
		}
	}
}
