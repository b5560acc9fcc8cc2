//go:build conformance

package conformance

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// verdicts maps "scenario/check" to the statuses it got, in order.
type verdicts map[string][]string

var resultFolder = regexp.MustCompile(`^(?:server-)?(.+)-\d{4}-\d\d-\d\dT`)

// runServerSuite runs the official server suite for a revision.
func runServerSuite(t *testing.T, url, revision string) verdicts {
	t.Helper()
	return runSuite(t, nil, "server", "--url", url, "--requirements", revision)
}

// runSuite runs the suite and reads its verdicts.
func runSuite(t *testing.T, env []string, args ...string) verdicts {
	t.Helper()
	dir := t.TempDir()
	_, err := runTool(t, env, node(), append(append([]string{"node_modules/.bin/conformance"}, args...), "-o", dir)...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // a failed check exits 1, which the comparison below judges
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := verdicts{}
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(file))
		m := resultFolder.FindStringSubmatch(folder)
		if m == nil {
			t.Fatalf("unexpected result folder %q", folder)
		}
		b, err := os.ReadFile(file)
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

// serverSuite is one server and one revision of the suite.
type serverSuite struct {
	name, revision string
	minPassed      int                     // the direct run must be worth comparing with
	direct         func(*testing.T) string // starts the server, returns its URL
	command        string                  // of the route, if the gateway reaches the server over stdio
	differ         map[string]difference   // by "scenario/check", with the reason
}

// difference is a verdict that is not the same, and what it must be instead.
type difference struct{ direct, through string }

// mended is a check that the server fails and the gateway makes pass.
var mended = difference{"FAILURE", "SUCCESS"}

// TestServerSuites runs each suite against a server directly and through the
// gateway: check by check the verdict must be the same.
func TestServerSuites(t *testing.T) {
	sessions := func(t *testing.T) string { return startGoServer(t, false) }
	stateless := func(t *testing.T) string { return startGoServer(t, true) }
	everything := func(t *testing.T) string { return startTSServer(t, "streamableHttp") }
	mends := map[string]difference{
		// it answers a forged Host, and 400 on a session that has ended
		"dns-rebinding-protection/localhost-host-rebinding-rejected":     mended,
		"server-session-lifecycle/server-session-terminated-returns-404": mended,
	}
	tasks := map[string]difference{
		// it has no tasks and answers with another code than the extension names
		"tasks-dispatch-and-envelope/sep-2663-tasks-get-invalid-task-id-32602": mended,
	}
	for _, tc := range []serverSuite{
		{name: "go-sdk/2025-11-25", revision: "2025-11-25", minPassed: 80, direct: sessions},
		{name: "go-sdk/2026-07-28", revision: "2026-07-28", minPassed: 150, direct: stateless, differ: tasks},
		{name: "server-everything/2025-11-25", revision: "2025-11-25", minPassed: 40, direct: everything, differ: mends},
		{name: "go-sdk over stdio/2025-11-25", revision: "2025-11-25", minPassed: 80, direct: sessions, command: goCommand(t)},
		{name: "go-sdk over stdio/2026-07-28", revision: "2026-07-28", minPassed: 150, direct: stateless, command: goCommand(t), differ: tasks},
		{name: "server-everything over stdio/2025-11-25", revision: "2025-11-25", minPassed: 40, direct: everything, command: jsCommand(t, "server-everything", "stdio") + "\nmax_children = 48\nmax_children_per_caller = 48", differ: mends},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := tc.direct(t)
			direct := runServerSuite(t, url, tc.revision)
			if n := direct.count("SUCCESS"); n < tc.minPassed {
				t.Fatalf("direct run passed only %d checks", n)
			}
			route := "upstream = \"" + url + "\""
			if tc.command != "" {
				route = tc.command
			}
			through := runServerSuite(t, withKey(t, startGateway(t, route)), tc.revision)
			t.Logf("%d checks passed, %d failed, directly; %d and %d through the gateway",
				direct.count("SUCCESS"), direct.count("FAILURE"), through.count("SUCCESS"), through.count("FAILURE"))
			if tc.command != "" {
				setAsideStreams(t, direct, through)
			}
			compare(t, direct, through, tc.differ)
		})
	}
}

// setAsideStreams takes out the checks of how a server holds, breaks and
// resumes HTTP streams. One on stdio has none: the gateway answers such calls
// in plain JSON, which the suite accepts ("priming event tests not
// applicable").
func setAsideStreams(t *testing.T, direct, through verdicts) {
	t.Helper()
	apart := func(key string) bool {
		return strings.HasPrefix(key, "server-sse-polling/") || key == "server-sse-multiple-streams/server-sse-streams-functional"
	}
	for key, all := range through {
		if apart(key) && slices.Contains(all, "FAILURE") {
			t.Errorf("%s: %q through the gateway", key, all)
		}
	}
	for _, v := range []verdicts{direct, through} {
		maps.DeleteFunc(v, func(key string, _ []string) bool { return apart(key) })
	}
}

func compare(t *testing.T, direct, through verdicts, differ map[string]difference) {
	t.Helper()
	for key, want := range differ {
		if d, g := strings.Join(direct[key], " "), strings.Join(through[key], " "); d != want.direct || g != want.through {
			t.Errorf("%s: %q directly and %q through the gateway, want %q and %q", key, d, g, want.direct, want.through)
		}
		delete(direct, key)
		delete(through, key)
	}
	keys := slices.Sorted(maps.Keys(direct))
	for key := range through {
		if direct[key] == nil {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if !slices.Equal(direct[key], through[key]) {
			t.Errorf("%s: %q directly and %q through the gateway", key, direct[key], through[key])
		}
	}
}
