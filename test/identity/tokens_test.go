package identity

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const echo = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}`

// world is a gateway whose route takes API keys and tokens of an issuer.
type world struct {
	*harness.Gateway
	iss *issuer
	up  *harness.Upstream
}

const routeTOML = `
[identity.oidc]
issuer = "https://login.example.com"
introspection = { client_id = "gateway", client_secret = "gateway-secret" }
[[route]]
name = "files"
path = "/mcp"
upstream = "https://files.example.com/mcp"
auth = ["oidc", "api_key"]
[[route]]
name = "other"
path = "/other"
upstream = "https://files.example.com/mcp"
auth = ["oidc"]
`

func newWorld(t *testing.T, also ...string) *world {
	t.Helper()
	w := &world{iss: newIssuer(t)}
	w.up = harness.NewUpstream(t, func(rw http.ResponseWriter, r *http.Request) {
		harness.Answer(rw, r, `{"content":[{"type":"text","text":"hello"}]}`)
	})
	w.Gateway = harness.Start(t, w.iss.inside(strings.Join(also, "")+routeTOML, w.up.URL+"/mcp"))
	return w
}

func (w *world) post(t *testing.T, path, body string, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, w.Base+path, []byte(body), append(headers, "MCP-Protocol-Version", "2025-06-18")...)
}

func TestAccessTokens(t *testing.T) {
	w := newWorld(t)
	metadata := `resource_metadata="` + w.Base + `/.well-known/oauth-protected-resource/mcp"`

	r := w.post(t, "/mcp", echo)
	if c := r.Header.Get("WWW-Authenticate"); r.Status != http.StatusUnauthorized || !strings.Contains(c, metadata) || !strings.Contains(c, `scope="tools:* prompts:* resources:*"`) {
		t.Errorf("without a credential: %d, %q", r.Status, c)
	}
	token := w.iss.token(map[string]any{"aud": w.URL, "scope": "tools:echo", "sub": "alice"})
	r = w.post(t, "/mcp", echo, "Authorization", "Bearer "+token)
	if r.Status != http.StatusOK || !strings.Contains(r.Body, "hello") {
		t.Fatalf("with a token: %d %s", r.Status, r.Body)
	}
	w.event(t, r, "AUTH_SUCCESS", "oidc|alice", "oidc")
	for _, seen := range w.up.Seen() {
		for name, values := range seen.Header {
			if v := strings.Join(values, " "); strings.Contains(v, token[:30]) || name == "Authorization" || name == "Dpop" {
				t.Errorf("the upstream got %s", name)
			}
		}
	}
	for i, jws := 0, strings.Split(token, "."); i < 3; i++ {
		if strings.Contains(w.Log.String(), jws[i]) {
			t.Error("a part of the token is in the log")
		}
	}
	if r = w.post(t, "/other", echo, "Authorization", "Bearer "+token); r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "Invalid token") {
		t.Errorf("a token for another route: %d %s", r.Status, r.Body)
	}
	w.event(t, r, "AUTH_FAILURE", "oidc|alice", "oidc")
	if c := r.Header.Get("WWW-Authenticate"); !strings.Contains(c, `error="invalid_token"`) || !strings.Contains(c, "oauth-protected-resource/other") {
		t.Errorf("challenge %q", c)
	}
	r = w.post(t, "/mcp", strings.Replace(echo, "echo", "delete", 1), "Authorization", "Bearer "+token)
	if c := r.Header.Get("WWW-Authenticate"); r.Status != http.StatusForbidden || !strings.Contains(c, `error="insufficient_scope"`) || !strings.Contains(c, metadata) || !strings.Contains(c, `scope="tools:delete"`) {
		t.Errorf("without the scope: %d, %q", r.Status, c)
	}
	w.event(t, r, "AUTHZ_DENIED", "oidc|alice", "oidc")

	w.iss.makeOpaque("opaque-token", map[string]any{"aud": w.URL, "scope": "tools:*"})
	if r = w.post(t, "/mcp", echo, "Authorization", "Bearer opaque-token"); r.Status != http.StatusOK {
		t.Errorf("an opaque token: %d %s", r.Status, r.Body)
	}
	w.iss.makeOpaque(w.Key, map[string]any{"aud": w.Base + "/other", "scope": "tools:*"}) // as if the issuer vouched for it
	if r = w.post(t, "/other", echo, "Authorization", "Bearer "+w.Key); r.Status != http.StatusUnauthorized {
		t.Errorf("the issuer was asked about an API key: %d", r.Status)
	}
	if r = w.post(t, "/mcp", echo, "X-API-Key", w.Key); r.Status != http.StatusOK {
		t.Errorf("an API key: %d %s", r.Status, r.Body)
	}
	if r = w.post(t, "/mcp", echo, "Authorization", "Bearer "+w.Key); r.Status != http.StatusOK {
		t.Errorf("an API key as bearer: %d %s", r.Status, r.Body)
	}
}

// event checks that the call of a reply left an event of a type, by a
// principal.
func (w *world) event(t *testing.T, r harness.Response, kind, id, method string) {
	t.Helper()
	for _, e := range w.EventsOf(r.Header.Get("X-Request-Id")) {
		got := func(name string) string { s, _ := e.Actor[name].(string); return s }
		if e.Type == kind && got("id") == id && got("method") == method {
			return
		}
	}
	t.Errorf("no %s by %q (%s): %+v", kind, id, method, w.EventsOf(r.Header.Get("X-Request-Id")))
}

// TestOneCredential sends two at a time, in every order and on routes with
// every order of methods.
func TestOneCredential(t *testing.T) {
	w := newWorld(t)
	token := "Bearer " + w.iss.token(map[string]any{"aud": []string{w.URL, w.Base + "/other"}, "scope": "tools:*"})
	for _, path := range []string{"/mcp", "/other"} {
		for _, headers := range [][]string{
			{"Authorization", token, "X-API-Key", w.Key}, {"X-API-Key", w.Key, "Authorization", token},
			{"Authorization", token, "X-API-Key", ""}, {"Authorization", token, "Authorization", token},
			{"Authorization", token, "Authorization", "Basic YTpi"}, {"X-API-Key", w.Key, "Authorization", "Basic YTpi"},
			{"X-API-Key", w.Key, "X-API-Key", w.Key},
		} {
			r := w.post(t, path, echo, headers...)
			if r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), `error="invalid_request"`) {
				t.Errorf("%s %v: %d %s", path, headers[0], r.Status, r.Header.Get("WWW-Authenticate"))
			}
		}
	}
	if n := len(w.up.Seen()); n != 0 {
		t.Errorf("%d calls reached the upstream", n)
	}
}

func TestResourceMetadata(t *testing.T) {
	w := newWorld(t)
	for path, resource := range map[string]string{"": w.URL, "/mcp": w.URL, "/other": w.Base + "/other"} {
		r := harness.Do(t, http.MethodGet, w.Base+"/.well-known/oauth-protected-resource"+path, nil)
		var doc struct {
			Resource string   `json:"resource"`
			Issuers  []string `json:"authorization_servers"`
			Methods  []string `json:"bearer_methods_supported"`
		}
		if err := json.Unmarshal([]byte(r.Body), &doc); err != nil || r.Status != http.StatusOK || doc.Resource != resource ||
			len(doc.Issuers) != 1 || doc.Issuers[0] != w.iss.URL || len(doc.Methods) != 1 || doc.Methods[0] != "header" {
			t.Errorf("%q: %d %s", path, r.Status, r.Body)
		}
		if r.Header.Get("Cache-Control") != "public, max-age=3600" || r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: %v", path, r.Header)
		}
	}
	at := w.Base + "/.well-known/oauth-protected-resource/mcp"
	if r := harness.Do(t, http.MethodPost, at, nil); r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") == "" {
		t.Errorf("POST: %d", r.Status)
	}
	if r := harness.Do(t, http.MethodOptions, at, nil); r.Status != http.StatusNoContent {
		t.Errorf("OPTIONS: %d", r.Status)
	}
	if r := harness.Do(t, http.MethodHead, at, nil); r.Status != http.StatusOK || r.Body != "" {
		t.Errorf("HEAD: %d %q", r.Status, r.Body)
	}
	if r := harness.Do(t, http.MethodGet, w.Base+"/.well-known/oauth-protected-resource/nothing", nil); r.Status != http.StatusNotFound {
		t.Errorf("no such route: %d", r.Status)
	}
}

// TestExamples runs the shell examples of docs/identity.md against a gateway
// with the configuration that stands there.
func TestExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	page, _, _ := strings.Cut(string(text), everyMethod)
	var blocks []string // language and content of each
	for i, part := range strings.Split(page, "```") {
		if i%2 == 1 {
			blocks = append(blocks, part)
		}
	}
	w := newWorld(t)
	for _, b := range blocks {
		if body, ok := strings.CutPrefix(b, "toml\n"); ok && strings.Contains(body, "issuer") {
			_, _, err := config.Parse("example.toml", []byte(body), func(string) (string, bool) { return "value", true })
			if err != nil {
				t.Errorf("%v in\n%s", err, body)
			}
		}
	}
	ran := 0
	for i, b := range blocks {
		script, ok := strings.CutPrefix(b, "sh\n")
		if !ok {
			continue
		}
		want, ok := strings.CutPrefix(blocks[i+1], "output\n")
		if !ok {
			t.Fatalf("no output follows\n%s", script)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
		cmd.Env = append(os.Environ(), "MCP_URL="+w.URL, "GATEWAY="+w.Base, "ISSUER="+w.iss.URL, "API_KEY="+w.Key)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, script)
		}
		for line := range strings.Lines(want) {
			if !strings.Contains(string(out), strings.TrimRight(line, "\n")) {
				t.Errorf("printed\n%s\nwithout %q:\n%s", out, line, script)
			}
		}
		ran++
	}
	if ran < 6 {
		t.Errorf("%d examples ran", ran)
	}
}
