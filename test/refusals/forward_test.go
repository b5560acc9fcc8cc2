package refusals

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// scripted answers by the name of the tool that is called.
func scripted(w http.ResponseWriter, r *http.Request) {
	var req struct {
		ID     json.RawMessage
		Params struct{ Name string }
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	w.Header().Set("Server", "s3cr3t-server/1.2.3")
	w.Header().Set("X-Powered-By", "s3cr3t-framework")
	w.Header().Add("Set-Cookie", "s3cr3t=1")
	answer := func(status int, contentType, body string) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, strings.ReplaceAll(body, "ID", string(req.ID)))
	}
	result := `{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}`
	switch req.Params.Name {
	case "garbage":
		answer(200, "application/json", "<html>s3cr3t</html>")
	case "html":
		answer(200, "text/html", "<html>s3cr3t</html>")
	case "nothing":
		w.WriteHeader(http.StatusOK)
	case "duplicates":
		answer(200, "application/json", `{"jsonrpc":"2.0","id":ID,"result":{"content":[]},"result":{"content":["s3cr3t"]}}`)
	case "batch":
		answer(200, "application/json", "["+result+"]")
	case "wrong id":
		answer(200, "application/json", strings.Replace(result, "ID", "8", 1))
	case "text id":
		answer(200, "application/json", strings.Replace(result, "ID", `"7"`, 1))
	case "two answers":
		answer(200, "application/json", result+result)
	case "request":
		answer(200, "application/json", `{"jsonrpc":"2.0","id":ID,"method":"sampling/createMessage","params":{}}`)
	case "oversize":
		answer(200, "application/json", strings.Replace(result, "[]", `["`+strings.Repeat("s3cr3t", 4000)+`"]`, 1))
	case "redirect":
		w.Header().Set("Location", "http://s3cr3t.internal/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "401":
		w.Header().Set("WWW-Authenticate", `Basic realm="s3cr3t"`)
		answer(401, "text/plain", "s3cr3t")
	case "403":
		answer(403, "application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"s3cr3t"}}`)
	case "500":
		answer(500, "text/plain", "Traceback: s3cr3t at /internal/app.go:12\npanic")
	case "503":
		answer(503, "application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"s3cr3t"}}`)
	case "bad session":
		w.Header().Set("Mcp-Session-Id", "s3cr3t session")
		answer(200, "application/json", result)
	case "400":
		answer(400, "text/plain", "s3cr3t")
	case "404":
		answer(404, "text/plain", "s3cr3t")
	case "405":
		answer(405, "text/plain", "s3cr3t")
	case "429":
		w.Header().Set("Retry-After", "30")
		answer(429, "text/plain", "s3cr3t")
	case "cut":
		w.Header().Set("Content-Length", "1000")
		answer(200, "application/json", result)
	case "stack":
		answer(200, "application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32603,"message":"boom at /internal/app.go:12","data":{"stack":"goroutine 1 [running] s3cr3t"}}}`)
	case "tool error":
		answer(200, "application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"Unknown tool"}}`)
	case "close":
		panic(http.ErrAbortHandler)
	default:
		answer(200, "application/json", result)
	}
}

// forwarded is a refusal after the intent: the upstream heard the call.
func forwarded(name string, status int, reason, phase, guard string) row {
	return row{
		name: name, body: request(`{"name":"` + name + `"}`), status: status, code: -32603, id: "7", reason: reason,
		phase: phase, guard: guard, actor: true, intended: true,
	}
}

func TestReplies(t *testing.T) {
	up := harness.NewUpstream(t, scripted)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, "reply_limits.bytes = 16384")), up: up}
	refused := func(name string, status int) row {
		r := forwarded(name, status, "upstream_refused", "review", "reply")
		r.code = -32000
		return r
	}
	broken := func(name, phase, guard string) row {
		r := forwarded(name, 502, "upstream_unavailable", phase, guard)
		r.code = -32000
		return r
	}
	session := forwarded("bad session", 502, "reply_rejected", "review", "reply")
	session.code = -32000
	limited := refused("429", 429)
	limited.want = map[string]string{"Retry-After": "30"}
	b.run(t, []row{
		forwarded("garbage", 502, "reply_rejected", "review", "reply"),
		forwarded("html", 502, "reply_rejected", "review", "reply"),
		forwarded("nothing", 502, "reply_rejected", "review", "reply"),
		forwarded("duplicates", 502, "reply_rejected", "review", "reply"),
		forwarded("batch", 502, "reply_rejected", "review", "reply"),
		forwarded("wrong id", 502, "reply_rejected", "review", "reply"),
		forwarded("text id", 502, "reply_rejected", "review", "reply"),
		forwarded("two answers", 502, "reply_rejected", "review", "reply"),
		forwarded("request", 502, "reply_rejected", "review", "reply"),
		forwarded("oversize", 502, "reply_rejected", "review", "reply"),
		forwarded("redirect", 502, "upstream_error", "review", "reply"),
		forwarded("401", 502, "upstream_error", "review", "reply"),
		forwarded("403", 502, "upstream_error", "review", "reply"),
		forwarded("500", 502, "upstream_error", "review", "reply"),
		forwarded("503", 502, "upstream_error", "review", "reply"),
		session, refused("400", 400), refused("404", 404), refused("405", 405), limited,
		broken("cut", "review", "reply"),
		broken("close", "forward", "upstream"),
	})
	t.Run("error texts are masked", func(t *testing.T) {
		r := harness.Do(t, http.MethodPost, b.URL, []byte(request(`{"name":"stack"}`)), "X-API-Key", b.Key)
		if r.Status != http.StatusOK || strings.Contains(r.Body, "goroutine") || strings.Contains(r.Body, "/internal/") || strings.Contains(r.Body, "s3cr3t") ||
			!strings.Contains(r.Body, r.Header.Get("X-Request-Id")) || !strings.Contains(r.Body, "-32603") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})
	t.Run("plain errors pass", func(t *testing.T) {
		r := harness.Do(t, http.MethodPost, b.URL, []byte(request(`{"name":"tool error"}`)), "X-API-Key", b.Key)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, "Unknown tool") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})
	t.Run("headers of the upstream stay inside", func(t *testing.T) {
		r := harness.Do(t, http.MethodPost, b.URL, []byte(call), "X-API-Key", b.Key, "Cookie", "a=b", "X-Forwarded-For", "1.2.3.4", "X-Custom", "c")
		for _, name := range []string{"Server", "Set-Cookie", "X-Powered-By"} {
			if v := r.Header.Get(name); v != "" {
				t.Errorf("%s: %q", name, v)
			}
		}
		seen := b.up.Seen()
		for name := range seen[len(seen)-1].Header {
			switch name {
			case "X-Api-Key", "Authorization", "Cookie", "X-Forwarded-For", "X-Custom":
				t.Errorf("the upstream got %s", name)
			}
		}
	})
}

func TestUnreachable(t *testing.T) {
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(hang) })
	nonsense, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nonsense.Close() })
	go speakNonsense(nonsense)
	up := harness.NewUpstream(t, echo)
	to := func(name, url string) string {
		return fmt.Sprintf("[[route]]\nname = %q\npath = \"/%s\"\nupstream = %q\ntimeout = \"200ms\"\n%s\n", name, name, url, plenty)
	}
	b := &bench{Gateway: harness.Start(t, oneRoute(up)+to("down", "http://"+harness.FreeAddr(t)+"/mcp")+to("slow", slow.URL+"/mcp")+to("nonsense", "http://"+nonsense.Addr().String()+"/mcp")), up: up}
	unreachable := func(name string, status int, reason string) row {
		r := forwarded(name, status, reason, "forward", "upstream")
		r.path, r.route, r.code = "/"+name, name, -32000
		return r
	}
	b.run(t, []row{
		unreachable("down", 502, "upstream_unavailable"),
		unreachable("slow", 504, "upstream_timeout"),
		unreachable("nonsense", 502, "upstream_unavailable"),
	})
}

func speakNonsense(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err == nil {
			io.WriteString(c, "220 s3cr3t ESMTP\r\n")
		}
		c.Close()
	}
}

// A tool list holds what the caller may call, in whatever form it comes.
func TestListsAreFiltered(t *testing.T) {
	const tools = `"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"write_file","inputSchema":{"type":"object"}},{"name":"delete_all","inputSchema":{"type":"object"}}]`
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // a resumed stream replays an answer
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{%s}}\n\n", tools)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if strings.Contains(string(body), `"stream"`) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "event: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{%s}}\n\n", tools)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":7,"result":{%s}}`, tools)
	})
	g := harness.Start(t, route(up, "mcp", plenty, "[route.tools]", `deny = ["delete_*"]`))
	key, _ := g.NewKey("tools:echo", "tools:delete_all")
	list := `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":"%s"}}`
	for name, r := range map[string]harness.Response{
		"json":    harness.Do(t, "POST", g.URL, []byte(fmt.Sprintf(list, "json")), "X-API-Key", key),
		"stream":  harness.Do(t, "POST", g.URL, []byte(fmt.Sprintf(list, "stream")), "X-API-Key", key),
		"resumed": harness.Do(t, "GET", g.URL, nil, "X-API-Key", key, "Accept", "text/event-stream", "Last-Event-ID", "0"),
	} {
		if r.Status != http.StatusOK || !strings.Contains(r.Body, `"echo"`) || strings.Contains(r.Body, "write_file") || strings.Contains(r.Body, "delete_all") {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
		if name != "json" && !strings.Contains(r.Body, "id: 1\n") {
			t.Errorf("%s: the event lost its id: %q", name, r.Body)
		}
	}
	all := harness.Do(t, "POST", g.URL, []byte(fmt.Sprintf(list, "json")), "X-API-Key", g.Key)
	if !strings.Contains(all.Body, "write_file") || strings.Contains(all.Body, "delete_all") {
		t.Errorf("who may do everything sees %s", all.Body)
	}
}

// A client that leaves ends the call at the upstream, and the outcome is in
// the journal.
func TestClientLeaves(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	up := harness.NewUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	g := harness.Start(t, oneRoute(up))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, strings.NewReader(call))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-API-Key", g.Key)
			_, err = http.DefaultClient.Do(req)
		}
		gone <- err
	}()
	<-arrived
	cancel()
	if err := <-gone; err == nil {
		t.Fatal("the call was answered")
	}
	<-ended
	e := await(t, g, "CALL_FINISHED")
	if e.Outcome != "failure" || e.Reason != "client_closed" {
		t.Errorf("%+v", e)
	}
}
