package chronicle_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
)

func request(t *testing.T, h http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestREST(t *testing.T) {
	h := newSample(t).HTTPHandler()
	var big strings.Builder
	big.WriteString(`{"query":"`)
	big.WriteString(strings.Repeat("a", 70_000))
	big.WriteString(`"}`)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string // prefix of the body
		change             func(*http.Request)
	}{
		{method: "GET", path: "/health", status: 200, want: `{"status":"healthy"}`},
		{method: "GET", path: "/ready", status: 200, want: `{"status":"ready"}`},
		{method: "GET", path: "/api/browsers", status: 200, want: `{"browsers":["chrome"],"default":"chrome"`},
		{method: "GET", path: "/api/bookmarks", status: 200, want: `{"browsers":["chrome"]`},
		{method: "GET", path: "/api/downloads", status: 200, want: `{"browsers":["chrome"]`},
		{method: "POST", path: "/api/search", body: `{"query":"lwn"}`, status: 200, want: `{"results":"- **Welcome to LWN.net**\n  URL: https://lwn.net/\n  Timestamp: `},
		{method: "POST", path: "/api/search", body: `{"query":"lwn","format":"json"}`, status: 200, want: `{"browser":"chrome","results":[{"title":"Welcome to LWN.net"`},
		{method: "POST", path: "/api/search", body: `{"query":"lwn","format_type":"json"}`, status: 200, want: `{"browser":"chrome","results":[`},
		{method: "POST", path: "/api/search", body: `{"query":"lwn","format":"json","format_type":"json"}`, status: 400, want: `{"error":"format, format_type: want one of them"}`},
		{method: "POST", path: "/api/recent", body: ``, status: 200, want: `{"results":"History from last 24 hours:`},
		{method: "POST", path: "/api/count", body: `{"domain":"lwn.net"}`, status: 200, want: `{"domain":"lwn.net","browser":"chrome","count":`},
		{method: "POST", path: "/api/top-domains", body: `{"limit":1}`, status: 200, want: `{"browser":"chrome","domains":[{"domain":"github.com","visits":143}]}`},
		{method: "POST", path: "/api/search-date", body: `{"query":"lwn","start_date":"2026-10-01","end_date":"2026-11-20"}`, status: 200, want: `{"results":"- **Welcome`},
		{method: "POST", path: "/api/domain-search", body: `{"domain":"lwn.net","format":"json"}`, status: 200, want: `{"browser":"chrome","results":[`},
		{method: "POST", path: "/api/stats", body: `{}`, status: 200, want: `{"browser":"chrome","total_entries":147,`},
		{method: "POST", path: "/api/most-visited", body: `{"limit":1}`, status: 200, want: `{"browser":"chrome","pages":[{"title":"Inbox`},
		{method: "POST", path: "/api/export", body: `{"limit":1}`, status: 200, want: "title,url,timestamp\r\nPull request"},
		{method: "POST", path: "/api/export", body: `{"limit":1,"format_type":"json"}`, status: 200, want: `{"browser":"chrome","format":"json","exported_entries":1,"entries":[{`},
		{method: "POST", path: "/api/advanced-search", body: `{"query":"^welcome","use_regex":true}`, status: 200, want: `{"results":"- **Welcome`},
		{method: "POST", path: "/api/bookmarks/query", body: `{"query":"go","format":"json"}`, status: 200, want: `{"browser":"chrome","bookmarks":[{"title":"The Go`},
		{method: "POST", path: "/api/downloads/query", body: `{"limit":1}`, status: 200, want: `{"results":"- **go1.26.8`},

		{method: "POST", path: "/api/search", body: `{}`, status: 400, want: `{"error":"query: missing"}`},
		{method: "POST", path: "/api/search", body: `{"query":"a","confirm":true}`, status: 400, want: `{"error":"unknown argument \"confirm\""}`},
		{method: "POST", path: "/api/search", body: `nonsense`, status: 400, want: `{"error":"arguments: want one JSON object`},
		{method: "POST", path: "/api/search", body: `{"query":"a","browser":"edge"}`, status: 404, want: `{"error":"browser \"edge\": no history found; available: chrome"}`},
		{method: "POST", path: "/api/search", body: big.String(), status: 413, want: `{"error":"body: larger than 64 KiB"}`},
		{method: "POST", path: "/api/search", body: `{"query":"a"}`, status: 415, want: `{"error":"want application/json"}`, change: header("Content-Type", "text/plain")},
		{method: "GET", path: "/api/search", status: 405, want: `{"error":"want POST"}`},
		{method: "POST", path: "/api/browsers", body: `{}`, status: 405, want: `{"error":"want GET"}`},
		{method: "POST", path: "/health", body: `{}`, status: 405, want: `{"error":"want GET"}`},
		{method: "POST", path: "/api/delete", body: `{"query":"a","confirm":true}`, status: 405, want: `{"error":"the history belongs to the browser`},
		{method: "POST", path: "/api/sync", body: `{}`, status: 405, want: `{"error":"the history belongs to the browser`},
		{method: "GET", path: "/api/nothing", status: 404, want: `{"error":"no such route"}`},
		{method: "GET", path: "/api/browsers", status: 403, want: `{"error":"host not allowed"}`, change: host("evil.example:8080")},
		{method: "POST", path: "/mcp", body: `{}`, status: 403, want: `{"error":"host not allowed"}`, change: host("evil.example")},
		{method: "GET", path: "/api/browsers", status: 200, want: `{"browsers"`, change: host("localhost:8080")},
		{method: "GET", path: "/api/browsers", status: 200, want: `{"browsers"`, change: host("[::1]:8080")},
		{method: "POST", path: "/api/search", body: `{"query":"a"}`, status: 403, want: `{"error":"cross-origin request refused"}`, change: header("Origin", "https://evil.example")},
		{method: "POST", path: "/api/search", body: `{"query":"a"}`, status: 403, want: `{"error":"cross-origin request refused"}`, change: header("Sec-Fetch-Site", "cross-site")},
	} {
		var change []func(*http.Request)
		if tt.change != nil {
			change = append(change, tt.change)
		}
		w := request(t, h, tt.method, tt.path, tt.body, change...)
		if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.want) {
			t.Errorf("%s %s %.60s: %d %.200s\nwant %d %s", tt.method, tt.path, tt.body, w.Code, w.Body.String(), tt.status, tt.want)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", tt.method, tt.path, w.Header())
		}
	}
	csv := request(t, h, "POST", "/api/export", `{}`)
	if ct := csv.Header().Get("Content-Type"); ct != "text/csv; charset=utf-8" {
		t.Errorf("content type of CSV: %s", ct)
	}
	allowed := newSample(t, func(c *chronicle.Config) { c.AllowedHosts = []string{"history.internal"} }).HTTPHandler()
	if w := request(t, allowed, "GET", "/api/browsers", "", host("History.internal:443")); w.Code != 200 {
		t.Errorf("allowed host: %d", w.Code)
	}
	if w := request(t, newServer(t, nil).HTTPHandler(), "GET", "/ready", ""); w.Code != 503 {
		t.Errorf("ready without a browser: %d", w.Code)
	}
}

// TestRESTErrorsOfFiles has the statuses that files cause.
func TestRESTErrorsOfFiles(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	reduced := filepath.Join(dir, "reduced")
	db, err := sql.Open("sqlite", "file:"+reduced)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE urls (id INTEGER, url TEXT)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for path, want := range map[string]string{
		text:                          `422 {"error":"history of chrome: the file does not hold the tables a browser has"}`,
		reduced:                       `422 {"error":"history of chrome: the file does not hold the tables a browser has"}`,
		filepath.Join(dir, "missing"): `404 {"error":"history of chrome: no such file on this machine"}`,
	} {
		h := newServer(t, map[string]string{"chrome": path}).HTTPHandler()
		w := request(t, h, "POST", "/api/stats", `{}`)
		if got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String())); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if strings.Contains(w.Body.String(), dir) {
			t.Errorf("a local path is told: %s", w.Body)
		}
	}
	if os.Getuid() == 0 {
		t.Log("root may read everything: the 403 of a forbidden file is tested as another user only")
		return
	}
	if err := os.Chmod(reduced, 0); err != nil {
		t.Fatal(err)
	}
	h := newServer(t, map[string]string{"chrome": reduced}).HTTPHandler()
	if w := request(t, h, "POST", "/api/stats", `{}`); w.Code != 403 {
		t.Errorf("forbidden file: %d %s", w.Code, w.Body)
	}
}

const stdioProfile = "CHRONICLE_TEST_STDIO_PROFILE"

// TestMain serves stdio when a test starts this binary as a server.
func TestMain(m *testing.M) {
	path := os.Getenv(stdioProfile)
	if path == "" {
		os.Exit(m.Run())
	}
	cfg := chronicle.Default()
	cfg.Discover, cfg.Paths, cfg.TempDir = false, map[string]string{"chrome": path}, filepath.Dir(filepath.Dir(path))
	s, err := chronicle.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.RunStdio(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// TestStdioCarriesNothingButTheProtocol runs a real process: first through the
// client, then looking at each byte it writes.
func TestStdioCarriesNothingButTheProtocol(t *testing.T) {
	root := t.TempDir()
	path, err := chronicle.WriteSample(filepath.Join(root, "profile"), sampleTime)
	if err != nil {
		t.Fatal(err)
	}
	command := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), stdioProfile+"="+path)
		return cmd
	}
	exercise(t, connect(t, &mcp.CommandTransport{Command: command()}, "2025-11-25"))

	cmd := command()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(out)
	send := func(msg string) map[string]any {
		if _, err := io.WriteString(in, msg+"\n"); err != nil {
			t.Fatal(err)
		}
		var reply map[string]any
		if err := lines.Decode(&reply); err != nil {
			t.Fatalf("not JSON on stdout: %v", err)
		}
		return reply
	}
	first := send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if first["jsonrpc"] != "2.0" || first["result"] == nil {
		t.Errorf("first reply: %v", first)
	}
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if r := send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"count_visits","arguments":{"domain":"lwn.net"}}}`); r["result"] == nil {
		t.Errorf("second reply: %v", r)
	}
	in.Close()
	rest, err := io.ReadAll(io.MultiReader(lines.Buffered(), out))
	if err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("more on stdout: %q %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
