package refusals

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

const (
	codeParse   = -32700
	codeInvalid = -32600
	codeParams  = -32602
)

// request wraps params into a tools/call with id 7.
func request(params string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":` + params + `}`
}

// modern wraps a name into a request of the stateless revision.
func modern(name string) string {
	return request(`{"name":"` + name + `","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}`)
}

// read is a refusal of the decode phase. An id is repeated only if the whole
// message could be read: before that, a second id could follow.
func read(name, body string, code int, id string) row {
	return row{
		name: name, body: body, status: 400, code: code, id: id, reason: "input_rejected", event: "INPUT_REJECTED",
		phase: "decode", guard: "mcp", actor: true,
	}
}

func TestReader(t *testing.T) {
	b := newBench(t, "", oneRoute)
	deep := strings.Repeat("[", 12) + strings.Repeat("]", 12)
	b.run(t, []row{
		read("depth", request(`{"name":"echo","arguments":{"a":`+deep+`}}`), codeInvalid, ""),
		read("array", request(`{"name":"echo","arguments":{"a":[`+strings.Repeat("1,", 1000)+`1]}}`), codeInvalid, ""),
		read("members", request(`{"name":"echo","arguments":{`+members(1001)+`}}`), codeInvalid, ""),
		read("string", request(`{"name":"echo","arguments":{"a":"`+strings.Repeat("x", 100001)+`"}}`), codeInvalid, ""),
		read("duplicate name", request(`{"name":"echo","name":"other"}`), codeInvalid, ""),
		read("duplicate name in arguments", request(`{"name":"echo","arguments":{"a":1,"a":2}}`), codeInvalid, ""),
		read("duplicate name, escaped", request(`{"name":"echo","n\u0061me":"other"}`), codeInvalid, ""),
		read("other case", request(`{"name":"echo","Name":"other"}`), codeInvalid, ""),
		read("folded letter", request(`{"name":"echo","argument\u017f":{}}`), codeInvalid, ""),
		read("full-width letter", request(`{"name":"echo","nam\uff45":"other"}`), codeInvalid, ""),
		read("NUL behind a name", request(`{"name":"echo","name\u0000":"other"}`), codeInvalid, ""),
		read("other case of method", `{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call"}`, codeInvalid, ""),
		read("bad UTF-8", request("{\"name\":\"echo\",\"arguments\":{\"a\":\"\xff\"}}"), codeParse, ""),
		read("lone surrogate", request(`{"name":"echo","arguments":{"a":"\ud800"}}`), codeParse, ""),
		read("byte order mark", "\ufeff"+call, codeParse, ""),
		read("trailing bytes", call+"{}", codeParse, ""),
		read("trailing NUL", call+"\x00", codeParse, ""),
		read("cut short", call[:40], codeParse, ""),
		read("no JSON", "tools/call echo", codeParse, ""),
		read("blank", " ", codeParse, ""),
		read("batch", "["+call+"]", codeInvalid, ""),
		read("empty batch", "[]", codeInvalid, ""),
		read("id null", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, codeInvalid, ""),
		read("id an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, codeInvalid, ""),
		read("id fractional", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, codeInvalid, ""),
		read("no id", `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}`, codeInvalid, ""),
		read("id of a notification", `{"jsonrpc":"2.0","id":7,"method":"notifications/initialized"}`, codeInvalid, "7"),
		read("other version of JSON-RPC", `{"jsonrpc":"1.0","id":7,"method":"ping"}`, codeInvalid, "7"),
		read("no method", `{"jsonrpc":"2.0","id":7}`, codeInvalid, "7"),
		read("long method", `{"jsonrpc":"2.0","id":7,"method":"`+strings.Repeat("m", 101)+`"}`, codeInvalid, "7"),
		read("no tool name", request(`{"arguments":{}}`), codeParams, "7"),
		read("tool name no string", request(`{"name":["echo"]}`), codeParams, "7"),
		read("invisible tool name", request(`{"name":"echo\u200b"}`), codeParams, "7"),
		read("long tool name", request(`{"name":"`+strings.Repeat("e", 257)+`"}`), codeParams, "7"),
		read("params an array", request(`["echo"]`), codeParams, "7"),
		read("arguments no object", request(`{"name":"echo","arguments":[1]}`), codeParams, "7"),
		{
			name: "unknown method", body: `{"jsonrpc":"2.0","id":"a","method":"tools/destroy"}`, status: 404, code: -32601, id: `"a"`,
			public: "Method not found", reason: "method_not_found", event: "INPUT_REJECTED", phase: "decode", guard: "mcp", actor: true,
		},
		{
			name: "everybody's tasks", body: `{"jsonrpc":"2.0","id":"a","method":"tasks/list","params":{}}`, status: 404, code: -32601, id: `"a"`,
			headers: []string{"MCP-Protocol-Version", "2025-11-25"},
			public:  "Method not found", reason: "method_not_found", event: "INPUT_REJECTED", phase: "decode", guard: "mcp", actor: true,
		},
	})
}

func members(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"n%d":1`, i)
	}
	return strings.Join(parts, ",")
}

func TestHeaders(t *testing.T) {
	b := newBench(t, "", oneRoute)
	mismatch := func(name, body string, headers ...string) row {
		r := read(name, body, -32020, "7")
		r.reason, r.headers = "header_mismatch", headers
		return r
	}
	version := func(v string) []string { return []string{"Mcp-Protocol-Version", v} }
	with := func(h []string, more ...string) []string { return append(h, more...) }
	now := version("2026-07-28")
	b.run(t, []row{
		mismatch("no version", modern("echo"), "Mcp-Method", "tools/call", "Mcp-Name", "echo"),
		mismatch("other version", modern("echo"), with(version("2025-11-25"), "Mcp-Method", "tools/call", "Mcp-Name", "echo")...),
		mismatch("two versions", modern("echo"), with(now, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo")...),
		mismatch("no method", modern("echo"), with(now, "Mcp-Name", "echo")...),
		mismatch("other method", modern("echo"), with(now, "Mcp-Method", "tools/list", "Mcp-Name", "echo")...),
		mismatch("no name", modern("echo"), with(now, "Mcp-Method", "tools/call")...),
		mismatch("other name", modern("delete"), with(now, "Mcp-Method", "tools/call", "Mcp-Name", "echo")...),
		mismatch("other name in base64", modern("delete"), with(now, "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?ZWNobw==?=")...),
		mismatch("sloppy base64", modern("echo"), with(now, "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?ZWNobx==?=")...),
		mismatch("name in two fields", modern("echo"), with(now, "Mcp-Method", "tools/call", "Mcp-Name", "echo", "Mcp-Name", "delete")...),
		mismatch("underscore", modern("echo"), with(now, "Mcp-Method", "tools/call", "Mcp-Name", "echo", "Mcp_Name", "delete")...),
		mismatch("other name of an older revision", request(`{"name":"delete"}`), with(version("2025-11-25"), "Mcp-Name", "echo")...),
		{
			name: "unsupported version", body: call, headers: version("1999-01-01"), status: 400, code: -32022, id: "7",
			reason: "unsupported_version", event: "INPUT_REJECTED", phase: "decode", guard: "mcp", actor: true,
		},
		{
			name: "GET of the stateless revision", method: "GET", headers: version("2026-07-28"), status: 405, reason: "method_not_allowed",
			event: "INPUT_REJECTED", phase: "decode", guard: "mcp", actor: true, want: map[string]string{"Allow": "POST"},
		},
		{
			name: "DELETE of the stateless revision", method: "DELETE", headers: version("2026-07-28"), status: 405, reason: "method_not_allowed",
			event: "INPUT_REJECTED", phase: "decode", guard: "mcp", actor: true, want: map[string]string{"Allow": "POST"},
		},
	})
}

// sessions answers initialize with a session id and knows no other.
func sessions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Mcp-Session-Id", "upstream-session-1")
	harness.Answer(w, r, `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`)
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

// open begins a session and returns the id that the caller got.
func open(t *testing.T, url, key string) string {
	t.Helper()
	r := harness.Do(t, http.MethodPost, url, []byte(initialize), "X-API-Key", key)
	id := r.Header.Get("Mcp-Session-Id")
	if r.Status != http.StatusOK || id == "" || strings.Contains(id, "upstream") {
		t.Fatalf("initialize: %d, session %q: %s", r.Status, id, r.Body)
	}
	return id
}

func TestSessions(t *testing.T) {
	up := harness.NewUpstream(t, sessions)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty)+route(up, "other", plenty)), up: up}
	id := open(t, b.URL, b.Key)
	elsewhere := open(t, b.Base+"/other", b.Key)
	stranger, _ := b.NewKey("tools:*")
	notFound := func(name, key, session string) row {
		return row{
			name: name, key: key, headers: []string{"Mcp-Session-Id", session}, status: 404, code: -32000, id: "7", public: "Session not found",
			reason: "not_found", event: "UNAUTHORIZED_ACCESS_ATTEMPT", phase: "decode", guard: "mcp", actor: true,
		}
	}
	forged := "A" + id[1:]
	if forged == id {
		forged = "B" + id[1:]
	}
	stream := notFound("stream of a foreign session", stranger, id)
	stream.method, stream.code = "GET", 0
	end := notFound("end of a foreign session", stranger, id)
	end.method, end.code = "DELETE", 0
	two := notFound("two sessions", "", id)
	two.headers = append(two.headers, "Mcp-Session-Id", id)
	two.status, two.code, two.reason, two.event, two.public = 400, codeInvalid, "input_rejected", "INPUT_REJECTED", ""
	b.run(t, []row{
		notFound("session of another principal", stranger, id),
		notFound("session of another route", "", elsewhere),
		notFound("forged session", "", forged),
		notFound("session of the upstream", "", "upstream-session-1"),
		notFound("long session", "", strings.Repeat("A", 2000)),
		stream, end, two,
	})
	r := harness.Do(t, http.MethodPost, b.URL, []byte(call), "X-API-Key", b.Key, "Mcp-Session-Id", id)
	if r.Status != http.StatusOK {
		t.Fatalf("the owner's call: %d %s", r.Status, r.Body)
	}
	seen := up.Seen()
	if last := seen[len(seen)-1]; last.Header.Get("Mcp-Session-Id") != "upstream-session-1" {
		t.Errorf("the upstream got session %q", last.Header.Get("Mcp-Session-Id"))
	}
	if got := r.Header.Get("Mcp-Session-Id"); got != id {
		t.Errorf("the repeated session id is spelled %q, was %q", got, id)
	}
}

// raw sends bytes as they are and returns the answer.
func (b *bench) raw(t *testing.T, head string, body func(net.Conn)) harness.Response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head = "POST /mcp HTTP/1.1\r\nHost: " + strings.TrimPrefix(b.Base, "http://") + "\r\nContent-Type: application/json\r\nX-API-Key: " + b.Key + "\r\n" + head + "\r\n"
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	body(c)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Close {
		resp.Header.Set("Connection", "close")
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
}

// TestSmuggling sends requests whose end two readers find in different places,
// each with a second request where one of them finds the end. One answer comes,
// and the connection ends with it.
func TestSmuggling(t *testing.T) {
	b := newBench(t, "", oneRoute)
	host := strings.TrimPrefix(b.Base, "http://")
	second := "GET /ready HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	message := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(call), call)
	for name, c := range map[string]struct {
		version, framing, body string
		status                 int
	}{
		"length and chunks":           {"1.1", fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked", len(message+second)), message, http.StatusOK},
		"length and no chunks":        {"1.1", fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked", 5+len(second)), "0\r\n\r\n", http.StatusBadRequest},
		"chunks in HTTP/1.0":          {"1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked", "", http.StatusBadRequest},
		"length and chunks, HTTP/1.0": {"1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: " + strconv.Itoa(len(call)), call, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			head := "POST /mcp HTTP/" + c.version + "\r\nHost: " + host + "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Protocol-Version: 2025-11-25\r\nX-API-Key: " + b.Key + "\r\n" + c.framing + "\r\n\r\n"
			if _, err := io.WriteString(conn, head+c.body+second); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status || !resp.Close {
				t.Errorf("status %d, connection closes: %t; want %d, true", resp.StatusCode, resp.Close, c.status)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
			if rest, _ := io.ReadAll(r); len(rest) != 0 {
				t.Errorf("a second request was answered: %q", rest)
			}
		})
	}
}

func TestBodies(t *testing.T) {
	b := newBench(t, `limits.body_timeout = "1s"`, func(up *harness.Upstream) string { return route(up, "mcp", plenty, "limits.bytes = 1024") })
	write := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
			}
		}
	}
	for _, tc := range []struct {
		row
		head string
		body func(net.Conn)
	}{
		{
			row{name: "chunked body over the limit", status: 413, public: "Request body too large"}, "Transfer-Encoding: chunked\r\n",
			write("500\r\n" + strings.Repeat(" ", 0x500) + "\r\n0\r\n\r\n"),
		},
		{row{name: "slow body", status: 408, want: map[string]string{"Connection": "close"}}, "Content-Length: 100\r\n", write(`{"jsonrpc"`)},
		{
			row{name: "body cut by the client", status: 400}, "Content-Length: 100\r\n", func(c net.Conn) {
				write(`{"jsonrpc"`)(c)
				if err := c.(*net.TCPConn).CloseWrite(); err != nil {
					t.Error(err)
				}
			},
		},
		{row{name: "broken chunk", status: 400}, "Transfer-Encoding: chunked\r\n", write("zz\r\n")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := tc.row.complete()
			r.code, r.reason, r.event, r.phase, r.guard, r.actor = -32000, "input_rejected", "INPUT_REJECTED", "decode", "mcp", true
			before := b.refused(t, r)
			resp := b.raw(t, tc.head, tc.body)
			b.answer(t, r, resp)
			b.event(t, r, resp.Header.Get("X-Request-Id"))
			if after := b.refused(t, r); after != before+1 {
				t.Errorf("counted %g times", after-before)
			}
		})
	}
	if n := len(b.up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
	b.noSecrets(t)
}
