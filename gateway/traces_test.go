package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/test/collector"
	"github.com/portcullis-dev/portcullis/tracing"
)

const (
	theirTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	theirHeader = "00-" + theirTrace + "-00f067aa0ba902b7-01"
	theirMeta   = "00-" + theirTrace + "-1111111111111111-01"
)

// traced is a rig whose calls go to a collector. Its spans are complete when
// flush returns.
type traced struct {
	*rig
	collector *collector.Collector
	provider  *trace.Provider
}

func newTraced(t testing.TB, upstream upstreamFunc) *traced {
	c := collector.Start(t)
	p, err := trace.Open(trace.Config{Endpoint: c.URL, Service: "portcullis", Sample: 1, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, anyone, upstream)
	sw := new(trace.Switch)
	sw.Use(p)
	r.table.Load().routes["/mcp"].traces = sw
	return &traced{r, c, p}
}

func (r *traced) flush(t testing.TB) (server collector.Span, phases []string, all []collector.Span) {
	t.Helper()
	if err := r.provider.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all = r.collector.Spans()
	for _, s := range all {
		if s.GetKind() == 2 { // SPAN_KIND_SERVER
			server = s
		}
	}
	if server.Span == nil {
		t.Fatalf("no server span among %d", len(all))
	}
	for _, s := range all {
		if s.GetKind() == 1 && s.Parent() == server.ID() {
			phases = append(phases, s.GetName())
		}
	}
	return server, phases, all
}

// TestToolThatFails: the call was answered, and its span says that the tool
// failed, but not a word of what the tool said.
func TestToolThatFails(t *testing.T) {
	for text, want := range map[string]string{
		`{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"no such file /etc/x"}],"isError":true}}`: "tool_error",
		`{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":false}}`:                                            "",
	} {
		r := newTraced(t, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
			return reply("application/json", text), nil
		})
		if w := r.do(post(toolCall, "X-Name", "ann")); w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body)
		}
		server, _, all := r.flush(t)
		if said, failed := server.Failed(); failed != (want != "") || said != want || server.Attributes()["error.type"] != want || server.Attributes()["portcullis.outcome"] != "success" {
			t.Errorf("%s: %q, %t, %v", text, said, failed, server.Attributes())
		}
		if strings.Contains(fmt.Sprint(all), "/etc/x") {
			t.Error("a span holds what the tool said")
		}
	}
}

func TestTraceOfACall(t *testing.T) {
	var got []portcullis.Field
	var inside string
	r := newTraced(t, func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		got = append(got, c.Header...)
		inside = tracing.ID(ctx)
		if string(c.Message.Raw) != strings.Replace(toolCall, `"params":{`, `"params":{"_meta":{"traceparent":"`+theirMeta+`","baggage":"user=ann"},`, 1) {
			t.Errorf("the message changed: %s", c.Message.Raw)
		}
		return reply("application/json", answer), nil
	})
	body := strings.Replace(toolCall, `"params":{`, `"params":{"_meta":{"traceparent":"`+theirMeta+`","baggage":"user=ann"},`, 1)
	if w := r.do(post(body, "X-Name", "ann", "Traceparent", theirHeader, "Tracestate", "a=1", "Baggage", "user=ann")); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	server, phases, all := r.flush(t)
	if strings.Join(phases, " ") != "edge authn contain decode admit authz inspect record forward review" {
		t.Errorf("phases %s", phases)
	}
	if server.Trace() != theirTrace || server.Parent() != "1111111111111111" || len(server.GetLinks()) != 1 {
		t.Errorf("trace %s, parent %s, links %v", server.Trace(), server.Parent(), server.GetLinks())
	}
	a := server.Attributes()
	for name, want := range map[string]string{
		"mcp.method.name": "tools/call", "gen_ai.tool.name": "echo", "gen_ai.operation.name": "execute_tool", "portcullis.route": "mcp",
		"portcullis.outcome": "success", "network.protocol.name": "http", "jsonrpc.request.id": "7",
	} {
		if a[name] != want {
			t.Errorf("%s = %q, want %q", name, a[name], want)
		}
	}
	if server.GetName() != "tools/call echo" || server.Resource["service.name"] != "portcullis" {
		t.Errorf("%s %v", server.GetName(), server.Resource)
	}
	var client collector.Span
	for _, s := range all {
		if s.Trace() != theirTrace {
			t.Errorf("span %s is of trace %s", s.GetName(), s.Trace())
		}
		if s.GetStartTimeUnixNano() > s.GetEndTimeUnixNano() || s.GetStartTimeUnixNano() < server.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() > server.GetEndTimeUnixNano() {
			t.Errorf("span %s is not inside the call", s.GetName())
		}
		if s.GetKind() == 3 {
			client = s
		}
	}
	var parents, states, baggage int
	for _, f := range got {
		switch f.Name {
		case "Traceparent":
			parents++
			if f.Value != "00-"+theirTrace+"-"+client.ID()+"-01" {
				t.Errorf("upstream got %s, want the client span %s", f.Value, client.ID())
			}
		case "Tracestate":
			states++
		case "Baggage":
			baggage++
		}
	}
	if parents != 1 || states != 0 || baggage != 0 { // _meta is the parent, and it has no state
		t.Errorf("%d traceparent, %d tracestate, %d baggage", parents, states, baggage)
	}
	if inside != theirTrace {
		t.Errorf("the upstream works in trace %q", inside)
	}
	for _, e := range []portcullis.EventType{portcullis.EventCallStarted, portcullis.EventCallFinished} {
		if got := r.journal.last(t, e); got.TraceID != theirTrace {
			t.Errorf("%s has trace %q", e, got.TraceID)
		}
	}
}

// TestTraceTellsNothing: what a span holds is of the gateway's own words, or
// names what somebody may call.
func TestTraceTellsNothing(t *testing.T) {
	const secret = "s3cr3t-hunter2"
	for name, c := range map[string]struct {
		body       string
		upstream   upstreamFunc
		who        string
		wantStatus string
	}{
		"refused":        {`{"jsonrpc":"2.0","id":"` + secret + `","method":"tools/call","params":{"name":"` + secret + `","arguments":{"x":"` + secret + `"}}}`, answering, "", "unauthenticated"},
		"malformed":      {`{"jsonrpc":"2.0","id":"` + secret + `","method":"` + secret + `"`, answering, "ann", "input_rejected"},
		"unknown method": {`{"jsonrpc":"2.0","id":"` + secret + `","method":"` + secret + `"}`, answering, "ann", "*"},
		"resource": {`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///` + secret + `"}}`, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
			return reply("application/json", `{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"file:///`+secret+`","text":"`+secret+`"}]}}`), nil
		}, "ann", ""},
		"upstream down": {toolCall, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
			return nil, &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable", Detail: secret, Err: context.DeadlineExceeded}
		}, "ann", "upstream_unavailable"},
		"error of the server": {toolCall, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
			return reply("application/json", `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"`+secret+`"}}`), nil
		}, "ann", "JSON-RPC error -32602"},
		"panic": {toolCall, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) { panic(secret) }, "ann", "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTraced(t, c.upstream)
			req := post(c.body, "Authorization", "Bearer "+secret, "Mcp-Session-Id", secret, "User-Agent", secret)
			if c.who != "" {
				req = post(c.body, "X-Name", c.who, "User-Agent", secret)
			}
			r.do(req)
			server, _, all := r.flush(t)
			status, failed := server.Failed()
			if failed != (c.wantStatus != "") || c.wantStatus != "*" && status != c.wantStatus {
				t.Errorf("status %q, failed %v", status, failed)
			}
			for _, s := range all {
				if strings.Contains(s.String(), secret) || strings.Contains(s.String(), "ann") {
					t.Errorf("span tells: %s", s)
				}
			}
			if failed && status != "JSON-RPC error -32602" {
				if e := r.journal.events[len(r.journal.events)-1]; e.TraceID != server.Trace() {
					t.Errorf("%s has trace %q, the span %s", e.Type, e.TraceID, server.Trace())
				}
				if !strings.Contains(r.log.String(), `"trace_id":"`+server.Trace()) {
					t.Errorf("log: %s", r.log)
				}
			}
		})
	}
}

// TestUntraced: without a provider, a caller's context travels on as it came
// and nothing is written of it.
func TestUntraced(t *testing.T) {
	var got []portcullis.Field
	r := newRig(t, anyone, func(_ context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		got = append(got, c.Header...)
		return reply("application/json", answer), nil
	})
	r.do(post(toolCall, "X-Name", "ann", "Traceparent", theirHeader))
	found := false
	for _, f := range got {
		found = found || f == portcullis.Field{Name: "Traceparent", Value: theirHeader}
	}
	if e := r.journal.last(t, portcullis.EventCallFinished); !found || e.TraceID != "" {
		t.Errorf("%v, trace %q", got, e.TraceID)
	}
}

// BenchmarkPipelineTraced is BenchmarkPipeline with every call recorded and a
// collector that takes everything.
func BenchmarkPipelineTraced(b *testing.B) {
	r := newTraced(b, answering)
	r.table.Load().routes["/mcp"].pipe.record = discard{}
	b.ReportAllocs()
	for b.Loop() {
		r.ServeHTTP(&sink{header: http.Header{}}, post(toolCall, "X-Name", "ann"))
	}
}
