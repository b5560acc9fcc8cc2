package inspection

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// canary is what the rules of these tests take away or refuse. Nothing that the
// gateway leaves behind may hold it.
const canary = "CANARY-7f3a9c21"

// rules begin every configuration; %s is the upstream.
const rules = `
[[inspect.patterns]]
name = "canary"
regex = 'CANARY-[0-9a-f]{8}'

[[inspect.patterns]]
name = "mail"
regex = '[a-z]+@example\.com'

[[route]]
name = "mcp"
path = "/mcp"
upstream = "%s"
`

const redactAll = `
[[route.inspect.arguments]]
detect = ["pattern.canary"]
action = "redact"
[[route.inspect.results]]
detect = ["pattern.canary"]
action = "redact"
`

const blockAll = `
[[route.inspect.arguments]]
detect = ["pattern.canary"]
action = "block"
[[route.inspect.results]]
detect = ["pattern.canary"]
action = "block"
`

func start(t *testing.T, up *harness.Upstream, own string) *harness.Gateway {
	t.Helper()
	return harness.Start(t, fmt.Sprintf(rules, up.URL+"/mcp")+own)
}

func post(t *testing.T, g *harness.Gateway, body string, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.URL, []byte(body), append([]string{"X-API-Key", g.Key, "MCP-Protocol-Version", "2025-06-18"}, headers...)...)
}

func call(arguments string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":` + arguments + `}}`
}

// leavesNoTrace fails if the canary can be read anywhere.
func leavesNoTrace(t *testing.T, g *harness.Gateway) {
	t.Helper()
	if strings.Contains(g.Log.String(), canary) {
		t.Error("the log holds what a rule took away")
	}
	events, err := json.Marshal(g.Events())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(events), canary) {
		t.Error("the journal holds what a rule took away")
	}
	if strings.Contains(g.Metrics(), canary) {
		t.Error("a metric holds what a rule took away")
	}
}

// event returns the event of that type of a request.
func event(t *testing.T, g *harness.Gateway, r http.Header, kind string) harness.Event {
	t.Helper()
	for _, e := range g.EventsOf(r.Get("X-Request-Id")) {
		if e.Type == kind {
			return e
		}
	}
	t.Fatalf("no %s of the request", kind)
	return harness.Event{}
}

func TestArgumentsAreRewritten(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, `{"content":[]}`) })
	g := start(t, up, redactAll)
	for _, spelled := range []string{canary, `\u0043ANARY-7f3a9c21`} {
		r := post(t, g, call(`{"q" : "my `+spelled+`!", "n":[ 1.50 ]}`), "Mcp-Param-Q", canary)
		seen := up.Seen()
		last := seen[len(seen)-1]
		if want := call(`{"q" : "my [redacted:pattern.canary]!", "n":[ 1.50 ]}`); r.Status != 200 || last.Body != want {
			t.Errorf("status %d, the upstream got\n%s\nwant\n%s", r.Status, last.Body, want)
		}
		if strings.Contains(fmt.Sprint(last.Header), canary) {
			t.Errorf("a header carries what was taken from the arguments: %v", last.Header)
		}
		if n := last.Header.Get("Content-Length"); n != fmt.Sprint(len(last.Body)) {
			t.Errorf("Content-Length %s for %d bytes", n, len(last.Body))
		}
		e := event(t, g, r.Header, "CONTENT_REWRITTEN")
		if e.Details["findings"] != "pattern.canary:redact=1" || e.Details["direction"] != "arguments" || e.Resource != "tool:echo" {
			t.Errorf("event %+v", e)
		}
	}
	if m := g.Metrics(); !strings.Contains(m, `portcullis_content_findings_total{action="redact",kind="pattern.canary",route="mcp"} 2`) {
		t.Error("findings are not counted")
	}
	leavesNoTrace(t, g)
}

func TestArgumentsAreBlocked(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, `{"content":[]}`) })
	g := start(t, up, blockAll)
	for _, arguments := range []string{`{"q":"` + canary + `"}`, `{"a":[{"b":"` + canary + `"}]}`, `{"` + canary + `":1}`, `{"q":"\u0043ANARY-7f3a9c21"}`} {
		r := post(t, g, call(arguments))
		if r.Status != 403 || !strings.Contains(r.Body, `"content_blocked"`) || !strings.Contains(r.Body, `"id":7`) || strings.Contains(r.Body, canary) {
			t.Errorf("%s: status %d: %s", arguments, r.Status, r.Body)
		}
		e := event(t, g, r.Header, "CONTENT_BLOCKED")
		if e.Reason != "content_blocked" || !strings.HasPrefix(fmt.Sprint(e.Details["detail"]), "pattern.canary at params.arguments.") {
			t.Errorf("event %+v", e)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Errorf("the upstream heard %d calls", n)
	}
	leavesNoTrace(t, g)
}

// replies are what an upstream may send; % is the canary.
var replies = map[string]string{
	"text":       `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a % b"}]}}`,
	"structured": `{"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"rows":[{"k":"%"}]},"content":[{"type":"text","text":"{\"rows\":[{\"k\":\"%\"}]}"}]}}`,
	"resource":   `{"jsonrpc":"2.0","id":7,"result":{"contents":[{"uri":"file:///a","text":"%"}]}}`,
	"unknown":    `{"jsonrpc":"2.0","id":7,"result":{"x":{"y":[[["%"]]]}}}`,
	"tools":      `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a","description":"%","inputSchema":{"type":"object"}}]}}`,
}

func TestRepliesAreRewritten(t *testing.T) {
	for name, form := range replies {
		for _, streamed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", name, streamed), func(t *testing.T) {
				up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
					body := strings.ReplaceAll(form, "%", canary)
					if streamed {
						w.Header().Set("Content-Type", "text/event-stream")
						body = "event: message\nid: 5\ndata: " + body + "\n\n"
					} else {
						w.Header().Set("Content-Type", "application/json")
					}
					io.WriteString(w, body)
				})
				g := start(t, up, redactAll)
				r := post(t, g, call(`{}`))
				want := strings.ReplaceAll(form, "%", "[redacted:pattern.canary]")
				if streamed {
					want = "event: message\nid: 5\ndata: " + want + "\n\n"
				}
				if r.Status != 200 || r.Body != want {
					t.Errorf("status %d\ngot  %s\nwant %s", r.Status, r.Body, want)
				}
				if n := r.Header.Get("Content-Length"); !streamed && n != fmt.Sprint(len(r.Body)) {
					t.Errorf("Content-Length %s for %d bytes", n, len(r.Body))
				}
				event(t, g, r.Header, "CONTENT_REWRITTEN")
				leavesNoTrace(t, g)
			})
		}
	}
}

func TestBlobsAreRewritten(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	image := encode([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe"))
	form := `{"jsonrpc":"2.0","id":7,"result":{"contents":[{"uri":"a:b","blob":"%s"}],"content":[{"type":"image","mimeType":"image/png","data":"` + image + `"}]}}`
	up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, form, encode([]byte("key: "+canary)))
	})
	g := start(t, up, redactAll)
	r := post(t, g, call(`{}`))
	if want := fmt.Sprintf(form, encode([]byte("key: [redacted:pattern.canary]"))); r.Body != want {
		t.Errorf("got  %s\nwant %s", r.Body, want)
	}
	leavesNoTrace(t, g)
}

func TestRepliesAreBlocked(t *testing.T) {
	for name, form := range replies {
		up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, strings.ReplaceAll(form, "%", canary))
		})
		g := start(t, up, blockAll)
		r := post(t, g, call(`{}`))
		if r.Status != 403 || !strings.Contains(r.Body, `"content_blocked"`) || strings.Contains(r.Body, canary) {
			t.Errorf("%s: status %d: %s", name, r.Status, r.Body)
		}
		event(t, g, r.Header, "CONTENT_BLOCKED")
		if e := event(t, g, r.Header, "CALL_FINISHED"); e.Outcome != "failure" || e.Reason != "content_blocked" {
			t.Errorf("%s: outcome %+v", name, e)
		}
		leavesNoTrace(t, g)
	}
}

// An error of an upstream is masked before rules see it; what remains, its data
// included, they still see.
func TestErrorsAreRewritten(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"bad `+canary+`","data":{"a":["`+canary+`"]}}}`)
	})
	g := start(t, up, redactAll)
	if r := post(t, g, call(`{}`)); r.Status != 200 || strings.Contains(r.Body, canary) || !strings.Contains(r.Body, "-32602") {
		t.Errorf("status %d: %s", r.Status, r.Body)
	}
	leavesNoTrace(t, g)
}

// A stream carries notifications and requests of the server beside the answer.
const mixed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"%\"}}\n\n" +
	"id: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{\"maxTokens\":1,\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"%\"}}]}}\n\n" +
	"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n" +
	"data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"%\"}]}}\n\n"

func streaming(t *testing.T, text string) *harness.Upstream {
	return harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, strings.ReplaceAll(text, "%", canary))
	})
}

func TestStreamsAreRewritten(t *testing.T) {
	g := start(t, streaming(t, mixed), redactAll)
	r := post(t, g, call(`{}`))
	if want := strings.ReplaceAll(mixed, "%", "[redacted:pattern.canary]"); r.Body != want {
		t.Errorf("got\n%s\nwant\n%s", r.Body, want)
	}
	n := 0
	for _, e := range g.EventsOf(r.Header.Get("X-Request-Id")) {
		if e.Type == "CONTENT_REWRITTEN" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d events for 3 messages", n)
	}
	leavesNoTrace(t, g)
}

// What is forbidden in a stream is withheld, the answer becomes an error, and
// what is allowed goes on.
func TestStreamsAreBlocked(t *testing.T) {
	g := start(t, streaming(t, mixed), blockAll)
	r := post(t, g, call(`{}`))
	events := strings.Split(strings.TrimSuffix(r.Body, "\n\n"), "\n\n")
	if r.Status != 200 || len(events) != 4 || strings.Contains(r.Body, canary) {
		t.Fatalf("status %d:\n%s", r.Status, r.Body)
	}
	if events[0] != ":" || events[1] != "id: 2" || !strings.Contains(events[2], "notifications/progress") {
		t.Errorf("got\n%s", r.Body)
	}
	var answer struct {
		ID    int
		Error struct{ Data struct{ Reason string } }
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(events[3], "data: ")), &answer); err != nil || answer.ID != 7 || answer.Error.Data.Reason != "content_blocked" {
		t.Errorf("%v: %s", err, events[3])
	}
	if e := event(t, g, r.Header, "CALL_FINISHED"); e.Outcome != "failure" || e.Reason != "content_blocked" {
		t.Errorf("outcome %+v", e)
	}
	leavesNoTrace(t, g)
}

func TestListeningStreamsAreRewritten(t *testing.T) {
	up := streaming(t, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"%\"}}\n\n")
	g := start(t, up, redactAll)
	r := harness.Do(t, http.MethodGet, g.URL, nil, "X-API-Key", g.Key, "MCP-Protocol-Version", "2025-06-18", "Accept", "text/event-stream")
	if r.Status != 200 || !strings.Contains(r.Body, "[redacted:pattern.canary]") || strings.Contains(r.Body, canary) {
		t.Errorf("status %d: %s", r.Status, r.Body)
	}
	leavesNoTrace(t, g)
}

func TestTokensComeBack(t *testing.T) {
	const address = "bob@example.com"
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"content":[{"type":"text","text":"to `+address+`"}]}`)
	})
	g := start(t, up, `
[route.inspect]
detokenize = true
[[route.inspect.results]]
detect = ["pattern.mail"]
action = "tokenize"
`)
	r := post(t, g, call(`{}`))
	_, token, _ := strings.Cut(r.Body, "to ")
	token, _, _ = strings.Cut(token, `"`)
	if !strings.HasPrefix(token, "pctok_v1_") || strings.Contains(r.Body, address) {
		t.Fatalf("reply %s", r.Body)
	}
	for scopes, want := range map[string]string{"tools:*": token, "tools:*,detokenize": address} {
		key, _ := g.NewKey(strings.Split(scopes, ",")...)
		harness.Do(t, http.MethodPost, g.URL, []byte(call(`{"to":"`+token+`"}`)), "X-API-Key", key, "MCP-Protocol-Version", "2025-06-18")
		seen := up.Seen()
		if got := seen[len(seen)-1].Body; got != call(`{"to":"`+want+`"}`) {
			t.Errorf("%s: the upstream got %s", scopes, got)
		}
	}
}
