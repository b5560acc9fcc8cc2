package refusals

import (
	"net/http"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// sessionServer names the same session in every reply, ends it for anyone and
// answers on it all the same.
func sessionServer(t *testing.T) *harness.Upstream {
	return harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusOK)
			return
		}
		w.Header().Set("Mcp-Session-Id", "upstream-session")
		harness.Answer(w, r, `{"tools":[],"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`)
	})
}

const begin = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

// TestEndedSession: whatever the upstream thinks of it, a session that its
// owner ended is not found from then on, until the upstream gives its id out
// again.
func TestEndedSession(t *testing.T) {
	up := sessionServer(t)
	g := harness.Start(t, oneRoute(up))
	start := func() string {
		resp := harness.Do(t, http.MethodPost, g.URL, []byte(begin), "X-API-Key", g.Key)
		if id := resp.Header.Get("Mcp-Session-Id"); resp.Status == http.StatusOK && id != "" && id != "upstream-session" {
			return id
		}
		t.Fatalf("initialize: %+v", resp)
		return ""
	}
	use := func(method, body, id string) harness.Response {
		return harness.Do(t, method, g.URL, []byte(body), "X-API-Key", g.Key, "Mcp-Session-Id", id, "Accept", "application/json, text/event-stream")
	}
	const list = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	id := start()
	if resp := use(http.MethodPost, list, id); resp.Status != http.StatusOK || resp.Header.Get("Mcp-Session-Id") != id {
		t.Errorf("open session: %+v, want the caller's own spelling of the id", resp)
	}
	if resp := use(http.MethodDelete, "", id); resp.Status != http.StatusOK {
		t.Errorf("ending: %+v", resp)
	}
	seen := len(up.Seen())
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		body := ""
		if method == http.MethodPost {
			body = list
		}
		if resp := use(method, body, id); resp.Status != http.StatusNotFound {
			t.Errorf("%s on the ended session: %+v", method, resp)
		}
	}
	if n := len(up.Seen()); n != seen {
		t.Errorf("%d requests on the ended session reached the upstream", n-seen)
	}
	if resp := use(http.MethodPost, list, start()); resp.Status != http.StatusOK {
		t.Errorf("session begun again: %+v", resp)
	}
}

// TestNoSessionInTheStatelessRevision: an id that means nothing there is not
// passed on, in either direction.
func TestNoSessionInTheStatelessRevision(t *testing.T) {
	up := sessionServer(t)
	g := harness.Start(t, oneRoute(up))
	const list = `{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	resp := harness.Do(t, http.MethodPost, g.URL, []byte(list), "X-API-Key", g.Key, "Mcp-Session-Id", "mine",
		"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list")
	if resp.Status != http.StatusOK || resp.Header.Get("Mcp-Session-Id") != "" {
		t.Errorf("%+v", resp)
	}
	if seen := up.Seen(); len(seen) != 1 || seen[0].Header.Get("Mcp-Session-Id") != "" {
		t.Errorf("the upstream saw %+v", seen)
	}
}
