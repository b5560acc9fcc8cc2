//go:build conformance

package conformance

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// verdicts maps "scenario/check" to the statuses it got, in order.
type verdicts map[string][]string

var resultFolder = regexp.MustCompile(`^server-(.+)-\d{4}-\d\d-\d\dT`)

// runSuite runs the official server suite for a revision.
func runSuite(t *testing.T, url, revision string) verdicts {
	t.Helper()
	dir := t.TempDir()
	_, err := runTool(t, node(), "node_modules/.bin/conformance", "server", "--url", url, "--requirements", revision, "-o", dir)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // a failed check exits 1, which the comparison below judges
		t.Fatal(err)
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := verdicts{}
	for _, f := range folders {
		m := resultFolder.FindStringSubmatch(f.Name())
		if m == nil {
			t.Fatalf("unexpected result folder %q", f.Name())
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name(), "checks.json"))
		if err != nil {
			t.Fatal(err)
		}
		var checks []struct{ ID, Status string }
		if err := json.Unmarshal(b, &checks); err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			key := m[1] + "/" + c.ID
			got[key] = append(got[key], c.Status)
		}
	}
	return got
}

func (v verdicts) count(status string) int {
	n := 0
	for _, all := range v {
		for _, s := range all {
			if s == status {
				n++
			}
		}
	}
	return n
}

// TestServerSuites runs each suite against a server directly and through the
// gateway: check by check the verdict must be the same.
func TestServerSuites(t *testing.T) {
	for _, tc := range []struct {
		name, revision string
		minPassed      int // the direct run must be worth comparing with
		server         func(*testing.T) string
	}{
		{"go-sdk/2025-11-25", "2025-11-25", 80, func(t *testing.T) string { return startGoServer(t, false) }},
		{"go-sdk/2026-07-28", "2026-07-28", 150, func(t *testing.T) string { return startGoServer(t, true) }},
		{"server-everything/2025-11-25", "2025-11-25", 40, func(t *testing.T) string { return startTSServer(t, "streamableHttp") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := tc.server(t)
			direct := runSuite(t, url, tc.revision)
			if n := direct.count("SUCCESS"); n < tc.minPassed {
				t.Fatalf("direct run passed only %d checks", n)
			}
			g := startGateway(t, "upstream = \""+url+"\"")
			through := runSuite(t, withKey(t, g), tc.revision)
			t.Logf("%d checks passed, %d failed, directly; %d and %d through the gateway",
				direct.count("SUCCESS"), direct.count("FAILURE"), through.count("SUCCESS"), through.count("FAILURE"))
			compare(t, direct, through)
		})
	}
}

// mended are checks that a server fails and the gateway makes pass.
var mended = map[string]bool{}

func compare(t *testing.T, direct, through verdicts) {
	t.Helper()
	for key := range direct {
		if mended[key] && len(through[key]) > 0 && through[key][0] == "SUCCESS" {
			delete(direct, key)
			delete(through, key)
		}
	}
	if d := cmp.Diff(direct, through); d != "" {
		t.Errorf("verdicts differ (- directly, + through the gateway):\n%s", d)
	}
}
