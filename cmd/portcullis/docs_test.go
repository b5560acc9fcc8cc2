package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/authz/cedar"
	"github.com/portcullis-dev/portcullis/internal/cli"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/test/sampleagent"
)

var update = flag.Bool("update", false, "write the pipeline table of README.md")

const root = "../../"

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmePipeline makes the table in the README from the golden file of the
// pipeline, and compares that with what a gateway without configuration says.
func TestReadmePipeline(t *testing.T) {
	readme := readDoc(t, "README.md")
	pinned := []byte(readDoc(t, "gateway/testdata/pipeline.golden"))
	path, err := filepath.Abs(root + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // no configuration here
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), "dev", []string{"pipeline", "--output", "json"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("pipeline: exit code %d: %s", code, &errs)
	}
	var routes []gateway.RoutePipeline
	if err := json.Unmarshal(out.Bytes(), &routes); err != nil || len(routes) != 1 {
		t.Fatalf("pipeline: %v: %s", err, &out)
	}
	var golden []gateway.RoutePipeline
	if err := json.NewDecoder(bytes.NewReader(pinned)).Decode(&golden); err != nil || len(golden) == 0 {
		t.Fatalf("golden file: %v", err)
	}
	if !reflect.DeepEqual(golden[0].Phases, routes[0].Phases) {
		t.Errorf("portcullis pipeline prints\n%v\nthe golden file has\n%v", routes[0].Phases, golden[0].Phases)
	}
	table := "| phase | guards | refuses with |\n|---|---|---|\n"
	for _, p := range golden[0].Phases {
		guards := "–"
		if len(p.Guards) > 0 {
			guards = "`" + strings.Join(p.Guards, "` `") + "`"
		}
		table += fmt.Sprintf("| %s | %s | %s |\n", p.Phase, guards, p.Refuses)
	}
	head, rest, ok := strings.Cut(readme, "-update\" -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- /pipeline -->")
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the pipeline table")
	}
	want := head + "-update\" -->\n" + table + "<!-- /pipeline -->" + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if readme != want {
		t.Errorf("the pipeline table of README.md is not current (run with -update); want\n%s", table)
	}
}

// block is a fenced block of a page: a language and its text.
type block struct{ lang, text string }

func blocks(page string) []block {
	var out []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		out = append(out, block{m[1], m[2]})
	}
	return out
}

// TestDocsRun runs the shell blocks of the pages, in order, in an empty folder.
// A text block after one is what it prints: "…" stands for anything.
func TestDocsRun(t *testing.T) {
	for _, page := range []string{"README.md", "docs/quickstart.md", "docs/keys.md", "docs/users.md", "docs/wallet.md", "docs/zero-knowledge-login.md", "docs/limits-and-rules.md", "docs/operations.md", "docs/observability.md", "docs/authorization.md", "docs/ossa.md", "docs/audit-log.md", "docs/incident-response.md", "docs/incidents.md", "docs/privacy.md", "docs/a2a-client.md", "docs/generate.md", "docs/check.md", "docs/evidence.md", "docs/backup.md", "docs/dependencies-check.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			runPage(t, blocks(readDoc(t, page)))
		})
	}
}

// server is a block that starts a gateway; it runs in the background, after
// the one before it has stopped.
var server = regexp.MustCompile(`(?m)^portcullis serve (.*)&$|^portcullis serve &$`)

func runPage(t *testing.T, page []block) {
	dir, err := os.MkdirTemp("", "doc") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err == nil {
			answer(w, r, body.Bytes(), nil)
		}
	}))
	t.Cleanup(upstream.Close)
	agent := sampleagent.Start(sampleagent.Options{Token: "sample-token"})
	t.Cleanup(agent.Close)
	listen, admin := mustFree(t), mustFree(t)
	// The pages name the usual ports, which others may be using here.
	local := strings.NewReplacer("127.0.0.1:8080", listen, "127.0.0.1:9090", admin, "http://127.0.0.1:3000", upstream.URL, "http://127.0.0.1:4100", agent.URL,
		"npx -y @modelcontextprotocol/server-filesystem ~/docs", "echo-server")

	script := preamble
	var outputs []string // file of the output of each block that is checked
	for i, b := range page {
		if b.lang != "sh" {
			continue
		}
		file := fmt.Sprintf("out%d", i)
		text := b.text
		if server.MatchString(text) {
			text = "stop\n" + server.ReplaceAllString(text, "portcullis serve --listen "+listen+" --admin-listen "+admin+" $1 >serve.out 2>serve.err &") +
				"SERVER=$!\nready http://" + listen + "/ready\n"
		}
		script += "{\n" + local.Replace(text) + "} >" + file + " 2>&1\n"
		outputs = append(outputs, file)
	}
	script += "stop\n"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "NO_COLOR=1", "TZ=UTC", "GORACE="+noRaceSleep)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	said, err := cmd.CombinedOutput()
	if err != nil {
		for _, f := range append(outputs, "serve.out", "serve.err") {
			b, rerr := os.ReadFile(filepath.Join(dir, f))
			t.Logf("%s: %v\n%s", f, rerr, b)
		}
		t.Fatalf("running the page: %v\n%s", err, said)
	}
	for i, b := range page {
		if b.lang == "text" && i > 0 && page[i-1].lang == "sh" {
			got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out%d", i-1)))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, local.Replace(b.text), string(got))
		}
	}
}

// preamble has what blocks leave to the reader: a second terminal.
const preamble = `
SERVER=
stop() { if [ -n "$SERVER" ]; then kill "$SERVER"; wait "$SERVER"; SERVER=; fi; }
trap 'if [ -n "$SERVER" ]; then kill -9 "$SERVER"; fi' EXIT
ready() { until curl --until-ready "$1"; do :; done; }
`

// compare looks for the lines of want in got, in that order.
func compare(t *testing.T, want, got string) {
	t.Helper()
	at := 0
	for line := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
		loc := regexp.MustCompile("(?m)^" + pattern).FindStringIndex(got[at:])
		if loc == nil {
			t.Errorf("the page shows\n%s\nwhich is not in\n%s", line, got[at:])
			return
		}
		at += loc[1]
	}
}

func mustFree(t *testing.T) string {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// curl is as much of the program of that name as our texts use.
func curl() {
	if len(os.Args) == 3 && os.Args[1] == "--until-ready" {
		deadline := time.Now().Add(patience)
		tick := time.NewTicker(20 * time.Millisecond)
		for ; time.Now().Before(deadline); <-tick.C {
			if resp, err := http.Get(os.Args[2]); err == nil {
				_ = resp.Body.Close() // that it answers is enough
				return
			}
		}
		fmt.Fprintln(os.Stderr, "curl: nothing answers at", os.Args[2])
		os.Exit(0)
	}
	method, url, rest, err := parseCurl(os.Args)
	var out bytes.Buffer
	if err == nil {
		_, err = request(&out, method, url, rest)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(2)
	}
	_, body, _ := strings.Cut(out.String(), "\n\n")
	fmt.Print(body)
}

// TestDocsConfiguration reads every TOML block. A route in one gets the lines
// that every route must have.
func TestDocsConfiguration(t *testing.T) {
	t.Setenv("OIDC_CLIENT_SECRET", "of the examples")
	needed := "[[route]]\nname = \"n\"\npath = \"/n\"\nupstream = \"http://127.0.0.1:1/\"\n"
	pages, err := filepath.Glob(root + "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, bl := range blocks(string(b)) {
			if bl.lang != "toml" {
				continue
			}
			n++
			text := bl.text
			if !strings.Contains(text, "upstream =") && !strings.Contains(text, "command =") {
				text = strings.ReplaceAll(text, "[[route]]\n", needed)
			}
			if _, _, err := config.Parse(filepath.Base(page), []byte(text), anyEnv); err != nil {
				t.Errorf("%s\n%v", text, err)
			}
		}
	}
	if n < 4 {
		t.Errorf("only %d blocks found", n)
	}
}

// TestDocsPolicies reads every Cedar block.
func TestDocsPolicies(t *testing.T) {
	n := 0
	for _, bl := range blocks(readDoc(t, "docs/authorization.md")) {
		if bl.lang != "cedar" {
			continue
		}
		n++
		if _, err := cedar.Load([]cedar.File{{Name: "authorization.md", Text: []byte(bl.text)}}); err != nil {
			t.Errorf("%s\n%v", bl.text, err)
		}
	}
	if n == 0 {
		t.Error("no block was found")
	}
}

// anyEnv has a value for every variable that a page names, one that is long
// enough for a secret and reads as a URL, or a host where the name says so.
func anyEnv(name string) (string, bool) {
	if strings.HasSuffix(name, "_HOST") {
		return "docs.example.com", true
	}
	return "https://docs.example.com/0123456789abcdef", true
}

// TestDocsLinks follows every relative link.
func TestDocsLinks(t *testing.T) {
	pages, err := filepath.Glob(root + "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, root+"README.md", root+"CONTRIBUTING.md", root+"SECURITY.md") {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(b), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
			}
		}
	}
}
