package secrets

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// nothing is a recorder that records nothing.
type nothing struct{}

func (nothing) Record(context.Context, *portcullis.Event) error { return nil }

// planted are secrets in every place that takes one. No two share a text.
var planted = map[string]string{
	"bearer from a file":      "CANARY-a1f0-file-bearer",
	"the one it became":       "CANARY-a2f1-file-rotated",
	"environment":             "CANARY-b1e0-env-basic",
	"header":                  "CANARY-c1d0-header",
	"URL":                     "CANARY-d1c0-query",
	"a tool's own":            "CANARY-e1b0-tool",
	"environment of a child":  "CANARY-f1a0-child",
	"token of metrics":        "CANARY-0190-metrics-token",
	"issuer's shared secret":  "CANARY-1280-jwt-secret-of-32-bytes-or-more",
	"webhook":                 "CANARY-2370-webhook-of-32-bytes-or-more",
	"client secret":           "CANARY-3460-client-secret",
	"what no source gives":    "CANARY-4550-written-by-mistake",
	"what a caller sent":      "CANARY-5640-caller",
	"what an upstream echoed": "CANARY-6730-echo",
}

// TestNothingLeaks exercises a gateway, with good calls and bad ones, rotations,
// reloads and failures, and looks for every planted secret, and for the keys it
// made itself, in all that it leaves behind.
func TestNothingLeaks(t *testing.T) {
	dir := t.TempDir()
	bearer, header, tool := secretFile(t, planted["bearer from a file"]), secretFile(t, planted["header"]), secretFile(t, planted["a tool's own"])
	child, query, client := secretFile(t, planted["environment of a child"]), secretFile(t, planted["URL"]), secretFile(t, planted["client secret"])
	t.Setenv("TEST_BASIC", planted["environment"])
	t.Setenv("METRICS_TOKEN", planted["token of metrics"])
	t.Setenv("JWT_SECRET", planted["issuer's shared secret"])
	t.Setenv("HOOK_SECRET", planted["webhook"])
	told := make(chan string, 10)
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/hook":
			text, err := io.ReadAll(r.Body)
			if err != nil {
				text = []byte(err.Error())
			}
			told <- fmt.Sprint(r.Header, string(text))
		case strings.Contains(r.URL.Path, "echo"): // an upstream that throws all it got at whoever asks
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Echo", planted["what an upstream echoed"])
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"token=%s","data":{"authorization":%q}}}`, planted["what an upstream echoed"], r.Header.Get("Authorization"))
		case strings.Contains(r.URL.Path, "broken"):
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, "refused %s %s", r.Header.Get("Authorization"), r.URL)
		case strings.Contains(r.URL.Path, "garbage"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"Authorization": %q`, r.Header.Get("Authorization"))
		default:
			harness.Answer(w, r, `{"content":[]}`)
		}
	})
	env := filepath.Join(dir, "child-environment")
	text := fmt.Sprintf(`
[telemetry]
metrics_token = "${METRICS_TOKEN}"
[identity.api_key.notify]
webhook = "%[1]s/hook"
secret = "${HOOK_SECRET}"
[identity.jwt]
issuer = "https://issuer.example.com/"
secret = "${JWT_SECRET}"
[[route]]
name = "bearer"
path = "/bearer"
auth = ["api_key", "jwt"]
rate = ["100000/1s per key"]
upstream = "%[1]s/mcp"
credential = "secret://file%[2]s"
[[route.credentials]]
tools = ["special"]
secret = "secret://file%[3]s"
[[route]]
name = "basic"
path = "/basic"
upstream = "%[1]s/broken"
[route.credential]
type = "basic"
username = "machine"
secret = "secret://env/TEST_BASIC"
[[route]]
name = "header"
path = "/header"
upstream = "%[1]s/garbage"
[route.credential]
type = "header"
header = "X-API-Key"
secret = "secret://file%[4]s"
[[route]]
name = "query"
path = "/query"
upstream = "http://127.0.0.1:9/mcp"
[route.credential]
type = "query"
parameter = "key"
secret = "secret://file%[5]s"
[[route]]
name = "oauth"
path = "/oauth"
upstream = "%[1]s/mcp"
[route.credential]
type = "oauth"
client_id = "portcullis"
token_url = "%[1]s/broken"
secret = "secret://file%[6]s"
[[route]]
name = "echo"
path = "/echo"
upstream = "%[1]s/echo"
credential = "secret://file%[2]s"
[[route]]
name = "child"
path = "/child"
command = ["sh", "-c", "env > %[7]s.tmp; mv %[7]s.tmp %[7]s; echo \"$TOKEN\" >/dev/null; exit 3"]
env = { TOKEN = "secret://file%[8]s" }
`, up.URL, bearer, tool, header, query, client, env, child)
	g := harness.Start(t, text)
	var replies strings.Builder
	keep := func(r harness.Response) { fmt.Fprintln(&replies, r.Status, r.Header, r.Body) }
	for _, path := range []string{"/bearer", "/basic", "/header", "/query", "/oauth", "/echo", "/child"} {
		keep(call(t, g, path, "x"))
		keep(call(t, g, path, "special"))
		keep(harness.Do(t, http.MethodPost, g.Base+path, []byte(`{"jsonrpc":"2.0","id":1,"method":"`+planted["what a caller sent"]+`"}`), "X-API-Key", g.Key))
		keep(harness.Do(t, http.MethodPost, g.Base+path+"?key="+planted["what a caller sent"], []byte(`{`), "Authorization", "Bearer "+planted["what a caller sent"]))
		keep(harness.Do(t, http.MethodGet, g.Base+path, nil, "X-API-Key", "mcp_"+planted["what a caller sent"]))
	}
	// Nothing starts a child but a session.
	keep(harness.Do(t, http.MethodPost, g.Base+"/child", []byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`), "X-API-Key", g.Key))
	until(t, "the child has run", func() bool { _, err := os.Stat(env); return err == nil })
	key, id := g.NewKey("tools:*")
	keep(harness.Do(t, http.MethodPost, g.Base+"/bearer", []byte(fmt.Sprintf(echo, "x")), "X-API-Key", key))
	replace(t, bearer, planted["the one it became"])
	until(t, "the rotated key is used", func() bool {
		keep(call(t, g, "/bearer", "x"))
		return last(t, up) == "Bearer "+planted["the one it became"]
	})
	g.Reconfigure(strings.Replace(text, `credential = "secret://`, `credential = "`+planted["what no source gives"]+`" # secret://`, 1))
	until(t, "a secret in place of a reference is refused", func() bool { return strings.Contains(g.Log.String(), "not the secret itself") })
	g.Reconfigure(text + "[server.log]\nlevel = \"info\"\n")
	until(t, "a reload was tried", func() bool { return strings.Count(g.Log.String(), "configuration") > 1 })
	if _, err := g.API().RotateKey(t.Context(), id, admin.RotateKey{Reason: "a test"}); err != nil { // tells the webhook
		t.Fatal(err)
	}
	notice := <-told
	metrics := g.Metrics()
	shown, err := g.App.Config()
	if err != nil {
		t.Fatal(err)
	}
	listing := harness.Do(t, http.MethodGet, g.Admin+"/api/v1/keys", nil, "X-API-Key", g.Key)
	g.Stop(10 * time.Second)

	if !strings.Contains(fmt.Sprint(shown), "secret://file"+bearer) {
		t.Error("config show does not show the reference")
	}
	secrets := map[string]string{"first key": g.Key[strings.IndexByte(g.Key, '.')+1:], "made key": key[strings.IndexByte(key, '.')+1:]}
	for name, text := range planted {
		secrets[name] = text
	}
	places := map[string]string{
		"log": g.Log.String(), "notice to a webhook": notice, "replies": replies.String(), "metrics": metrics, "config show": fmt.Sprint(shown), "key list": listing.Body,
		"environment of the gateway": environment(t), "environment of a child": read(t, env),
	}
	err = filepath.WalkDir(g.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			places["data folder: "+d.Name()] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Where a secret belongs: it was set there by hand, or is what the child is for.
	belongs := map[string]string{
		"environment": "environment of the gateway", "token of metrics": "environment of the gateway", "issuer's shared secret": "environment of the gateway",
		"webhook":                "environment of the gateway",
		"environment of a child": "environment of a child",
	}
	for place, text := range places {
		for name, secret := range secrets {
			if belongs[name] != place && strings.Contains(text, secret) {
				at := strings.Index(text, secret)
				t.Errorf("%s: holds %s: …%s…", place, name, text[max(0, at-80):min(len(text), at+60)])
			}
		}
	}
	if !strings.Contains(places["environment of a child"], planted["environment of a child"]) {
		t.Error("the child did not get what it is for: this test proves nothing")
	}
	if len(places) < 10 {
		t.Errorf("only %d places were looked at", len(places))
	}
}

// environment is that of this process, which runs the gateway: as it was given
// and as it is now.
func environment(t *testing.T) string {
	t.Helper()
	text := strings.Join(os.Environ(), "\n")
	if b, err := os.ReadFile("/proc/self/environ"); err == nil {
		text += string(b)
	}
	return text
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
