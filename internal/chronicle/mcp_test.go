package chronicle_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
)

// toolCalls has a call for each tool of R1-1.
func toolCalls() map[string]map[string]any {
	return map[string]map[string]any{
		"list_available_browsers": {}, "search_history": {"query": "go"}, "get_recent_history": {"hours": 48},
		"count_visits": {"domain": "github.com"}, "list_top_domains": {},
		"search_history_by_date":  {"query": "e", "start_date": "2026-11-01", "end_date": "2026-11-20"},
		"search_by_domain":        {"domain": "example.com", "exclude_domains": []string{"docs.example.com"}},
		"get_browser_stats":       {},
		"get_most_visited_pages":  {},
		"export_history":          {"format_type": "json", "limit": 10},
		"search_history_advanced": {"query": "portculis", "use_fuzzy": true}, "list_available_bookmarks": {},
		"list_available_downloads": {}, "get_bookmarks": {"query": "go"}, "get_downloads": {},
	}
}

// exercise lists and calls everything through an official client.
func exercise(t *testing.T, session *mcp.ClientSession) {
	t.Helper()
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	calls := toolCalls()
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
		a := tool.Annotations
		if a == nil || !a.ReadOnlyHint || a.OpenWorldHint == nil || *a.OpenWorldHint || !strings.Contains(tool.Description, "untrusted") {
			t.Errorf("%s: annotations %+v, %q", tool.Name, a, tool.Description)
		}
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool.Name, Arguments: calls[tool.Name]})
		if err != nil || res.IsError {
			t.Errorf("%s: %v %+v", tool.Name, err, res)
			continue
		}
		if text, ok := res.Content[0].(*mcp.TextContent); !ok || text.Text == "" {
			t.Errorf("%s: no text", tool.Name)
		}
		if trust, ok := res.Meta["portcullis.dev/trust"].(string); !ok || !strings.Contains(trust, "untrusted") {
			t.Errorf("%s: _meta %v", tool.Name, res.Meta)
		}
		conforms(t, tool.Name+" input", tool.InputSchema, calls[tool.Name])
		conforms(t, tool.Name+" output", tool.OutputSchema, res.StructuredContent)
	}
	slices.Sort(names)
	want := make([]string, 0, len(calls))
	for name := range calls {
		want = append(want, name)
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("tools %q, want %q", names, want)
	}
	res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "search_history", Arguments: map[string]any{"query": "a", "limit": 101}})
	if err != nil || !res.IsError || res.Content[0].(*mcp.TextContent).Text != "Error: limit: 101: want 1 to 100" {
		t.Errorf("bad argument: %v %+v", err, res)
	}
	for _, gone := range []string{"delete_history", "sync_history"} {
		if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: gone}); err == nil {
			t.Errorf("%s exists", gone)
		}
	}
}

// conforms checks a value against a schema with a validator that is not the
// SDK's.
func conforms(t *testing.T, what string, schema, value any) {
	t.Helper()
	plain := func(v any) any {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", plain(schema)); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := compiled.Validate(plain(value)); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func connect(t *testing.T, transport mcp.Transport, version string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatalf("connecting with %s: %v", version, err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// eras are the protocol revisions: stateless, and with sessions.
func eras() []string { return []string{"2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"} }

func TestMCPOverPipes(t *testing.T) {
	for _, version := range eras() {
		t.Run(version, func(t *testing.T) {
			s := newSample(t)
			clientIn, serverOut := io.Pipe()
			serverIn, clientOut := io.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.MCP().Run(ctx, &mcp.IOTransport{Reader: serverIn, Writer: serverOut}) }()
			session := connect(t, &mcp.IOTransport{Reader: clientIn, Writer: clientOut}, version)
			exercise(t, session)
			session.Close()
			cancel()
			<-done
		})
	}
}

func TestMCPOverHTTP(t *testing.T) {
	for _, version := range eras() {
		t.Run(version, func(t *testing.T) {
			server := httptest.NewServer(newSample(t).HTTPHandler())
			t.Cleanup(server.Close)
			exercise(t, connect(t, &mcp.StreamableClientTransport{Endpoint: server.URL + "/mcp", DisableStandaloneSSE: true}, version))
		})
	}
}

func TestMCPOverHTTPNeedsTheToken(t *testing.T) {
	server := httptest.NewServer(newSample(t, func(c *chronicle.Config) { c.Token = "right" }).HTTPHandler())
	t.Cleanup(server.Close)
	for token, want := range map[string]int{"": 401, "Bearer wrong": 401, "right": 401, "Bearer right": 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/browsers", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Authorization %q: %d, want %d", token, res.StatusCode, want)
		}
	}
}
