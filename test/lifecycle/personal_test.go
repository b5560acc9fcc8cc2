package lifecycle

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestPersonalDataIsSealed: no file of the audit folder says who called, but
// for addresses in security.log; whoever has the keys reads all of it.
func TestPersonalDataIsSealed(t *testing.T) {
	g := harness.Start(t, route(harness.NewUpstream(t, http.NotFound)))
	const agent = "agent-of-a-person/7.1"
	ask := func(key string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("User-Agent", agent)
		req.Header.Set("X-API-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	key, id := g.NewKey("tools:*")
	ask(key)
	if got := ask("mcp_" + strings.Repeat("0", 32) + "." + strings.Repeat("a", 43)); got != http.StatusUnauthorized {
		t.Fatalf("a wrong key: %d", got)
	}
	g.Stop(10 * time.Second)

	who := "key:" + id
	seen := map[string]bool{}
	for _, e := range g.Events() {
		if e.Actor["user_agent"] == agent {
			seen[e.Type] = true
			if e.Actor["ip"] != "127.0.0.1" {
				t.Errorf("opened: %v", e.Actor)
			}
		}
		if e.Actor["id"] == who {
			seen[who] = true
		}
	}
	if !seen[who] || !seen["INVALID_API_KEY"] && !seen["AUTH_FAILURE"] {
		t.Errorf("events that open: %v", seen)
	}
	err := filepath.WalkDir(filepath.Join(g.DataDir, "audit"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, personal := range []string{agent, `"` + who + `"`, "127.0.0.1"} {
			if personal == "127.0.0.1" && d.Name() == "security.log" {
				continue
			}
			if bytes.Contains(text, []byte(personal)) {
				t.Errorf("%s has %q", d.Name(), personal)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
