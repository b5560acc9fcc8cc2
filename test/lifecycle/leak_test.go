package lifecycle

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// asServer, set in the environment, makes the test binary an MCP server that
// speaks stdio.
const asServer = "PORTCULLIS_TEST_STDIO_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		speakStdio()
		return
	}
	os.Exit(m.Run())
}

func speakStdio() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var msg struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(in.Bytes(), &msg) != nil || msg.ID == nil {
			continue
		}
		result := `{"content":[]}`
		if msg.Method == "initialize" {
			result = `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"test","version":"1"}}`
		}
		fmt.Printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n", msg.ID, result)
	}
}

// mixed is an upstream that answers, streams, stalls and fails, by tool.
func mixed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch {
	case strings.Contains(string(body), `"stream"`):
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, progress+result)
	case strings.Contains(string(body), `"stall"`), r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/event-stream")
		if http.NewResponseController(w).Flush() == nil {
			<-r.Context().Done()
		}
	case strings.Contains(string(body), `"fail"`):
		w.WriteHeader(http.StatusInternalServerError)
	case strings.Contains(string(body), `"large"`):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":%q}]}}`, strings.Repeat("x", 300_000))
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`)
	}
}

// caller makes calls of all kinds.
type caller struct {
	http.Client
	g      *harness.Gateway
	bridge string
	failed atomic.Int64 // calls that should have been answered
	made   atomic.Int64

	sessions atomic.Int64 // opened over the bridge
}

// one makes one call; status is 0 if there was no whole answer.
func (c *caller) one(ctx context.Context, method, url, body string, headers ...string) (status int, h http.Header) {
	c.made.Add(1)
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("X-API-Key", c.g.Key)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, nil
	}
	return resp.StatusCode, resp.Header
}

func (c *caller) want(status, got int, what string) {
	if got != status {
		c.failed.Add(1)
		fmt.Fprintf(c.g.Log, "test: %s: status %d, want %d\n", what, got, status)
	}
}

// any makes one call of a random kind, and for some kinds a few.
func (c *caller) any(ctx context.Context, r *rand.Rand) {
	switch kind := r.IntN(10); kind {
	case 0, 1: // left in the middle
		tool := []string{"stall", "large"}[kind]
		short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(20))*time.Millisecond)
		defer cancel()
		c.one(short, http.MethodPost, c.g.URL, fmt.Sprintf(call, tool))
	case 2:
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		c.one(short, http.MethodGet, c.g.URL, "")
	case 3:
		got, _ := c.one(ctx, http.MethodPost, c.g.URL, fmt.Sprintf(call, "echo"), "X-API-Key", "mcp_wrong")
		if got != http.StatusTooManyRequests { // who guesses often is slowed
			c.want(http.StatusUnauthorized, got, "refused")
		}
	case 4:
		got, _ := c.one(ctx, http.MethodPost, c.g.URL, "{")
		c.want(http.StatusBadRequest, got, "malformed")
	case 5:
		got, h := c.one(ctx, http.MethodPost, c.bridge, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		if got == http.StatusServiceUnavailable || got == http.StatusTooManyRequests {
			return // all places are taken
		}
		c.want(http.StatusOK, got, "initialize")
		if id := h.Get("Mcp-Session-Id"); id != "" {
			c.sessions.Add(1)
			got, _ = c.one(ctx, http.MethodPost, c.bridge, fmt.Sprintf(call, "echo"), "Mcp-Session-Id", id)
			c.want(http.StatusOK, got, "in a session")
			c.one(ctx, http.MethodDelete, c.bridge, "", "Mcp-Session-Id", id)
		}
	case 6:
		got, _ := c.one(ctx, http.MethodPost, c.g.URL, fmt.Sprintf(call, "fail"))
		c.want(http.StatusBadGateway, got, "failing")
	default:
		got, _ := c.one(ctx, http.MethodPost, c.g.URL, fmt.Sprintf(call, []string{"echo", "stream", "large"}[kind-7]))
		c.want(http.StatusOK, got, "answered")
	}
}

func openFiles(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Log("open files are not counted: there is no /proc")
		return 0
	}
	return len(d)
}

// After a working life under a mixed load, with reloads that change upstreams
// meanwhile, nothing is left and nothing was lost: no goroutine, no file, no
// intent without its outcome, no call that a reload broke.
func TestNothingIsLeft(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before, files := goleak.IgnoreCurrent(), openFiles(t)
	t.Run("life", func(t *testing.T) { life(t, self) })
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
	until(t, "files to be closed", func() bool { return openFiles(t) <= files })
}

func life(t *testing.T, self string) {
	up := harness.NewUpstream(t, mixed)
	text := func(timeout int) string {
		return route(up, fmt.Sprintf("timeout = \"%ds\"", timeout)) + fmt.Sprintf("[[route]]\nname = \"bridge\"\npath = \"/bridge\"\ncommand = [%q]\nenv = { %s = \"1\" }\nmax_children = 300\nmax_children_per_caller = 300 # more than are ending at a time: none has to make room\n%s\n", self, asServer, plenty)
	}
	g := harness.Start(t, text(30))
	c := &caller{Client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}, g: g, bridge: g.Base + "/bridge"}
	defer c.CloseIdleConnections()
	var reloaded atomic.Int64
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 7))
			for i := 0; i < 250 || reloaded.Load() < 20; i++ {
				c.any(t.Context(), r)
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			g.WriteConfig(head(text(31 + i)))
			if status, _ := c.one(t.Context(), http.MethodPost, g.Admin+"/api/v1/config/reload", ""); status != http.StatusOK {
				t.Errorf("reload: status %d", status)
			}
			reloaded.Add(1)
		}
	})
	wg.Wait()
	t.Logf("%d calls, %d sessions", c.made.Load(), c.sessions.Load())
	if c.sessions.Load() == 0 {
		t.Error("no session was opened over the bridge")
	}
	if n := c.failed.Load(); n > 0 {
		t.Errorf("%d calls were not answered as they should be", n)
	}
	g.Stop(5 * time.Second)
	open := map[string]bool{}
	for _, e := range g.Events() {
		switch e.Type {
		case "CALL_STARTED":
			open[e.RequestID] = true
		case "CALL_FINISHED":
			if !open[e.RequestID] {
				t.Errorf("%s: an outcome without an intent, or a second one", e.RequestID)
			}
			delete(open, e.RequestID)
		}
	}
	if len(open) > 0 {
		t.Errorf("%d intents have no outcome", len(open))
	}
}

func head(text string) string {
	return "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nlog.level = \"debug\"\n" + text
}

// A call whose body is still on its way when a reload replaces the upstream is
// answered by the one it began with.
func TestReloadWaitsForCalls(t *testing.T) {
	up := newSlow(t)
	g := harness.Start(t, route(up.Upstream))
	stream := harness.Open(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(call, "stream")), "X-API-Key", g.Key)
	<-up.arrived
	addr := strings.TrimPrefix(g.Base, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := fmt.Sprintf(call, "echo")
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%s", addr, g.Key, len(body), body[:10])
	until(t, "the call to begin", func() bool {
		return strings.Contains(g.Metrics(), `portcullis_inflight_requests{route="mcp"} 2`)
	})
	g.Reconfigure(route(up.Upstream, `timeout = "7s"`))
	until(t, "the reload", func() bool {
		return strings.Contains(g.Metrics(), `portcullis_config_reloads_total{result="success"} 1`)
	})
	if post(t, g, "echo").Status != http.StatusOK {
		t.Error("the new upstream does not answer")
	}
	io.WriteString(conn, body[10:])
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the call that had begun: status %d", resp.StatusCode)
	}
	up.events <- result
	close(up.events)
	if text, err := io.ReadAll(stream.Body); err != nil || string(text) != result {
		t.Errorf("the running stream: %q, %v", text, err)
	}
}

// The time that a caller has for a request does not bound the reply, and what
// keeps a silent stream alive comes through.
func TestStreamOutlastsRequestTimes(t *testing.T) {
	const idle = ": idle\n\n"
	up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(400 * time.Millisecond)
		defer tick.Stop()
		for range 6 {
			io.WriteString(w, idle)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			<-tick.C
		}
		io.WriteString(w, result)
	})
	g := harness.Start(t, "limits.header_timeout = \"1s\"\nlimits.body_timeout = \"1s\"\n"+route(up))
	stream := harness.Open(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(call, "stream")), "X-API-Key", g.Key)
	if text, err := io.ReadAll(stream.Body); err != nil || string(text) != strings.Repeat(idle, 6)+result {
		t.Errorf("%q, %v", text, err)
	}
}
