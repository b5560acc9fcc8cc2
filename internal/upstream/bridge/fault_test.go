package bridge_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
)

func tool(id, name string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `"}}`
}

// modernTool is a call as a stateless client sends it.
func modernTool(id, name string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `","_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
}

var modern = []string{"Mcp-Protocol-Version", "2026-07-28"}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waiting: %s", what)
		}
	}
}

func expect(t *testing.T, a answer, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, p := range parts {
		if !strings.Contains(a.body, p) {
			t.Errorf("body %s lacks %s", a.body, p)
		}
	}
}

func TestCrashDuringCall(t *testing.T) {
	h := open(t, "tiny", nil)
	s := h.begin()
	done := make(chan answer)
	go func() { done <- h.raw("POST", tool("7", "never"), "Mcp-Session-Id", s) }()
	eventually(t, "call in flight", func() bool { return h.b.Stats().Pending == 1 })
	expect(t, h.raw("POST", tool("8", "crash"), "Mcp-Session-Id", s), http.StatusBadGateway, `"id":8`, "upstream_unavailable")
	expect(t, <-done, http.StatusBadGateway, `"id":7`, "upstream_unavailable")
	expect(t, h.raw("POST", tool("9", "echo"), "Mcp-Session-Id", s), http.StatusNotFound, "session_not_found")
	if st := h.b.Stats(); st.Crashed != 1 || st.Sessions != 0 {
		t.Errorf("stats %+v", st)
	}
	h.begin() // the first crash costs nothing
}

// TestCrashDuringStream: the error comes as the last event.
func TestCrashDuringStream(t *testing.T) {
	h := open(t, "tiny", func(c *bridge.Config) { c.KeepAlive = time.Millisecond })
	s := h.begin()
	a := h.stream(t.Context(), "POST", tool("7", "never"), "Mcp-Session-Id", s)
	defer a.live.Close()
	if ct := a.header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatalf("content type %q", ct)
	}
	buf := make([]byte, 4096)
	var got strings.Builder
	n, err := a.live.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	got.Write(buf[:n])
	h.raw("POST", tool("8", "crash"), "Mcp-Session-Id", s)
	for {
		n, err := a.live.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if !strings.Contains(got.String(), `"id":7,"error":{"code":-32000`) || !strings.HasPrefix(got.String(), ":") {
		t.Errorf("stream %q", got.String())
	}
}

func TestCrashLoop(t *testing.T) {
	h := open(t, "exit", func(c *bridge.Config) { c.BackoffMin, c.BackoffMax = time.Hour, time.Hour })
	for range 2 {
		expect(t, h.raw("POST", initialize), http.StatusBadGateway, "upstream_unavailable")
	}
	expect(t, h.raw("POST", initialize, "X-Principal", "bob"), http.StatusServiceUnavailable, "upstream_restarting")
	expect(t, h.raw("POST", modernTool("1", "echo"), modern...), http.StatusServiceUnavailable, "upstream_restarting")
	if n := len(h.children()); n != 2 {
		t.Errorf("%d starts", n)
	}
}

// TestCrashIsolation: who makes servers crash delays no one else.
func TestCrashIsolation(t *testing.T) {
	h := open(t, "tiny", func(c *bridge.Config) { c.BackoffMin, c.BackoffMax = time.Hour, time.Hour })
	for range 2 {
		s := h.begin()
		h.raw("POST", tool("1", "crash"), "Mcp-Session-Id", s)
	}
	expect(t, h.raw("POST", initialize), http.StatusServiceUnavailable, "upstream_restarting")
	h.begin("X-Principal", "bob")
}

func TestMissingCommand(t *testing.T) {
	h := open(t, "tiny", nil)
	broken, err := bridge.New(bridge.Default(), bridge.Options{Log: logger(t), Open: func(context.Context) (bridge.Conn, error) {
		return nil, os.ErrNotExist
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.serve(broken)
	expect(t, h.raw("POST", initialize), http.StatusBadGateway, "upstream_unavailable")
	expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusBadGateway, "upstream_unavailable")
}

func TestGarbageAndFlood(t *testing.T) {
	for _, mode := range []string{"garbage", "flood", "silent"} {
		t.Run(mode, func(t *testing.T) {
			h := open(t, mode, func(c *bridge.Config) { c.ProbeTimeout = 50 * time.Millisecond })
			s := h.begin()
			expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", s), http.StatusOK, `"n":1.50`)
			expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusOK, `"n":1.50`, `"resultType":"complete"`)
		})
	}
}

// TestBrittleServer dies of the question what it speaks, and is not asked
// again.
func TestBrittleServer(t *testing.T) {
	h := open(t, "brittle", nil)
	expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusOK, `"text":"tiny"`)
}

func TestHandshakeTimeout(t *testing.T) {
	h := open(t, "deaf", func(c *bridge.Config) {
		c.StartTimeout, c.ProbeTimeout = 100*time.Millisecond, 20*time.Millisecond
		c.Grace = time.Millisecond
	})
	expect(t, h.raw("POST", initialize), http.StatusGatewayTimeout, "upstream_timeout")
	expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusGatewayTimeout, "upstream_timeout")
}

// TestGrandchild: what the server started dies with it.
func TestGrandchild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	h := open(t, "family", nil, file)
	s := h.begin()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, h.raw("DELETE", "", "Mcp-Session-Id", s), http.StatusNoContent)
	eventually(t, "grandchild gone", func() bool { return !alive(pid) || zombie(pid) })
	expect(t, h.raw("DELETE", "", "Mcp-Session-Id", s), http.StatusNotFound)
}

// zombie reports a process that is dead but unreaped by whoever adopted it.
func zombie(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PORTCULLIS_MASTER_KEY", "swordfish")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "swordfish")
	h := open(t, "tiny", nil)
	s := h.begin()
	a := h.raw("POST", tool("1", "env"), "Mcp-Session-Id", s)
	expect(t, a, http.StatusOK, "PATH=")
	if strings.Contains(a.body, "swordfish") {
		t.Error("the child sees a variable of the gateway")
	}
}

// listenOn opens the GET stream of a session until the test ends.
func (h *house) listenOn(id string, fields ...string) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	a := h.stream(ctx, "GET", "", append(fields, "Mcp-Session-Id", id)...)
	h.t.Cleanup(func() { cancel(); a.live.Close() })
	if a.status != http.StatusOK {
		h.t.Fatalf("listening: status %d", a.status)
	}
}

// TestAbandonedSessionsMakePlace: clients that leave without a word do not
// lock out their principal, whose longest unused session ends for a new one.
func TestAbandonedSessionsMakePlace(t *testing.T) {
	h := open(t, "tiny", func(c *bridge.Config) { c.MaxChildren, c.MaxPerPrincipal = 4, 3 })
	bobs := h.begin("X-Principal", "bob")
	listened, oldest, newer := h.begin(), h.begin(), h.begin()
	h.listenOn(listened)
	expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", oldest), http.StatusOK)
	fresh := h.begin() // ends newer, which was used before oldest was
	expect(t, h.raw("POST", tool("2", "x"), "Mcp-Session-Id", newer), http.StatusNotFound)
	for _, id := range []string{listened, oldest, fresh} {
		expect(t, h.raw("POST", tool("2", "x"), "Mcp-Session-Id", id), http.StatusOK)
	}
	expect(t, h.raw("POST", initialize, "X-Principal", "eve"), http.StatusServiceUnavailable, "too_many_sessions")
	expect(t, h.raw("POST", tool("2", "x"), "Mcp-Session-Id", bobs, "X-Principal", "bob"), http.StatusOK)
}

func TestLimits(t *testing.T) {
	h := open(t, "tiny", func(c *bridge.Config) { c.MaxChildren, c.MaxPerPrincipal, c.MaxPending = 3, 2, 2 })
	s, other := h.begin(), h.begin()
	h.listenOn(s)
	h.listenOn(other)
	expect(t, h.raw("POST", initialize), http.StatusServiceUnavailable, "too_many_sessions")
	h.listenOn(h.begin("X-Principal", "bob"), "X-Principal", "bob")
	expect(t, h.raw("POST", initialize, "X-Principal", "eve"), http.StatusServiceUnavailable, "too_many_sessions")
	expect(t, h.raw("POST", modernTool("1", "x"), append(modern, "X-Principal", "eve")...), http.StatusServiceUnavailable, "too_many_sessions")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, id := range []string{"1", "2"} {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, "POST", h.url, strings.NewReader(tool(id, "never")))
			req.Header.Set("Mcp-Session-Id", s)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
	}
	eventually(t, "two calls in flight", func() bool { return h.b.Stats().Pending == 2 })
	expect(t, h.raw("POST", tool("3", "x"), "Mcp-Session-Id", s), http.StatusServiceUnavailable, "too_many_calls")
	expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", s), http.StatusBadRequest, "-32600", "duplicate_id")
	expect(t, h.raw("DELETE", "", "Mcp-Session-Id", s), http.StatusNoContent)
	eventually(t, "place given back", func() bool { return h.b.Stats().Children == 2 })
	h.begin()
}

func TestCallTimeout(t *testing.T) {
	h := open(t, "tiny", func(c *bridge.Config) { c.CallTimeout = 20 * time.Millisecond })
	s := h.begin()
	expect(t, h.raw("POST", tool("1", "never"), "Mcp-Session-Id", s), http.StatusGatewayTimeout, "upstream_timeout")
}

func TestIdleSessionEnds(t *testing.T) {
	h := open(t, "tiny", func(c *bridge.Config) { c.IdleTimeout = 20 * time.Millisecond })
	s := h.begin()
	expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusOK)
	eventually(t, "servers gone", func() bool { return h.b.Stats().Children == 0 })
	expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", s), http.StatusNotFound)
	expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusOK) // a new one
}

func TestRefusals(t *testing.T) {
	h := open(t, "tiny", nil)
	s := h.begin()
	expect(t, h.raw("POST", tool("1", "x")), http.StatusBadRequest, "session_required")
	expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", "0123"), http.StatusNotFound)
	expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", s, "X-Principal", "bob"), http.StatusNotFound, "session_not_found")
	expect(t, h.raw("DELETE", "", "Mcp-Session-Id", s, "X-Principal", "bob"), http.StatusNotFound)
	expect(t, h.raw("GET", "", "Mcp-Session-Id", s, "X-Principal", "bob"), http.StatusNotFound)
	expect(t, h.raw("GET", "", "Mcp-Session-Id", s, "Accept", "application/json"), http.StatusNotAcceptable)
	expect(t, h.raw("POST", initialize, "Mcp-Session-Id", s), http.StatusBadRequest, "already_initialized")
	expect(t, h.raw("POST", `{"jsonrpc":"2.0","id":5,"result":{}}`, "Mcp-Session-Id", s), http.StatusBadRequest, "unknown_response")
	expect(t, h.raw("POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "Mcp-Session-Id", s), http.StatusAccepted)
	for _, method := range []string{"GET", "DELETE"} {
		a := h.raw(method, "", modern...)
		expect(t, a, http.StatusMethodNotAllowed)
		if a.header.Get("Allow") != "POST" {
			t.Errorf("Allow %q", a.header.Get("Allow"))
		}
	}
	expect(t, h.raw("POST", `{"jsonrpc":"2.0","id":5,"result":{}}`, modern...), http.StatusBadRequest, "unknown_response")
	expect(t, h.raw("POST", strings.Replace(modernTool("1", "x"), "tools/call", "ping", 1), modern...), http.StatusNotFound, "-32601")
	for _, can := range []string{`"other":{}`, `"io.modelcontextprotocol/clientCapabilities":null`, `"io.modelcontextprotocol/clientCapabilities":[]`} {
		bad := strings.Replace(modernTool("1", "x"), `"io.modelcontextprotocol/clientCapabilities":{}`, can, 1)
		expect(t, h.raw("POST", bad, modern...), http.StatusBadRequest, "-32602", "input_rejected")
	}
}

// TestBytes: what the bridge does not change stays as it was written.
func TestBytes(t *testing.T) {
	h := open(t, "tiny", nil)
	s := h.begin()
	expect(t, h.raw("POST", "{\"jsonrpc\":\"2.0\",\r\n\"id\":\"\\u0061\",\n\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}", "Mcp-Session-Id", s),
		http.StatusOK, `"id":"\u0061"`, `"n":1.50`)
	expect(t, h.raw("POST", modernTool(`"\u00e9"`, "x"), modern...), http.StatusOK, `"id":"\u00e9"`, `"n":1.50`)
}

// TestPrincipalsShareNothing: stateless callers of two principals never meet
// the same process; those of one do.
func TestPrincipalsShareNothing(t *testing.T) {
	h := open(t, "both", nil)
	pid := func(who string) string {
		a := h.raw("POST", strings.Replace(modernTool("1", "pid"), `"name"`, `"arguments":{"text":""},"name"`, 1), append(modern, "X-Principal", who)...)
		expect(t, a, http.StatusOK)
		return a.body
	}
	alice, bob := pid("alice"), pid("bob")
	if alice == bob {
		t.Error("two principals share a server")
	}
	if again := pid("alice"); again != alice {
		t.Error("one principal has two servers")
	}
}

// TestDisconnectCancels: closing its stream cancels the call of a stateless
// client, and does not that of a client with a session.
func TestDisconnectCancels(t *testing.T) {
	for _, server := range []string{"both", "legacy"} {
		h := open(t, server, nil)
		file := filepath.Join(t.TempDir(), "cancelled")
		ctx, cancel := context.WithCancel(t.Context())
		block := func(extra string) string {
			return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"block","arguments":{"text":"` + file + `"}` + extra + `}}`
		}
		send := func(body string, fields ...string) {
			req, err := http.NewRequestWithContext(ctx, "POST", h.url, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Accept", "application/json, text/event-stream")
			for i := 0; i+1 < len(fields); i += 2 {
				req.Header.Set(fields[i], fields[i+1])
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}
		go send(block(`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`), modern...)
		started := func() bool { _, err := os.Stat(file + ".started"); return err == nil }
		eventually(t, "call at the server", started)
		cancel()
		eventually(t, "cancelled at the server", func() bool { _, err := os.Stat(file); return err == nil })
		os.Remove(file)
		os.Remove(file + ".started")

		ctx, cancel = context.WithCancel(t.Context())
		s := h.begin()
		h.raw("POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "Mcp-Session-Id", s)
		gone := make(chan struct{})
		go func() { send(block(""), "Mcp-Session-Id", s); close(gone) }()
		eventually(t, "call at the server", started)
		cancel()
		<-gone
		expect(t, h.raw("POST", strings.Replace(tool("2", "echo"), `"name"`, `"arguments":{"text":"e"},"name"`, 1), "Mcp-Session-Id", s), http.StatusOK, `"e"`)
		if h.b.Stats().Pending != 1 {
			t.Error("the disconnect cancelled the call")
		}
		h.raw("POST", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, "Mcp-Session-Id", s)
		eventually(t, "cancelled at the server", func() bool { _, err := os.Stat(file); return err == nil })
	}
}

func TestClosedBridgeRefuses(t *testing.T) {
	h := open(t, "tiny", nil)
	s := h.begin()
	if err := h.b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, h.raw("POST", initialize), http.StatusServiceUnavailable, "shutting_down")
	expect(t, h.raw("POST", modernTool("1", "x"), modern...), http.StatusServiceUnavailable, "shutting_down")
	expect(t, h.raw("POST", tool("1", "x"), "Mcp-Session-Id", s), http.StatusNotFound)
}
