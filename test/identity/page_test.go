package identity

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestClientCertificatesPage does what docs/client-certificates.md says: with
// openssl and curl, and the gateway of its first configuration between them.
func TestClientCertificatesPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/client-certificates.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string // language and content of each
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			blocks = append(blocks, part)
		}
	}
	up := harness.NewUpstream(t, func(rw http.ResponseWriter, r *http.Request) { harness.Answer(rw, r, `{"content":[]}`) })
	s := &site{t: t, dir: t.TempDir(), up: up}
	local := strings.NewReplacer("/etc/portcullis", s.dir, "https://files.example.com", up.URL, `"10s"`, `"1s"`)
	run := func(script string) string {
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", strings.ReplaceAll(script, "https://127.0.0.1:8080", s.base()))
		cmd.Dir = s.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s\n%s", err, out, script)
		}
		return string(out)
	}
	ran := 0
	for i, b := range blocks {
		if body, ok := strings.CutPrefix(b, "toml\n"); ok && s.Gateway == nil {
			s.Gateway = harness.Start(t, local.Replace(body))
		}
		script, ok := strings.CutPrefix(b, "sh\n")
		if !ok {
			continue
		}
		ran++
		want, checked := strings.CutPrefix(blocks[i+1], "output\n")
		if !checked {
			run(script)
			continue
		}
		s.until("what the page shows: "+want, func() bool { // the gateway looks at its files every second
			return strings.Contains(run(script), strings.TrimSpace(want))
		})
	}
	if ran != 5 {
		t.Errorf("%d blocks ran", ran)
	}
	if leaf, err := os.ReadFile(filepath.Join(s.dir, "agent.crt")); err != nil || !strings.Contains(string(leaf), "BEGIN CERTIFICATE") {
		t.Errorf("%v", err)
	}
}

func (s *site) base() string {
	if s.Gateway == nil {
		return ""
	}
	return s.Base
}
