package incident

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	proof "github.com/portcullis-dev/portcullis/auditlog/evidence"
	"github.com/portcullis-dev/portcullis/internal/admin/casework"
	"github.com/portcullis-dev/portcullis/internal/admin/evidence"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/cli"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// verb runs a command as an operator types it, and returns what it printed.
func verb(t *testing.T, g *harness.Gateway, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	args = append(args, "--data", g.DataDir, "--config", g.Config)
	if code := cli.Run(t.Context(), "test", args, strings.NewReader(""), &out, &errs); code != want {
		t.Fatalf("portcullis %s: exit code %d, want %d: %s%s", strings.Join(args, " "), code, want, &out, &errs)
	}
	return out.String()
}

// attacker calls as fast as it can until it is stopped, from several places.
type attacker struct {
	passed atomic.Int64
	last   atomic.Int64 // when a call began that was answered with data, unix nanoseconds
	stop   func()
}

func attack(t *testing.T, url, key string) *attacker {
	t.Helper()
	a := &attacker{}
	done := make(chan struct{})
	var tasks sync.WaitGroup
	for range 4 {
		tasks.Go(func() {
			client := &http.Client{}
			for {
				select {
				case <-done:
					return
				default:
				}
				req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(call)) //nolint:noctx // ends with the test
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("X-API-Key", key)
				began := time.Now()
				resp, err := client.Do(req)
				if err != nil {
					return // the gateway has stopped
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					a.passed.Add(1)
					for old := a.last.Load(); old < began.UnixNano() && !a.last.CompareAndSwap(old, began.UnixNano()); old = a.last.Load() {
					}
				}
			}
		})
	}
	a.stop = sync.OnceFunc(func() { close(done); tasks.Wait() })
	t.Cleanup(a.stop)
	return a
}

const twoRoutes = `
[[incident.contact]]
name = "Ana Novak"
role = "Incident Commander"
email = "ana@example.com"
[[route]]
name = "mcp"
path = "/mcp"
upstream = %[1]q
rate = ["1000000/1s per key"]
[[route]]
name = "other"
path = "/other"
upstream = %[1]q
rate = ["1000000/1s per key"]
`

// TestBadDay: an attacker carries data out with a stolen key while a colleague
// works. The commands of the runbook contain the attacker within a second, under
// load and with a stream open, and lose the colleague nothing but the route that
// was closed; the key is rotated, service resumes, and the report is complete.
func TestBadDay(t *testing.T) {
	left := make(chan struct{})
	var once sync.Once
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			once.Do(func() { close(left) })
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if body, _ := io.ReadAll(r.Body); bytes.Contains(body, []byte("initialize")) {
			w.Header().Set("Mcp-Session-Id", "upstream-1")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"up","version":"1"}}}`)
			return
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`)
	})
	g := harness.Start(t, fmt.Sprintf(twoRoutes, up.URL))
	stolen, id := g.NewKey("tools:*")
	colleague, colleagueID := g.NewKey("tools:*")
	works := func(route string) int {
		return harness.Do(t, http.MethodPost, g.Base+route, []byte(call), "X-API-Key", colleague).Status
	}
	stream := harness.Open(t, http.MethodGet, g.URL, nil, "X-API-Key", stolen, "Accept", "text/event-stream")
	if stream.StatusCode != http.StatusOK {
		t.Fatal(stream.Status)
	}
	const begin = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"colleague","version":"1"}}}`
	session := harness.Do(t, http.MethodPost, g.Base+"/other", []byte(begin), "X-API-Key", colleague).Header.Get("Mcp-Session-Id")
	if session == "" || harness.Do(t, http.MethodPost, g.Base+"/other", []byte(call), "X-API-Key", colleague, "Mcp-Session-Id", session).Status != http.StatusOK {
		t.Fatalf("the colleague has no session %q", session)
	}
	thieves := attack(t, g.URL, stolen)
	until(t, "data leaves", func() bool { return thieves.passed.Load() > 50 })

	verb(t, g, 0, "incident", "open", "a key was stolen", "--severity", "P1", "--subject", "key:"+id, "--owner", "alice")
	verb(t, g, 0, "incident", "contain", "key:"+id, "--for", "1h", "--reason", "stolen")
	answered := time.Now()
	held, err := incidents.Containments(t.Context(), g.API(), false)
	if err != nil || len(held) != 1 || held[0].Incident == "" {
		t.Fatalf("%+v, %v", held, err)
	}
	<-left // the open stream ends
	if r := ask(t, g, thief, stolen); r.Status != http.StatusForbidden {
		t.Errorf("the stolen key: %d", r.Status)
	}
	verb(t, g, 0, "incident", "contain", "route:mcp", "--for", "1h", "--reason", "data left by it")
	if works("/mcp") != http.StatusForbidden || works("/other") != http.StatusOK {
		t.Error("the colleague loses more, or less, than the route that was closed")
	}
	thieves.stop()
	last := time.Unix(0, thieves.last.Load())
	if last.After(answered) {
		t.Errorf("a call that began %s behind the answer to the command passed", last.Sub(answered))
	}
	if late := last.Sub(held[0].At); late > time.Second {
		t.Errorf("the attacker was let in %s after the containment", late)
	}

	verb(t, g, 0, "incident", "phase", "contain")
	verb(t, g, 0, "incident", "note", "the key was in ticket 4711")
	verb(t, g, 1, "incident", "phase", "eradicate") // no evidence yet
	plan := verb(t, g, 0, "incident", "playbook", "run", "stolen-key", "--dry-run", "--output", "json")
	if !strings.Contains(plan, `"action":"evidence"`) {
		t.Errorf("plan %s", plan)
	}
	for _, destroys := range [][]string{{"revoke-sessions"}, {"rotate-all", "--plan", planned(t, g)}} {
		verb(t, g, 1, append([]string{"incident"}, destroys...)...) // nor for these
	}
	verb(t, g, 0, "incident", "phase", "preserve")
	kept := preserve(t, g)
	verb(t, g, 0, "incident", "phase", "eradicate")
	verb(t, g, 0, "incident", "revoke-sessions", "--reason", "stolen")
	if r := harness.Do(t, http.MethodPost, g.Base+"/other", []byte(call), "X-API-Key", colleague, "Mcp-Session-Id", session); r.Status != http.StatusNotFound {
		t.Errorf("a session from before: %d %s", r.Status, r.Body)
	}
	verb(t, g, 0, "key", "revoke", id, "--reason", "stolen")
	tokens := filepath.Join(t.TempDir(), "tokens.jsonl")
	verb(t, g, 0, "incident", "rotate-all", "--plan", planned(t, g), "--out", tokens, "--reason", "stolen")
	if works("/other") != http.StatusUnauthorized {
		t.Error("a key from before the rotation is taken")
	}
	colleague = claim(t, g, tokens, colleagueID)
	verb(t, g, 0, "incident", "phase", "recover")
	verb(t, g, 0, "incident", "release", "route:mcp", "--reason", "the key is dead")
	if works("/mcp") != http.StatusOK || works("/other") != http.StatusOK {
		t.Error("service does not resume")
	}
	if r := ask(t, g, thief, stolen); r.Status == http.StatusOK {
		t.Error("the stolen key lives")
	}
	said := verb(t, g, 0, "incident", "notify", "it is over")
	if !strings.Contains(said, "Ana Novak (Incident Commander): ana@example.com") {
		t.Errorf("notify says %q", said)
	}
	verb(t, g, 0, "incident", "phase", "review")
	checkReport(t, g, id, kept)
	verb(t, g, 0, "incident", "close", "--reason", "over")
	verb(t, g, 0, "audit", "verify")
}

// planned returns the digest of the plan to rotate everything.
func planned(t *testing.T, g *harness.Gateway) string {
	t.Helper()
	var r struct {
		Plan string `json:"plan"`
	}
	if err := json.Unmarshal([]byte(verb(t, g, 0, "incident", "rotate-all", "--dry-run", "--output", "json")), &r); err != nil || r.Plan == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	return r.Plan
}

// preserve keeps evidence, and verifies it where there is nothing else: with
// package auditlog and the key of the log alone.
func preserve(t *testing.T, g *harness.Gateway) evidence.Archive {
	t.Helper()
	key, err := note.NewVerifier(strings.TrimSpace(verb(t, g, 0, "audit", "checkpoint", "--show-key")))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "case.tar.gz")
	var made evidence.Archive
	if err := json.Unmarshal([]byte(verb(t, g, 0, "incident", "evidence", "--out", file, "--reason", "ticket 4711", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != made.SHA256 {
		t.Errorf("the archive has not the digest %s", made.SHA256)
	}
	r, err := proof.Verify(bytes.NewReader(data), key)
	if err != nil || r.Records == 0 || r.Records != made.Counts.Records || made.Counts.Refused == 0 {
		t.Errorf("%+v, %+v: %v", r, made, err)
	}
	for _, want := range []string{"config.json", "keys.json", "sessions.json", "tools.json", "metrics.txt", "versions.json", "sbom.cdx.json", "containments.json"} {
		if !slices.ContainsFunc(r.Files, func(f proof.File) bool { return f.Name == want }) {
			t.Errorf("the archive has no %s", want)
		}
	}
	data[len(data)/2] ^= 1
	if _, err := proof.Verify(bytes.NewReader(data), key); !errors.Is(err, bundle.ErrTampered) {
		t.Errorf("another archive: %v", err)
	}
	return made
}

// claim fetches the key that follows the one of an id, as its holder does.
func claim(t *testing.T, g *harness.Gateway, tokens, id string) string {
	t.Helper()
	data, err := os.ReadFile(tokens)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var one struct {
			Before string `json:"predecessor"`
			Token  string `json:"claim_token"`
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if one.Before != id {
			continue
		}
		var out, errs bytes.Buffer
		if code := cli.Run(t.Context(), "test", []string{"key", "claim", "--url", g.Base, "--output", "json"}, strings.NewReader(one.Token+"\n"), &out, &errs); code != 0 {
			t.Fatalf("claiming a key: %d %s", code, &errs)
		}
		var key struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(out.Bytes(), &key); err != nil || key.Key == "" {
			t.Fatalf("claiming a key: %v", err)
		}
		return key.Key
	}
	t.Fatalf("no claim token for the successor of %s among %d bytes", id, len(data))
	return ""
}

func checkReport(t *testing.T, g *harness.Gateway, id string, kept evidence.Archive) {
	t.Helper()
	var rep casework.Report
	if err := json.Unmarshal([]byte(verb(t, g, 0, "incident", "report", "--output", "json")), &rep); err != nil {
		t.Fatal(err)
	}
	if len(rep.Missing) != 0 {
		t.Errorf("the report lacks %v", rep.Missing)
	}
	for _, part := range []string{"a key was stolen", "contain key:" + id, "route:mcp", "ticket 4711", "api key revoked", "api key rotated", "session revoked session:all", kept.Name, kept.SHA256, "| contain |", "| preserve |", "| eradicate |", "| recover |", "## Lessons", "## Actions", "calls were refused"} {
		if !strings.Contains(rep.Markdown, part) {
			t.Errorf("the report lacks %q:\n%s", part, rep.Markdown)
		}
	}
}

// TestPlaybookByRisk: a rule starts a playbook for the incident that it opens,
// once, and whom no rule contains is left alone.
func TestPlaybookByRisk(t *testing.T) {
	rules := func(never string) string {
		return strings.Replace(scanning, `actions = ["alert", "block"]`, `actions = ["alert"]`+"\nplaybook = \"default\"", 1) + "[incident]\nnever = [" + never + "]\n"
	}
	g := harness.Start(t, config(answers(t), rules("")))
	key, id := g.NewKey("tools:*")
	attackWith(t, g, key)
	until(t, "the key is held", func() bool { return ask(t, g, other, key).Status == http.StatusForbidden })
	var runs []casework.Run
	until(t, "the playbook has ended", func() bool {
		var err error
		if runs, err = casework.Runs(t.Context(), g.API(), ""); err != nil {
			t.Fatal(err)
		}
		return len(runs) == 1 && runs[0].State != "running"
	})
	if !runs[0].Auto || runs[0].Playbook != "default" || runs[0].Steps[0].State != "done" {
		t.Errorf("%+v", runs[0])
	}
	held, err := incidents.Containments(t.Context(), g.API(), false)
	if err != nil || len(held) != 1 || held[0].Subject != "principal:key:"+id || !held[0].Auto || held[0].Incident != runs[0].Incident {
		t.Errorf("%+v, %v", held, err)
	}
	c, err := casework.Show(t.Context(), g.API(), runs[0].Incident)
	if err != nil || c.Phase != "preserve" && c.Phase != "contain" || len(c.Timeline) < 4 {
		t.Errorf("%+v, %v", c, err)
	}

	g = harness.Start(t, config(answers(t), rules(`"principal:key:`+strings.Repeat("0", 32)+`"`)))
	key, _ = g.NewKey("tools:*")
	attackWith(t, g, key)
	until(t, "an incident is open", func() bool { return len(find(g, "INCIDENT_OPENED")) == 1 })
}

// attackWith calls many tools, which is what detection looks for.
func attackWith(t *testing.T, g *harness.Gateway, key string) {
	t.Helper()
	for i := range 250 {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"tool_%d","arguments":{}}}`, i%60)
		harness.Do(t, http.MethodPost, g.URL, []byte(body), "X-API-Key", key, "X-Forwarded-For", thief)
	}
}

// TestTimelineOutlivesACrash: what was done is in the timeline behind a restart,
// once.
func TestTimelineOutlivesACrash(t *testing.T) {
	g := harness.Start(t, config(answers(t), ""))
	if _, err := casework.OpenIncident(t.Context(), g.API(), casework.Open{Title: "odd", Subjects: []string{"ip:203.0.113.9"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := incidents.Hold(t.Context(), g.API(), incidents.Contain{Subject: "ip:203.0.113.9", Seconds: 60, Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		c, err := casework.Show(t.Context(), g.API(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Timeline {
			if e.Kind == "action" {
				n++
			}
		}
		return n
	}
	if count() != 1 {
		t.Errorf("%d actions", count())
	}
	g.Restart()
	if count() != 1 {
		t.Errorf("%d actions behind a restart", count())
	}
}
