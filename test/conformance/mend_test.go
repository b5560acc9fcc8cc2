//go:build conformance

package conformance

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const initializeBody = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"check","version":"1"}}}`

// send makes one request, with host as its Host unless empty, and returns the
// status and the session it got.
func send(t *testing.T, method, url, host, body string, header ...string) (status int, session string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Accept", "application/json, text/event-stream")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Mcp-Session-Id")
}

// TestMendedServer shows what the gateway puts right of server-everything: it
// answers a forged Host or Origin, and 400 instead of 404 on a session that has
// ended. Over stdio, where these are the gateway's own, they are right too.
func TestMendedServer(t *testing.T) {
	url := startTSServer(t, "streamableHttp")
	overHTTP, overStdio := startGateway(t, "upstream = \""+url+"\""), startGateway(t, jsCommand(t, "server-everything", "stdio"))
	for name, tc := range map[string]struct {
		url, key             string
		host, origin, ending int
	}{
		"directly":           {url, "", http.StatusOK, http.StatusOK, http.StatusBadRequest},
		"through over http":  {overHTTP.url, overHTTP.key, http.StatusForbidden, http.StatusForbidden, http.StatusNotFound},
		"through over stdio": {overStdio.url, overStdio.key, http.StatusForbidden, http.StatusForbidden, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var key []string
			if tc.key != "" {
				key = []string{"X-API-Key", tc.key}
			}
			if status, _ := send(t, "POST", tc.url, "evil.example", initializeBody, key...); status != tc.host {
				t.Errorf("forged Host: status %d, want %d", status, tc.host)
			}
			if status, _ := send(t, "POST", tc.url, "", initializeBody, append(key, "Origin", "https://evil.example")...); status != tc.origin {
				t.Errorf("forged Origin: status %d, want %d", status, tc.origin)
			}
			status, session := send(t, "POST", tc.url, "", initializeBody, key...)
			if status != http.StatusOK || session == "" {
				t.Fatalf("initialize: status %d, session %q", status, session)
			}
			in := append(key, "Mcp-Session-Id", session, "Mcp-Protocol-Version", "2025-11-25")
			if status, _ := send(t, "POST", tc.url, "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, in...); status != http.StatusAccepted {
				t.Errorf("initialized: status %d", status)
			}
			if status, _ := send(t, "POST", tc.url, "", `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, in...); status != http.StatusOK {
				t.Errorf("open session: status %d", status)
			}
			if status, _ := send(t, "DELETE", tc.url, "", "", in...); status/100 != 2 {
				t.Errorf("ending the session: status %d", status)
			}
			for _, method := range []string{"POST", "GET", "DELETE"} {
				body := ""
				if method == "POST" {
					body = `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`
				}
				if status, _ := send(t, method, tc.url, "", body, in...); status != tc.ending {
					t.Errorf("%s on the ended session: status %d, want %d", method, status, tc.ending)
				}
			}
		})
	}
}
