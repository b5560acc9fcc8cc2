//go:build conformance

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	gatewayBin = "../../../portcullis"
	schema     = "node_modules/@microsoft/sarif-multitool-linux/sarif-2.1.0.json"
)

// planted returns a folder with every kind of verdict in its report: findings,
// what is unknown, suppressed, attested, not looked at and unreadable.
func planted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	day := time.Now().AddDate(0, 1, 0).UTC().Format("2006-01-02")
	for name, text := range map[string]string{
		"README.md":                     "# agent\n",
		"Dockerfile":                    "FROM node:latest\nCOPY . .\nENV API_KEY=k8Gq2nVx7Lp4Zt9w\n",
		"docker-compose.yml":            "services: [\n",
		"a/<script>alert(1)<b>.service": "[Service]\nExecStart=/bin/true\n",
		"portcullis.toml":               "[server]\nlisten = \"0.0.0.0:8080\"\n\n[[route]]\nname = \"x\"\npath = \"/mcp\"\ncommand = [\"npx\", \"x\"]\n",
		"testdata/Dockerfile":           "FROM scratch\n",
		".portcullis-check.toml": "[[suppress]]\nrule = \"dockerfile-image-latest\"\nreason = \"a sample for this test\"\nowner = \"tests\"\nexpires = \"" + day + "\"\n" +
			"[[exclude]]\npath = \"b/**\"\nreason = \"wrong on purpose\"\n",
		"b/Dockerfile": "FROM scratch\n",
	} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, 0, "check", "attest", "attestation-restore-tested", "--owner", "tests", "--note", "on paper")
	return dir
}

// run runs Portcullis in a folder and returns what it prints.
func run(t *testing.T, dir string, want int, args ...string) []byte {
	t.Helper()
	bin, err := filepath.Abs(gatewayBin)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir = dir
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run `make build` first: %v", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("%v: exit code %d, want %d: %s", args, got, want, problems.String())
	}
	return out.Bytes()
}

// A page opens in a browser, and axe-core has nothing against it.
func TestPages(t *testing.T) {
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		browser = "/usr/bin/chromium"
	}
	if _, err := os.Stat(browser); err != nil {
		t.Skip("there is no Chromium: install it from Debian, or name it in CHROMIUM")
	}
	dir := planted(t)
	for name, page := range map[string][]byte{
		"check":   run(t, dir, 3, "check", "--format", "html"),
		"privacy": run(t, dir, 0, "privacy", "report", "--framework", "gdpr", "--format", "html", "--data", filepath.Join(dir, "data")),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name+".html")
			if err := os.WriteFile(file, page, 0o600); err != nil {
				t.Fatal(err)
			}
			shots := os.Getenv("PORTCULLIS_SCREENSHOTS") // a folder, for who wants to look
			if shots == "" {
				shots = t.TempDir()
			}
			cmd := exec.CommandContext(t.Context(), "node", "axe.mjs", file, filepath.Join(shots, name))
			cmd.Env = append(os.Environ(), "CHROMIUM="+browser)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var got struct {
				Rules int
				Found []string
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got.Rules < 50 {
				t.Errorf("axe-core looked with %d rules only", got.Rules)
			}
			for _, f := range got.Found {
				t.Error(f)
			}
		})
	}
}

// The SARIF of a real run fits the schema that Microsoft's own tool ships.
func TestSARIF(t *testing.T) {
	data, err := os.ReadFile(schema)
	if err != nil {
		t.Fatalf("run scripts/setup-tools first: %v", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := planted(t)
	for name, args := range map[string][]string{
		"findings": {"check", "--format", "sarif"},
		"baseline": {"check", "--format", "sarif", "--baseline", "base.json", "--save-baseline"},
	} {
		got, err := jsonschema.UnmarshalJSON(bytes.NewReader(run(t, dir, 3, args...)))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(`{"version":"2.1.0","runs":[{}]}`)))
	if err != nil || compiled.Validate(wrong) == nil {
		t.Errorf("the schema takes anything: %v", err)
	}
}
