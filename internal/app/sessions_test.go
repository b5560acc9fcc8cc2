package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/cli"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// asProgram makes the test binary the program itself.
const asProgram = "PORTCULLIS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Run(context.Background(), "test", os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

const sessionTOML = `
[identity.session]
enabled = true
[[route]]
name = "files"
path = "/mcp"
upstream = "UPSTREAM"
auth = ["jwt"]
[[route]]
name = "keys"
path = "/keys"
upstream = "UPSTREAM"
`

const echoCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}`

func startSessions(t *testing.T) *harness.Gateway {
	t.Helper()
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"content":[{"type":"text","text":"hello"}]}`)
	})
	return harness.Start(t, strings.ReplaceAll(sessionTOML, "UPSTREAM", up.URL+"/mcp"))
}

func login(t *testing.T, g *harness.Gateway) token.Grant {
	t.Helper()
	made, err := g.App.Tokens().Open(t.Context(), token.Login{Subject: "alice", Method: "jwt", Scopes: []string{"tools:*"}, By: portcullis.Actor{ID: "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func call(t *testing.T, g *harness.Gateway, path, bearer string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.Base+path, []byte(echoCall), "Authorization", "Bearer "+bearer, "MCP-Protocol-Version", "2025-06-18")
}

func post(t *testing.T, g *harness.Gateway, path string, form url.Values) harness.Response {
	t.Helper()
	resp, err := http.PostForm(g.Base+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}
}

func event(t *testing.T, g *harness.Gateway, r harness.Response, kind string) {
	t.Helper()
	for _, e := range g.EventsOf(r.Header.Get("X-Request-Id")) {
		if e.Type == kind {
			return
		}
	}
	t.Errorf("no %s: %+v", kind, g.EventsOf(r.Header.Get("X-Request-Id")))
}

// TestSessionOverHTTP is the life of a session as its holder sees it.
func TestSessionOverHTTP(t *testing.T) {
	g := startSessions(t)
	first := login(t, g)
	r := call(t, g, "/mcp", first.AccessToken)
	if r.Status != http.StatusOK || !strings.Contains(r.Body, "hello") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	event(t, g, r, "AUTH_SUCCESS")
	if r := call(t, g, "/keys", first.AccessToken); r.Status != http.StatusUnauthorized {
		t.Errorf("a route without the method: %d", r.Status)
	}
	for _, wrong := range []string{first.RefreshToken, first.AccessToken[:len(first.AccessToken)-4], "x"} {
		r := call(t, g, "/mcp", wrong)
		if r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "Invalid token") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		event(t, g, r, "AUTH_FAILURE")
	}
	r = post(t, g, "/auth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}})
	var next struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(r.Body), &next); err != nil || r.Status != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s %v", r.Status, r.Body, r.Header)
	}
	if r := call(t, g, "/mcp", next.Access); r.Status != http.StatusOK {
		t.Errorf("the next token: %d", r.Status)
	}
	r = post(t, g, "/auth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}})
	if r.Status != http.StatusBadRequest || strings.TrimSpace(r.Body) != `{"error":"invalid_grant"}` {
		t.Errorf("reuse: %d %s", r.Status, r.Body)
	}
	if r := call(t, g, "/mcp", next.Access); r.Status != http.StatusUnauthorized {
		t.Errorf("after reuse: %d", r.Status)
	}
	second := login(t, g)
	for range 2 {
		if r := post(t, g, "/auth/revoke", url.Values{"token": {second.RefreshToken}, "token_type_hint": {"access_token"}}); r.Status != http.StatusOK {
			t.Errorf("revoke: %d %s", r.Status, r.Body)
		}
	}
	if r := call(t, g, "/mcp", second.AccessToken); r.Status != http.StatusUnauthorized {
		t.Errorf("after it was given up: %d", r.Status)
	}
	if r := harness.Do(t, http.MethodGet, g.Base+"/auth/token", nil); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.Status)
	}
	for _, secret := range []string{first.AccessToken, first.RefreshToken, next.Access, next.Refresh, second.RefreshToken} {
		parts := strings.Split(secret, ".")
		if strings.Contains(g.Log.String(), parts[len(parts)-1]) {
			t.Error("a token is in the log")
		}
	}
	g.Stop(5 * time.Second)
	if err := filepath.WalkDir(g.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, secret := range []string{first.AccessToken, first.RefreshToken, next.Access, next.Refresh} {
			parts := strings.Split(secret, ".")
			if strings.Contains(string(b), parts[len(parts)-1]) {
				t.Errorf("a token is in %s", filepath.Base(path))
			}
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestSessionsOff: without sessions there are neither endpoints nor keys.
func TestSessionsOff(t *testing.T) {
	g := harness.Start(t, "[[route]]\nname = \"keys\"\npath = \"/keys\"\nupstream = \"http://127.0.0.1:9/mcp\"\n")
	for _, path := range []string{"/auth/token", "/auth/revoke", "/.well-known/jwks.json"} {
		if r := post(t, g, path, url.Values{"token": {"x"}}); r.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.Status)
		}
	}
	if _, err := g.App.Tokens().Open(t.Context(), token.Login{Subject: "alice", Method: "jwt", Scopes: []string{"tools:*"}}); err == nil {
		t.Error("a session was opened")
	}
}

// TestSessionExamples runs the shell examples of docs/sessions.md.
func TestSessionExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	g := startSessions(t)
	one, two := login(t, g), login(t, g)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := "#!/bin/sh\n" + asProgram + "=1 exec '" + self + "' \"$@\" --config '" + g.Config + "' --data '" + g.DataDir + "'\n"
	if err := os.WriteFile(filepath.Join(dir, "portcullis"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```")
	ran := 0
	for i := 1; i < len(blocks); i += 2 {
		script, ok := strings.CutPrefix(blocks[i], "sh\n")
		if !ok {
			continue
		}
		want, ok := strings.CutPrefix(blocks[i+2], "output\n")
		if !ok {
			t.Fatalf("no output follows\n%s", script)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-c", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "MCP_URL="+g.URL, "GATEWAY="+g.Base,
			"ACCESS_TOKEN="+one.AccessToken, "REFRESH_TOKEN="+two.RefreshToken)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, script)
		}
		rest := string(out)
		for line := range strings.Lines(want) {
			_, after, found := strings.Cut(rest, strings.TrimRight(line, "\n"))
			if !found {
				t.Errorf("printed\n%s\nwithout %q:\n%s", out, line, script)
				break
			}
			rest = after
		}
		ran++
	}
	if ran < 7 {
		t.Errorf("%d examples ran", ran)
	}
}
