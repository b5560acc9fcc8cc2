package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

const lockText = `{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0", "integrity": "sha512-x"}, "node_modules/own": {"version": "1.0.0", "resolved": "file:own"}}}`

// run runs the verb on a folder with a lock file.
func run(t *testing.T, env map[string]string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte(lockText), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var out, problems bytes.Buffer
	f := &frame.Frame{Version: "test", Out: &out, Err: &problems, In: strings.NewReader(""), Output: "text", DataDir: dir, Env: func(name string) (string, bool) {
		text, ok := env[name]
		return text, ok
	}}
	cmd := Command(f)
	cmd.SetArgs(append([]string{"--kind", "dependencies", "."}, args...))
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// A server is asked about what comes from registries, and about nothing else. The
// variable names a mirror.
func TestAskingAServer(t *testing.T) {
	var asked string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			asked = string(body)
			if err != nil || r.URL.Path != "/osv/v1/querybatch" || r.UserAgent() != "portcullis/test" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			fmt.Fprint(w, `{"results":[{"vulns":[{"id":"GHSA-1"}]}]}`)
			return
		}
		fmt.Fprint(w, `{"id":"GHSA-1","published":"2026-01-01T00:00:00Z","database_specific":{"severity":"HIGH"},"affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`)
	}))
	defer web.Close()
	out, err := run(t, map[string]string{osvVariable: web.URL + "/osv"}, "--osv")
	if !errors.Is(err, frame.ErrNo) || !strings.Contains(out, "a 1.0.0 has GHSA-1, high, no fix is known") {
		t.Errorf("%v\n%s", err, out)
	}
	if asked != `{"queries":[{"package":{"name":"a","ecosystem":"npm"},"version":"1.0.0"}]}` {
		t.Errorf("asked %s", asked)
	}
}

// A server that does not answer leaves what it knows unknown.
func TestAServerThatRefuses(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	out, err := run(t, nil, "--osv", "--osv-url", web.URL)
	if err != nil || !strings.Contains(out, "unknown") || !strings.Contains(out, "it answers 404") {
		t.Errorf("%v\n%s", err, out)
	}
}
