package identity

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/admin/users"
	adminzkp "github.com/portcullis-dev/portcullis/internal/admin/zkp"
	"github.com/portcullis-dev/portcullis/internal/cli"
	"github.com/portcullis-dev/portcullis/test/pki"
)

// asPortcullis makes this test program the portcullis command.
const asPortcullis = "TEST_IDENTITY_AS_PORTCULLIS"

func TestMain(m *testing.M) {
	if os.Getenv(asPortcullis) != "" {
		os.Exit(cli.Run(context.Background(), "test", os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// everyMethod is where the section of docs/identity.md begins that has a call
// for each method.
const everyMethod = "## Every method with curl"

const methodsTOML = `
[identity.session]
enabled = true
[identity.zkp]
verification_key = "%DIR%/zkp/verification_key.json"
insecure_allow_development_key = true
[[identity.mtls.rule]]
match = "spiffe://example.org/agent/*"
scopes = ["tools:echo"]
[[route]]
name = "keys"
path = "/keys"
upstream = "UPSTREAM/mcp"
[[route]]
name = "people"
path = "/people"
upstream = "UPSTREAM/mcp"
auth = ["basic"]
[[route]]
name = "tokens"
path = "/tokens"
upstream = "UPSTREAM/mcp"
auth = ["jwt"]
[[route]]
name = "certs"
path = "/certs"
upstream = "UPSTREAM/mcp"
auth = ["mtls"]
[[route]]
name = "proofs"
path = "/proofs"
upstream = "UPSTREAM/mcp"
auth = ["zkp"]
`

// TestEveryMethod runs the calls of docs/identity.md, one for each method,
// against one gateway with TLS.
func TestEveryMethod(t *testing.T) {
	text, err := os.ReadFile("../../docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), everyMethod)
	if !found {
		t.Fatalf("docs/identity.md has no section %q", everyMethod)
	}
	work := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pki.Write(t, filepath.Join(work, "portcullis"), []byte("#!/bin/sh\n"+asPortcullis+"=1 exec '"+program+"' \"$@\"\n"))
	if err := os.Chmod(filepath.Join(work, "portcullis"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+work+":"+os.Getenv("PATH"), "PASSWORD="+goodPassword)
	run := func(script string) string {
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
		cmd.Dir, cmd.Env = work, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, script)
		}
		return string(out)
	}
	public := strings.TrimSpace(run("portcullis zkp setup --out zkp > setup.log 2>&1; portcullis zkp keygen --out alice.key | sed -n 's|^public key *||p'"))
	s := newSite(t, true, withCA, strings.Replace(methodsTOML, "%DIR%/zkp", filepath.Join(work, "zkp"), 1))
	agent := s.mid.Client(t, agentA)
	for name, data := range map[string][]byte{
		"ca.pem": pki.PEM(s.servers), "agent.crt": pki.PEM(agent, s.mid), "agent.key": agent.KeyPEM(t),
	} {
		pki.Write(t, filepath.Join(work, name), data)
	}
	if _, err := users.Create(t.Context(), s.API(), users.AddUser{Name: "alice", Password: goodPassword, Scopes: []string{"tools:echo"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := adminzkp.Enroll(t.Context(), s.API(), adminzkp.Enrol{UserID: "alice", PublicKey: public, Scopes: []string{"tools:echo"}}); err != nil {
		t.Fatalf("enrolling %q: %v", public, err)
	}
	env = append(env, "BASE="+s.Base, "DATA="+s.DataDir, "API_KEY="+s.Key)
	parts := strings.Split(section, "```")
	ran := 0
	for i, part := range parts {
		script, ok := strings.CutPrefix(part, "sh\n")
		if !ok {
			continue
		}
		ran++
		out := run(script)
		if i+2 >= len(parts) {
			continue
		}
		if want, ok := strings.CutPrefix(parts[i+2], "output\n"); ok && !strings.Contains(out, strings.TrimSpace(want)) {
			t.Errorf("printed\n%s\nwithout %q:\n%s", out, strings.TrimSpace(want), script)
		}
	}
	if ran != 7 {
		t.Errorf("%d examples ran, want 7", ran)
	}
}
