package rights

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/privacy"
	"github.com/portcullis-dev/portcullis/internal/privacy/receipt"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestMain is the test binary's second life: an MCP server on its standard
// input, which writes whom it erases into a file.
func TestMain(m *testing.M) {
	file := os.Getenv("RIGHTS_TEST_ERASED")
	if file == "" {
		os.Exit(m.Run())
	}
	s := crm(func(in erasure) error { return os.WriteFile(file, []byte(in.User), 0o600) })
	if err := s.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		os.Exit(1)
	}
}

type erasure struct {
	User      string   `json:"user"`
	Accounts  []string `json:"accounts"`
	Reference string   `json:"reference"`
}

// crm is an MCP server with a tool that erases.
func crm(erase func(erasure) error) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "crm", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "erase_user"}, func(_ context.Context, _ *mcp.CallToolRequest, in erasure) (*mcp.CallToolResult, any, error) {
		return nil, nil, erase(in)
	})
	return s
}

// serveCRM serves it over HTTP to whoever has the credential of the route.
func serveCRM(t *testing.T, erase func(erasure) error, seen func(http.Header)) string {
	t.Helper()
	s := crm(erase)
	h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: true})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen(r.Header)
		if r.Header.Get("Authorization") != "Bearer token-of-the-gateway" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestToldByTool: upstreams of both kinds are told by their own tool, with the
// credential of the gateway; one whose tool says no is asked again after a
// restart, and the receipt says how it went.
func TestToldByTool(t *testing.T) {
	t.Setenv("RIGHTS_TEST_TOKEN", "token-of-the-gateway")
	var mu sync.Mutex
	var told []erasure
	var headers []http.Header
	refuse := true
	url := serveCRM(t, func(in erasure) error {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, in)
		if refuse {
			return errors.New("the books are closed for " + in.User)
		}
		return nil
	}, func(h http.Header) {
		mu.Lock()
		defer mu.Unlock()
		headers = append(headers, h.Clone())
	})
	erased := filepath.Join(t.TempDir(), "erased")
	g := harness.Start(t, fmt.Sprintf(`
[[privacy.erasure_hook]]
name = "crm"
route = "crm"
tool = "erase_user"
arguments = '{"user":"{id}","accounts":"{names}","reference":"{erasure}"}'
[[privacy.erasure_hook]]
name = "child"
route = "child"
tool = "erase_user"
arguments = '{"user":"{id}","accounts":[],"reference":""}'
[[route]]
name = "crm"
path = "/mcp"
upstream = %q
credential = "secret://env/RIGHTS_TEST_TOKEN"
[route.tools]
deny = ["erase_user"]
[[route]]
name = "child"
path = "/child"
command = [%q]
env = { RIGHTS_TEST_ERASED = %q }
`, url, os.Args[0], erased))
	ctx := t.Context()
	const who = "bob.unmistakable"
	key, err := g.API().CreateKey(ctx, admin.CreateKey{Name: "k", Owner: who, Scopes: []string{"tools:*"}})
	if err != nil {
		t.Fatal(err)
	}
	must(t, harness.Do(t, http.MethodPost, g.Base+"/mcp", []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"erase_user","arguments":{}}}`), "X-API-Key", key.Key), http.StatusForbidden)
	begun, err := privacy.Remove(ctx, g.API(), privacy.Erase{Subject: who})
	if err != nil || begun.State != "telling" {
		t.Fatalf("%+v, %v", begun, err)
	}
	if s := step(begun.Status, "upstream:crm"); s.Outcome != subject.ToldFailed || s.Attempts != 1 || s.Count != 0 {
		t.Errorf("after a refusal: %+v", s)
	}
	if s := step(begun.Status, "upstream:child"); s.Outcome != subject.ToldDone || s.Attempts != 1 {
		t.Errorf("the child: %+v", s)
	}
	if text, err := os.ReadFile(erased); err != nil || string(text) != who {
		t.Errorf("the child erased %q, %v", text, err)
	}
	mu.Lock()
	refuse = false
	mu.Unlock()
	g.Restart()
	var done subject.Status
	until(t, "the tool is called again", func() bool {
		done, err = privacy.One(ctx, g.API(), begun.ID)
		return err == nil && done.State == "erased"
	})
	mu.Lock()
	defer mu.Unlock()
	for _, in := range told {
		if in.User != who || in.Reference != begun.ID {
			t.Errorf("it was told %+v", in)
		}
	}
	for _, h := range headers {
		if h.Get("X-Api-Key") != "" || h.Get("Authorization") != "Bearer token-of-the-gateway" {
			t.Errorf("headers %v", h)
		}
	}
	if s := step(done, "upstream:crm"); s.Outcome != subject.ToldDone || s.Attempts < 2 || s.Count != 1 {
		t.Errorf("in the end: %+v", s)
	}
	signed(t, g, done, "crm")
	g.Stop(0)
	var outcomes []string
	for _, e := range g.Events() {
		if e.Type == "DATA_ERASED" && e.Action == "privacy/tell" && e.Details["hook"] == "crm" {
			outcomes = append(outcomes, e.Outcome)
		}
	}
	if !slices.Equal(outcomes, []string{"failure", "success"}) {
		t.Errorf("events: %v", outcomes)
	}
	for _, f := range leaks(t, g.DataDir, who) {
		t.Error(f)
	}
	if strings.Contains(g.Log.String(), who) {
		t.Error("the log output names him")
	}
}

func step(s subject.Status, place string) subject.Step {
	i := slices.IndexFunc(s.Steps, func(x subject.Step) bool { return x.Place == place })
	if i < 0 {
		return subject.Step{}
	}
	return s.Steps[i]
}

// signed checks that the receipt says that an upstream was told.
func signed(t *testing.T, g *harness.Gateway, s subject.Status, hook string) {
	t.Helper()
	text, err := privacy.ReceiptKey(t.Context(), g.API())
	if err != nil {
		t.Fatal(err)
	}
	by, err := receipt.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Verify([]byte(s.Receipt), by)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(got.Places, func(p receipt.Place) bool {
		return p.Name == "upstream:"+hook && p.Outcome == "done" && p.Attempts > 1
	}) {
		t.Errorf("the receipt: %+v", got.Places)
	}
}

// TestKilledWhileTelling kills the gateway with SIGKILL while a tool works. The
// next start calls it again, with the same reference.
func TestKilledWhileTelling(t *testing.T) {
	t.Setenv("RIGHTS_TEST_TOKEN", "token-of-the-gateway")
	asked, release := make(chan erasure, 4), make(chan struct{})
	url := serveCRM(t, func(in erasure) error {
		asked <- in
		<-release
		return nil
	}, func(http.Header) {})
	h := newHouse(t, `
[[privacy.erasure_hook]]
name = "crm"
route = "mcp"
tool = "erase_user"
arguments = '{"user":"{id}","accounts":"{names}","reference":"{erasure}"}'
[[route]]
name = "mcp"
path = "/mcp"
credential = "secret://env/RIGHTS_TEST_TOKEN"
upstream = "`+url+`"
`)
	var key struct{ Key string }
	h.run(&key, "key", "create", "--name", "k", "--owner", "bob.unmistakable")
	kill := h.start()
	verb := exec.Command(h.bin, "privacy", "erase", "bob.unmistakable", "--yes", "--config", h.conf, "--data", h.data)
	if err := verb.Start(); err != nil {
		t.Fatal(err)
	}
	first := <-asked
	kill()
	_ = verb.Wait() // it was not answered
	close(release)
	kill = h.start()
	defer func() { kill() }()
	if again := <-asked; again.User != "bob.unmistakable" || again.User != first.User || again.Reference != first.Reference {
		t.Errorf("told %+v, then %+v", first, again)
	}
	var list []subject.Status
	until(t, "the erasure ends", func() bool {
		h.run(&list, "privacy", "status")
		return len(list) == 1 && list[0].State == subject.Finished.String()
	})
	if s := step(list[0], "upstream:crm"); s.Outcome != subject.ToldDone {
		t.Errorf("in the end: %+v", s)
	}
	kill()
	kill = func() {}
	for _, f := range leaks(t, h.data, "bob.unmistakable") {
		t.Error(f)
	}
}
