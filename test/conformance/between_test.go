//go:build conformance

package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const goClient = "../../.tools/everything-client"

// betweenVar makes this test binary the client under test: it starts a gateway
// in front of the suite's server, then the real client, the path of which the
// variable holds, on the gateway's URL.
const betweenVar = "PORTCULLIS_TEST_BETWEEN"

func TestMain(m *testing.M) {
	client := os.Getenv(betweenVar)
	if client == "" {
		os.Exit(m.Run())
	}
	if err := between(client, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func between(client, url string) (err error) {
	if strings.HasPrefix(os.Getenv("MCP_CONFORMANCE_SCENARIO"), "auth/") { // OAuth is between the client and the suite's own server
		return nil
	}
	dir, err := os.MkdirTemp("", "between")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	conf := filepath.Join(dir, "portcullis.toml")
	text := fmt.Sprintf("[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = %q\nauth = [\"none\"]\ninsecure_no_auth = true\n", url)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	gate := exec.Command(gatewayBin, "serve", "--output", "json", "--config", conf, "--data", filepath.Join(dir, "data"))
	gate.Stderr = os.Stderr
	stdout, err := gate.StdoutPipe()
	if err != nil {
		return err
	}
	if err := gate.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gate.Process.Signal(syscall.SIGTERM), gate.Wait()) }()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("waiting for the gateway: %w", err)
	}
	var at struct{ URL string }
	if err := json.Unmarshal(line, &at); err != nil {
		return err
	}
	cmd := exec.Command(client, at.URL)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// TestClientSuites lets the official suite test the Go SDK's client directly
// and through the gateway: what the client sends arrives, headers included, and
// what servers demand of clients (retry, resumption, elicitation, requests for
// input) reaches it.
func TestClientSuites(t *testing.T) {
	client, err := filepath.Abs(goClient)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for revision, minPassed := range map[string]int{"2025-11-25": 20, "2026-07-28": 60} {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			direct := runSuite(t, nil, "client", "--command", client, "--requirements", revision)
			if n := direct.count("SUCCESS"); n < minPassed {
				t.Fatalf("direct run passed only %d checks", n)
			}
			through := runSuite(t, []string{betweenVar + "=" + client}, "client", "--command", self, "--requirements", revision)
			t.Logf("%d checks passed, %d failed, directly; %d and %d through the gateway",
				direct.count("SUCCESS"), direct.count("FAILURE"), through.count("SUCCESS"), through.count("FAILURE"))
			compare(t, direct, through, nil)
		})
	}
}
