package secrets

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis/test/harness"
)

const echo = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":{}}}`

func call(t *testing.T, g *harness.Gateway, path, tool string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.Base+path, []byte(fmt.Sprintf(echo, tool)), "X-API-Key", g.Key, "MCP-Protocol-Version", "2025-06-18")
}

// secretFile writes a secret as a mounted file.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	replace(t, path, text)
	return path
}

// replace swaps a file as rotations do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".next", []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}

// until looks until a condition holds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// TestRealServer: an MCP server of the official SDK gets the injected key, and
// nothing of the caller's.
func TestRealServer(t *testing.T) {
	t.Parallel()
	server := mcp.NewServer(&mcp.Implementation{Name: "real", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet", Description: "greets"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello"}}}, nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
	var mu sync.Mutex
	var all []string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		for name, values := range r.Header {
			all = append(all, name+": "+strings.Join(values, ", "))
		}
		mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer upstream-key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer up.Close()
	path := secretFile(t, "upstream-key")
	g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"r\"\npath = \"/mcp\"\nupstream = %q\ncredential = \"secret://file%s\"\n", up.URL, path))
	r := harness.Do(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(echo, "greet")), "Authorization", "Bearer "+g.Key, "MCP-Protocol-Version", "2025-06-18", "Cookie", "caller=1", "Proxy-Authorization", "Basic caller")
	if r.Status != http.StatusOK || !strings.Contains(r.Body, "hello") {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	mu.Lock()
	defer mu.Unlock()
	seen := strings.Join(all, "\n")
	secret := g.Key[strings.IndexByte(g.Key, '.')+1:]
	if strings.Contains(seen, secret) || strings.Contains(seen, "caller") || strings.Count(seen, "Authorization:") != 1 {
		t.Errorf("the server saw\n%s", seen)
	}
	if strings.Contains(r.Body+fmt.Sprint(r.Header)+g.Log.String()+g.Metrics(), "upstream-key") {
		t.Error("the key of the upstream is told")
	}
}

func TestForms(t *testing.T) {
	t.Setenv("TEST_SECRET", "s3cret value")
	t.Setenv("TEST_NAME", "machine")
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, `{"content":[]}`) })
	route := func(path, own string) string {
		return fmt.Sprintf("[[route]]\nname = %q\npath = \"/%s\"\nupstream = \"%s/mcp?keep=1\"\n%s\n", path, path, up.URL, own)
	}
	g := harness.Start(t,
		route("basic", "[route.credential]\ntype = \"basic\"\nusername = \"secret://env/TEST_NAME\"\nsecret = \"secret://env/TEST_SECRET\"")+
			route("header", "[route.credential]\ntype = \"header\"\nheader = \"X-API-Key\"\nsecret = \"secret://env/TEST_SECRET\"")+
			route("query", "[route.credential]\ntype = \"query\"\nparameter = \"api_key\"\nsecret = \"secret://env/TEST_SECRET\"")+
			route("none", "")+
			route("tools", "credential = \"secret://env/TEST_SECRET\"\n[[route.credentials]]\ntools = [\"github_*\"]\nsecret = \"secret://env/TEST_NAME\"\n[[route.credentials]]\ntools = [\"open\"]\ntype = \"none\""))
	for _, c := range []struct{ path, tool, authorization, key, uri string }{
		{"/basic", "x", "Basic bWFjaGluZTpzM2NyZXQgdmFsdWU=", "", "/mcp?keep=1"},
		{"/header", "x", "", "s3cret value", "/mcp?keep=1"},
		{"/query", "x", "", "", "/mcp?keep=1&api_key=s3cret+value"},
		{"/none", "x", "", "", "/mcp?keep=1"},
		{"/tools", "x", "Bearer s3cret value", "", "/mcp?keep=1"},
		{"/tools", "github_issue", "Bearer machine", "", "/mcp?keep=1"},
		{"/tools", "open", "", "", "/mcp?keep=1"},
	} {
		if r := call(t, g, c.path, c.tool); r.Status != http.StatusOK {
			t.Errorf("%s %s: status %d: %s", c.path, c.tool, r.Status, r.Body)
			continue
		}
		all := up.Seen()
		got := all[len(all)-1]
		if got.Header.Get("Authorization") != c.authorization || got.Header.Get("X-API-Key") != c.key || got.Path != c.uri {
			t.Errorf("%s %s: %q %q %s", c.path, c.tool, got.Header.Get("Authorization"), got.Header.Get("X-API-Key"), got.Path)
		}
	}
	// What the caller has stays here, whichever way it came.
	r := harness.Do(t, http.MethodPost, g.Base+"/header", []byte(fmt.Sprintf(echo, "x")), "Authorization", "Bearer "+g.Key)
	all := up.Seen()
	if h := all[len(all)-1].Header; r.Status != http.StatusOK || h.Get("Authorization") != "" || len(h.Values("X-API-Key")) != 1 {
		t.Errorf("status %d, header %v", r.Status, h)
	}
}

// TestRotationLosesNothing replaces the key while calls run. The upstream
// refuses the old one at once; the calls that carried it are made again.
func TestRotationLosesNothing(t *testing.T) {
	t.Parallel()
	var valid atomic.Value
	valid.Store("key-0")
	var served, refused atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+valid.Load().(string) {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		served.Add(1)
		harness.Answer(w, r, `{"content":[]}`)
	}))
	defer up.Close()
	path := secretFile(t, "key-0")
	g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"r\"\npath = \"/mcp\"\nupstream = %q\nrate = [\"100000/1s per key\"]\ncredential = \"secret://file%s\"\n", up.URL, path))
	const workers, each = 10, 100
	var wg sync.WaitGroup
	var done, lost atomic.Int64
	half := make(chan struct{})
	for range workers {
		wg.Go(func() {
			for range each {
				if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK {
					lost.Add(1)
				}
				if done.Add(1) == workers*each/2 {
					close(half)
				}
			}
		})
	}
	<-half
	replace(t, path, "key-1") // first where it is kept, then where it is checked
	valid.Store("key-1")
	wg.Wait()
	if lost.Load() != 0 || served.Load() != workers*each {
		t.Errorf("%d calls lost, %d served, %d refused by the upstream", lost.Load(), served.Load(), refused.Load())
	}
	if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK {
		t.Errorf("afterwards: %d", r.Status)
	}
}

// TestRefusalIsFinalWithoutAnotherKey: an upstream that refuses the only key
// hears the call once, and the caller learns nothing of it.
func TestRefusalIsFinalWithoutAnotherKey(t *testing.T) {
	t.Parallel()
	up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer realm=\"inside\"")
		w.WriteHeader(http.StatusUnauthorized)
	})
	g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"r\"\npath = \"/mcp\"\nupstream = %q\ncredential = \"secret://file%s\"\n", up.URL, secretFile(t, "wrong-key")))
	r := call(t, g, "/mcp", "x")
	if r.Status == http.StatusOK || r.Header.Get("WWW-Authenticate") != "" || strings.Contains(r.Body, "wrong-key") || len(up.Seen()) != 1 {
		t.Errorf("status %d, %d requests, %s", r.Status, len(up.Seen()), r.Body)
	}
}

// TestOAuth: the gateway is a client of an issuer, and names the upstream.
func TestOAuth(t *testing.T) {
	t.Setenv("CLIENT_SECRET", "client-s3cret")
	var asked atomic.Int64
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "portcullis" || secret != "client-s3cret" || r.FormValue("grant_type") != "client_credentials" || !strings.HasSuffix(r.FormValue("resource"), "/mcp") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"access_token":"issued-%d","token_type":"Bearer","expires_in":3600}`, asked.Add(1))
	}))
	defer issuer.Close()
	var valid atomic.Value
	valid.Store("issued-1")
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+valid.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		harness.Answer(w, r, `{"content":[]}`)
	})
	g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"r\"\npath = \"/mcp\"\nupstream = \"%s/mcp\"\n[route.credential]\ntype = \"oauth\"\nsecret = \"secret://env/CLIENT_SECRET\"\nclient_id = \"portcullis\"\ntoken_url = %q\n", up.URL, issuer.URL))
	for range 3 {
		if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK {
			t.Fatalf("status %d: %s", r.Status, r.Body)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d tokens for three calls", asked.Load())
	}
	valid.Store("issued-2") // the first was revoked
	if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK || asked.Load() != 2 {
		t.Errorf("after a revocation: status %d, %d tokens", r.Status, asked.Load())
	}
	issuer.Close()
	valid.Store("issued-3")
	if r := call(t, g, "/mcp", "x"); r.Status == http.StatusOK || strings.Contains(r.Body, "issued") || strings.Contains(r.Body, "s3cret") {
		t.Errorf("status %d: %s", r.Status, r.Body)
	}
}
