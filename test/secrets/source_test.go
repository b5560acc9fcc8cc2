package secrets

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
	"github.com/portcullis-dev/portcullis/test/harness"
)

func bearerUpstream(t *testing.T) *harness.Upstream {
	t.Helper()
	return harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, `{"content":[]}`) })
}

func last(t *testing.T, up *harness.Upstream) string {
	t.Helper()
	all := up.Seen()
	if len(all) == 0 {
		t.Fatal("nothing reached the upstream")
	}
	return all[len(all)-1].Header.Get("Authorization")
}

// TestFailsClosedAtStart: a reference that leads nowhere is an error of the
// start that names it and its route.
func TestFailsClosedAtStart(t *testing.T) {
	t.Parallel()
	for ref, why := range map[string]string{
		"secret://env/PORTCULLIS_TEST_ABSENT": "not set", "secret://file/nonexistent/key": "no such file",
		"secret://kubernetes/ns/name#key": "no pod", "secret://wallet/openai": "wallet",
	} {
		text := fmt.Sprintf("[[route]]\nname = \"needs-it\"\npath = \"/mcp\"\nrate = [\"100000/1s per key\"]\nupstream = \"http://127.0.0.1:1/\"\ncredential = %q\n", ref)
		cfg, _, err := config.Parse("test", []byte(text), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		a, err := app.New(t.Context(), app.Options{
			Version: "test", Config: cfg, Getenv: func(string) (string, bool) { return "", false }, DataDir: filepath.Join(t.TempDir(), "d"), Log: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			t.Errorf("%s: started", ref)
			_ = a.Stop(t.Context())
			continue
		}
		if !strings.Contains(err.Error(), ref) || !strings.Contains(err.Error(), "needs-it") || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestLeaseEnds: while the source is gone the last good value is used, and when
// its time is over calls get 502 until it is back.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	up := bearerUpstream(t)
	path := secretFile(t, "good")
	g := harness.Start(t, fmt.Sprintf("[secrets]\nmax_age = \"5s\"\n[[route]]\nname = \"r\"\npath = \"/mcp\"\nrate = [\"100000/1s per key\"]\nupstream = %q\ncredential = \"secret://file%s\"\n", up.URL, path))
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK || last(t, up) != "Bearer good" {
		t.Fatalf("the last good value: status %d", r.Status)
	}
	var r harness.Response
	until(t, "calls are refused after the lease", func() bool {
		r = call(t, g, "/mcp", "x")
		return r.Status != http.StatusOK
	})
	if r.Status != http.StatusBadGateway || strings.Contains(r.Body, "secret") || strings.Contains(r.Body, "file") {
		t.Errorf("status %d: %s", r.Status, r.Body)
	}
	before := len(up.Seen())
	call(t, g, "/mcp", "x")
	if len(up.Seen()) != before {
		t.Error("a call travelled without its credential")
	}
	if m := g.Metrics(); !strings.Contains(m, `portcullis_secrets_expired{source="file"} 1`) || !strings.Contains(m, `portcullis_secret_reads_total{result="failure",source="file"}`) {
		t.Error("metrics do not tell")
	}
	replace(t, path, "new")
	until(t, "it recovers", func() bool { return call(t, g, "/mcp", "x").Status == http.StatusOK })
	if last(t, up) != "Bearer new" {
		t.Errorf("recovered with %q", last(t, up))
	}
	var told []string
	for _, e := range g.Events() {
		if e.Type == "SECRET_READ" {
			told = append(told, e.Outcome+" "+e.Reason+" "+e.Resource)
		}
	}
	ref := "secret://file" + path
	want := []string{"success first " + ref, "failure not_found " + ref, "success changed " + ref}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("recorded\n%s", strings.Join(told, "\n"))
	}
}

// TestReload: a configuration whose secret is not there changes nothing; one
// whose secret is another takes it into force.
func TestReload(t *testing.T) {
	t.Parallel()
	up := bearerUpstream(t)
	a, b := secretFile(t, "one"), secretFile(t, "two")
	text := func(path string) string {
		return fmt.Sprintf("[[route]]\nname = \"r\"\npath = \"/mcp\"\nrate = [\"100000/1s per key\"]\nupstream = %q\ncredential = \"secret://file%s\"\n", up.URL, path)
	}
	g := harness.Start(t, text(a))
	g.Reconfigure(text("/nonexistent/secret"))
	until(t, "the reload is refused", func() bool { return strings.Contains(g.Log.String(), "configuration not taken") })
	if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK || last(t, up) != "Bearer one" {
		t.Errorf("after a bad reload: %d %s", r.Status, last(t, up))
	}
	g.Reconfigure(text(b))
	until(t, "the new secret is used", func() bool { call(t, g, "/mcp", "x"); return last(t, up) == "Bearer two" })
}

// TestWallet: an entry of the wallet is injected, and one that is rotated there
// is used without a restart.
func TestWallet(t *testing.T) {
	up := bearerUpstream(t)
	path := filepath.Join(t.TempDir(), "keys")
	t.Setenv("WALLET_PASSWORD", "correct horse battery")
	params, err := kdf.New("pbkdf2-hmac-sha384", 0)
	if err != nil {
		t.Fatal(err)
	}
	protect := wallet.Password{Params: params, Secret: []byte("correct horse battery")}
	o := wallet.Options{Recorder: nothing{}}
	if err := wallet.Create(t.Context(), path, protect, o); err != nil {
		t.Fatal(err)
	}
	w, err := wallet.Open(t.Context(), path, protect, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Put(t.Context(), wallet.New{Name: "github", Provider: "github"}, []byte("w-one")); err != nil {
		t.Fatal(err)
	}
	g := harness.Start(t, fmt.Sprintf("[secrets.wallet]\nfile = %q\n[[route]]\nname = \"r\"\npath = \"/mcp\"\nrate = [\"100000/1s per key\"]\nupstream = %q\ncredential = \"secret://wallet/github\"\n", path, up.URL))
	if r := call(t, g, "/mcp", "x"); r.Status != http.StatusOK || last(t, up) != "Bearer w-one" {
		t.Fatalf("status %d, %q", r.Status, last(t, up))
	}
	if err := w.Rotate(t.Context(), "github", []byte("w-two"), wallet.Rotation{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the rotated entry is used", func() bool { call(t, g, "/mcp", "x"); return last(t, up) == "Bearer w-two" })
}
