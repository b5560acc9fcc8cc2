//go:build conformance

package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// upstream is a server that clients reach through the gateway, and a call of
// which the answer is known. CLIENT in args and want stands for who calls.
type upstream struct {
	name, route      string
	tool, args, want string
	sessionsOnly     bool // cannot be called without a session, gateway or not
}

func (up upstream) as(client string) upstream {
	up.args, up.want = strings.ReplaceAll(up.args, "CLIENT", client), strings.ReplaceAll(up.want, "CLIENT", client)
	return up
}

const (
	echoArgs   = `{"message":"hello CLIENT"}`
	echoWant   = "hello CLIENT"
	entityArgs = `{"entities":[{"name":"gate of CLIENT","entityType":"thing","observations":["closed"]}]}`
	entityWant = "gate of CLIENT"
)

// upstreams starts those that are not started by the gateway itself. The
// servers on stdio keep their files in dir.
func upstreams(t *testing.T, dir string) []upstream {
	t.Helper()
	url := func(u string) string { return "upstream = \"" + u + "\"" }
	memory := jsCommand(t, "server-memory") + "\nenv = { MEMORY_FILE_PATH = \"" + filepath.Join(dir, "memory.json") + "\" }"
	return []upstream{
		{name: "go-sdk over http, stateless", route: url(startGoServer(t, true)), tool: "test_simple_text", args: `{}`, want: "simple text"},
		{name: "go-sdk over http, sessions", route: url(startGoServer(t, false)), tool: "test_simple_text", args: `{}`, want: "simple text", sessionsOnly: true},
		{name: "go-sdk over stdio", route: goCommand(t), tool: "test_simple_text", args: `{}`, want: "simple text"},
		{name: "server-everything over http", route: url(startTSServer(t, "streamableHttp")), tool: "echo", args: echoArgs, want: echoWant, sessionsOnly: true},
		{name: "server-everything over legacy sse", route: url(startTSServer(t, "sse")), tool: "echo", args: echoArgs, want: echoWant},
		{name: "server-everything over stdio", route: jsCommand(t, "server-everything", "stdio"), tool: "echo", args: echoArgs, want: echoWant},
		{name: "server-filesystem over stdio", route: jsCommand(t, "server-filesystem", dir), tool: "list_allowed_directories", args: `{}`, want: dir},
		{name: "server-memory over stdio", route: memory, tool: "create_entities", args: entityArgs, want: entityWant},
	}
}

// client is an official client that lists the tools and calls one.
type client struct {
	name   string
	modern bool // insists on 2026-07-28
	check  func(*testing.T, gw, upstream)
}

func clients() []client {
	ts := func(script, mode string) func(*testing.T, gw, upstream) {
		return func(t *testing.T, g gw, up upstream) {
			checkTypeScript(t, up, script, g.url, g.key, up.tool, up.args, mode)
		}
	}
	inspector := func(era string) func(*testing.T, gw, upstream) {
		return func(t *testing.T, g gw, up upstream) { checkInspector(t, g, era, up) }
	}
	goSDK := func(version string) func(*testing.T, gw, upstream) {
		return func(t *testing.T, g gw, up upstream) { checkGo(t, g, version, up) }
	}
	return []client{
		{"typescript v1", false, ts("client-v1.mjs", "")},
		{"typescript v2 auto", false, ts("client-v2.mjs", "auto")},
		{"typescript v2 modern", true, ts("client-v2.mjs", "modern")},
		{"inspector legacy", false, inspector("legacy")},
		{"inspector auto", false, inspector("auto")},
		{"inspector modern", true, inspector("modern")},
		{"go 2025-06-18", false, goSDK("2025-06-18")},
		{"go 2025-11-25", false, goSDK("2025-11-25")},
		{"go 2026-07-28", true, goSDK("2026-07-28")},
	}
}

// TestOfficialClients lists and calls tools with the official clients, in both
// protocol eras, through the gateway, whatever transport the server speaks.
func TestOfficialClients(t *testing.T) {
	dir := t.TempDir()
	for _, up := range upstreams(t, dir) {
		t.Run(up.name, func(t *testing.T) {
			t.Parallel()
			g := startGateway(t, up.route)
			for _, c := range clients() {
				if c.modern && up.sessionsOnly {
					continue
				}
				t.Run(c.name, func(t *testing.T) { c.check(t, g, up.as(c.name)) })
				if up.want == entityWant { // the server over stdio really did it
					b, err := os.ReadFile(filepath.Join(dir, "memory.json"))
					if err != nil || !strings.Contains(string(b), up.as(c.name).want) {
						t.Errorf("no entity of %s in the server's file (%v)", c.name, err)
					}
				}
			}
		})
	}
}

// checkAnswer looks at what a client printed of tools/list and tools/call.
func checkAnswer(t *testing.T, up upstream, tools []string, result string) {
	t.Helper()
	if !slices.Contains(tools, up.tool) {
		t.Errorf("tools %q lack %q", tools, up.tool)
	}
	if !strings.Contains(result, up.want) {
		t.Errorf("result %s lacks %q", tail(result, 1500), up.want)
	}
}

func checkTypeScript(t *testing.T, up upstream, args ...string) {
	out, err := runTool(t, nil, node(), args...)
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
	checkAnswer(t, up, got.Tools, string(got.Result))
}

// inspect runs the Inspector's command line.
func inspect(t *testing.T, g gw, args ...string) string {
	t.Helper()
	args = append([]string{"node_modules/.bin/mcp-inspector", "--cli", g.url, "--transport", "http", "--header", "X-API-Key: " + g.key}, args...)
	out, err := runTool(t, nil, node(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func checkInspector(t *testing.T, g gw, era string, up upstream) {
	var list struct {
		Tools []struct{ Name string }
	}
	out := inspect(t, g, "--protocol-era", era, "--method", "tools/list")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("inspector printed %q: %v", out, err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	checkAnswer(t, up, names, inspect(t, g, "--protocol-era", era, "--method", "tools/call", "--tool-name", up.tool, "--tool-args-json", up.args))
}

// keyed adds the gateway's key to requests.
type keyed struct{ key string }

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-API-Key", k.key)
	return http.DefaultTransport.RoundTrip(r)
}

func checkGo(t *testing.T, g gw, version string, up upstream) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := mcp.NewClient(&mcp.Implementation{Name: "check", Version: "1"}, nil)
	s, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: g.url, HTTPClient: &http.Client{Transport: keyed{g.key}}},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}()
	if got := s.InitializeResult().ProtocolVersion; got != version {
		t.Errorf("speaks %s, want %s", got, version)
	}
	var names []string
	for tool, err := range s.Tools(ctx, nil) {
		if err != nil {
			t.Fatalf("listing: %v", err)
		}
		names = append(names, tool.Name)
	}
	result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: up.tool, Arguments: json.RawMessage(up.args)})
	if err != nil {
		t.Fatalf("calling: %v", err)
	}
	b, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, up, names, string(b))
	// Some servers answer an unknown tool with an error, some with a result.
	if result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "no such tool"}); err == nil && !result.IsError {
		t.Errorf("an unknown tool answers %+v", result)
	}
}

// TestLoad: the Inspector's load test is answered call by call.
func TestLoad(t *testing.T) {
	for _, up := range []upstream{
		{name: "over http", route: "upstream = \"" + startGoServer(t, true) + "\"", tool: "test_simple_text"},
		{name: "over stdio", route: goCommand(t), tool: "test_simple_text"},
	} {
		for _, era := range []string{"legacy", "modern"} {
			t.Run(up.name+"/"+era, func(t *testing.T) {
				t.Parallel()
				out := inspect(t, startGateway(t, up.route), "--protocol-era", era, "--method", "tools/call", "--tool-name", up.tool,
					"--load", "--load-requests", "200", "--load-concurrency", "4")
				var got struct {
					Requests, Errors, ToolErrors int
					ErrorMessages                []any
				}
				if err := json.Unmarshal([]byte(out), &got); err != nil {
					t.Fatalf("inspector printed %q: %v", out, err)
				}
				if got.Requests != 200 || got.Errors != 0 || got.ToolErrors != 0 {
					t.Errorf("not all of 200 requests were answered: %s", out)
				}
			})
		}
	}
}
