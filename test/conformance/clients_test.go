//go:build conformance

package conformance

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// upstreams are the servers that the clients below reach through the gateway.
func upstreams(t *testing.T) map[string]struct{ route, tool, args, want string } {
	t.Helper()
	dir := t.TempDir()
	type up = struct{ route, tool, args, want string }
	return map[string]up{
		"go-sdk http stateless":        {"upstream = \"" + startGoServer(t, true) + "\"", "test_simple_text", `{}`, "simple text"},
		"go-sdk http sessions":         {"upstream = \"" + startGoServer(t, false) + "\"", "test_simple_text", `{}`, "simple text"},
		"server-everything http":       {"upstream = \"" + startTSServer(t, "streamableHttp") + "\"", "echo", `{"message":"hello there"}`, "hello there"},
		"server-everything legacy sse": {"upstream = \"" + startTSServer(t, "sse") + "\"", "echo", `{"message":"hello there"}`, "hello there"},
		"server-everything over stdio": {jsCommand(t, "server-everything", "stdio"), "echo", `{"message":"hello there"}`, "hello there"},
		"server-filesystem over stdio": {jsCommand(t, "server-filesystem", dir), "list_allowed_directories", `{}`, dir},
		"server-memory over stdio":     {jsCommand(t, "server-memory") + "\nenv = { MEMORY_FILE_PATH = \"" + filepath.Join(dir, "memory.json") + "\" }", "create_entities", `{"entities":[{"name":"gate","entityType":"thing","observations":["closed"]}]}`, "gate"},
	}
}

// TestOfficialClients lists and calls tools with the official TypeScript
// clients and the Inspector, in both protocol eras, through the gateway.
func TestOfficialClients(t *testing.T) {
	for name, up := range upstreams(t) {
		t.Run(name, func(t *testing.T) {
			g := startGateway(t, up.route)
			stateful := strings.Contains(name, "http sessions") || name == "server-everything http"
			calls := map[string][]string{
				"typescript v1":      {"client-v1.mjs", g.url, g.key, up.tool, up.args},
				"typescript v2 auto": {"client-v2.mjs", g.url, g.key, up.tool, up.args, "auto"},
			}
			if !stateful { // an HTTP server of sessions only cannot be called without them, gateway or not
				calls["typescript v2 modern"] = []string{"client-v2.mjs", g.url, g.key, up.tool, up.args, "modern"}
			}
			for client, args := range calls {
				t.Run(client, func(t *testing.T) { checkClient(t, up.tool, up.want, args) })
			}
			for _, era := range []string{"legacy", "auto", "modern"} {
				if era == "modern" && stateful {
					continue
				}
				t.Run("inspector "+era, func(t *testing.T) { checkInspector(t, g, era, up.tool) })
			}
		})
	}
}

func checkClient(t *testing.T, tool, want string, args []string) {
	out, err := runTool(t, node(), args...)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tools  []string
		Result json.RawMessage
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("client printed %q: %v", out, err)
	}
	if !slices.Contains(got.Tools, tool) {
		t.Errorf("tools %q lack %q", got.Tools, tool)
	}
	if !strings.Contains(string(got.Result), want) {
		t.Errorf("result %s lacks %q", got.Result, want)
	}
}

func checkInspector(t *testing.T, g gw, era, tool string) {
	out, err := runTool(t, node(), "node_modules/.bin/mcp-inspector", "--cli", g.url, "--transport", "http",
		"--protocol-era", era, "--method", "tools/list", "--header", "X-API-Key: "+g.key)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, fmt.Sprintf("%q", tool)) {
		t.Errorf("inspector lists no %q: %s", tool, tail(out, 1500))
	}
}
