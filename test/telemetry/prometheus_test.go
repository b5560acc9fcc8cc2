//go:build conformance

package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/obs/monitoring"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// program returns the path of a program of Prometheus. scripts/setup-tools
// installs it where apt-get is.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if _, apt := exec.LookPath("apt-get"); apt == nil && os.Getuid() == 0 {
		t.Fatalf("no %s in PATH: run scripts/setup-tools", name)
	}
	t.Skipf("no %s in PATH, and no apt-get to install it with: see https://prometheus.io/download", name)
	return ""
}

func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestRules: Prometheus reads the rules, and they fire when they should and not
// when they should not.
func TestRules(t *testing.T) {
	dir := t.TempDir()
	cases, err := os.ReadFile("../../internal/obs/monitoring/testdata/rules.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"rules.yml": monitoring.Rules(), "rules.test.yml": cases} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := run(t, "", "promtool", "check", "rules", filepath.Join(dir, "rules.yml")); !strings.Contains(out, fmt.Sprintf("SUCCESS: %d rules found", len(monitoring.Alerts()))) {
		t.Error(out)
	}
	run(t, "", "promtool", "test", "rules", filepath.Join(dir, "rules.test.yml"))
}

// TestDashboardQueries: Prometheus reads every query of the dashboard.
func TestDashboardQueries(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, expr := range queries(t) {
		quoted, err := json.Marshal(expr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&rules, "  - {record: 'panel:%d', expr: %s}\n", i, quoted)
	}
	path := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", "promtool", "check", "rules", path)
}

// queries returns the queries of the dashboard as Grafana would send them.
func queries(t *testing.T) []string {
	board, err := monitoring.Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(board, &d); err != nil {
		t.Fatal(err)
	}
	chosen := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$job", ".*", "$instance", ".*", "$route", ".*")
	var out []string
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out = append(out, chosen.Replace(q.Expr))
		}
	}
	return out
}

// TestScrape: a real Prometheus scrapes a real gateway with the scrape token,
// takes the rules, and answers the queries of the dashboard.
func TestScrape(t *testing.T) {
	u := upstream(t)
	g := harness.Start(t, route(u)+"[telemetry]\nmetrics_token = \"0123456789abcdef\"\naliases = [\"chronicle\", \"agent\"]\n")
	post(t, g, call)
	post(t, g, `{`)
	plain := harness.Do(t, http.MethodGet, g.Admin+"/metrics", nil, "Authorization", "Bearer 0123456789abcdef")
	if got := plain.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", got)
	}
	if denied := harness.Do(t, http.MethodGet, g.Admin+"/metrics", nil); denied.Status != http.StatusUnauthorized {
		t.Errorf("metrics without a credential: %d", denied.Status)
	}
	// Of the runtime and of others' names promtool has its own opinions.
	ours := regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?portcullis_.*\n`)
	run(t, strings.Join(ours.FindAllString(plain.Body, -1), ""), "promtool", "check", "metrics")
	for _, alias := range []string{`chronicle_requests_total{code="200",`, "chronicle_request_duration_seconds_bucket{", `agent_requests_total{`, "agent_concurrent_tasks{", "agent_memory_usage_bytes "} {
		if !strings.Contains(plain.Body, "\n"+alias) {
			t.Errorf("no %s", alias)
		}
	}
	prometheus := startPrometheus(t, g)
	eventually(t, "Prometheus has scraped", func() bool {
		return value(t, prometheus, `portcullis_requests_total{route="mcp", outcome="success"}`) == "1"
	})
	if value(t, prometheus, `up{job="portcullis"}`) != "1" || value(t, prometheus, `agent_requests_total{route="mcp", outcome="refused"}`) != "1" {
		t.Error("not scraped whole")
	}
	for _, q := range queries(t) {
		if _, err := ask(prometheus, q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
	if got := value(t, prometheus, `count by (version) (portcullis_build_info)`); got != "1" {
		t.Errorf("build info %q", got)
	}
}

// startPrometheus returns the address of a server that scrapes the gateway.
func startPrometheus(t *testing.T, g *harness.Gateway) string {
	t.Helper()
	dir := t.TempDir()
	admin, err := url.Parse(g.Admin)
	if err != nil {
		t.Fatal(err)
	}
	config := `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: portcullis
    authorization: {credentials: 0123456789abcdef}
    static_configs: [{targets: ["` + admin.Host + `"]}]
`
	for name, data := range map[string][]byte{"prometheus.yml": []byte(config), "rules.yml": monitoring.Rules()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "", "promtool", "check", "config", filepath.Join(dir, "prometheus.yml"))
	addr := harness.FreeAddr(t)
	var log bytes.Buffer
	cmd := exec.Command(program(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--enable-feature=exemplar-storage")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("prometheus: %v\n%s", err, &log)
		}
	})
	return "http://" + addr
}

func ask(prometheus, query string) (values []string, err error) {
	resp, err := http.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Status != "success" {
		return nil, fmt.Errorf("status %d, %s %w", resp.StatusCode, out.Error, err)
	}
	for _, r := range out.Data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values, nil
}

// value returns the one value that a query has, "" while it has none.
func value(t *testing.T, prometheus, query string) string {
	t.Helper()
	got, err := ask(prometheus, query)
	if err != nil { // it is still starting
		time.Sleep(50 * time.Millisecond)
		return ""
	}
	if len(got) != 1 {
		return ""
	}
	return got[0]
}
