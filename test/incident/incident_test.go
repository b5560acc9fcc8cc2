package incident

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const (
	call  = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{}}}`
	thief = "203.0.113.9"
	other = "198.51.100.1"
)

// config is a gateway behind a proxy on this machine, so that tests can say
// where a caller is. It ends in [server].
func config(up *harness.Upstream, more string) string {
	return "trusted_proxies = [\"127.0.0.1\"]\n" + more + fmt.Sprintf("\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = %q\nrate = [\"1000000/1s per address\", \"1000000/1s per key\"]\n", up.URL)
}

func answers(t *testing.T) *harness.Upstream {
	return harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`)
	})
}

func ask(t *testing.T, g *harness.Gateway, from, key string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", key, "X-Forwarded-For", from)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// until polls for what the gateway does in the background.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

func find(g *harness.Gateway, kind string) (out []harness.Event) {
	for _, e := range g.Events() {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out
}

// TestGuessingIsBlocked: six wrong keys from a Tor exit are a risk of 90. The
// rule blocks that address and no other, and a person lets it go again.
func TestGuessingIsBlocked(t *testing.T) {
	list := filepath.Join(t.TempDir(), "exits")
	if err := os.WriteFile(list, []byte(thief+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := harness.Start(t, config(answers(t), fmt.Sprintf("[detect.enrich]\ntor_file = %q\n[[incident.response]]\nname = \"guessing\"\non = \"address\"\nactions = [\"alert\", \"block\"]\nfor = \"30m\"\n", list)))
	wrong := "mcp_" + strings.Repeat("0", 32) + "." + strings.Repeat("A", 43)
	for i := range 6 {
		if r := ask(t, g, thief, wrong); r.Status != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d %s", i, r.Status, r.Body)
		}
	}
	until(t, "the address is blocked", func() bool { return ask(t, g, thief, g.Key).Status == http.StatusForbidden })
	r := ask(t, g, thief, wrong) // no more guessing
	if r.Status != http.StatusForbidden || !strings.Contains(r.Body, `"reason":"contained"`) || strings.Contains(r.Body, "guess") || strings.Contains(r.Body, thief) {
		t.Errorf("refusal: %d %s", r.Status, r.Body)
	}
	if r := ask(t, g, other, g.Key); r.Status != http.StatusOK {
		t.Errorf("somebody else: %d %s", r.Status, r.Body)
	}
	open, err := incidents.Incidents(t.Context(), g.API(), false)
	if err != nil || len(open) != 1 || open[0].Score != 90 || open[0].Subject != "ip:"+thief || open[0].Rule != "guessing" {
		t.Fatalf("incidents %+v, %v", open, err)
	}
	held, err := incidents.Containments(t.Context(), g.API(), false)
	if err != nil || len(held) != 1 || !held[0].Auto || held[0].Incident != open[0].ID || held[0].Until.Sub(held[0].At).Round(time.Minute) != 30*time.Minute {
		t.Fatalf("containments %+v, %v", held, err)
	}
	if got := find(g, "INCIDENT_OPENED"); len(got) != 1 || got[0].Resource != "incident:"+open[0].ID || got[0].Details["dedup_key"] != open[0].ID || fmt.Sprint(got[0].Details["failed_attempts"]) != "6" || got[0].Details["tor_exit"] != true {
		t.Errorf("%+v", got)
	}
	if got := find(g, "INCIDENT_ACTION"); len(got) != 1 || got[0].Action != "contain" || !strings.Contains(got[0].Reason, "risk 90") || got[0].Details["automatic"] != true {
		t.Errorf("%+v", got)
	}
	if got := find(g, "CONTAINED_CALL_REFUSED"); len(got) == 0 || got[0].Details["containment"] != held[0].ID || got[0].Details["guard"] != "containment" {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"portcullis_containments_active 1", "portcullis_incidents_open 1", `guard="containment"`} {
		if !strings.Contains(g.Metrics(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if _, err := incidents.LetGo(t.Context(), g.API(), incidents.Release{Which: "ip:" + thief, Reason: "a test of our own"}); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, g, thief, g.Key); r.Status != http.StatusOK {
		t.Errorf("after the release: %d %s", r.Status, r.Body)
	}
	ask(t, g, thief, wrong)
	until(t, "the next guess is noticed, and leaves who was let go alone", func() bool {
		for _, e := range find(g, "INCIDENT_ACTION") {
			if e.Reason == "released" && e.Outcome == "failure" {
				return true
			}
		}
		return false
	})
	if r := ask(t, g, thief, g.Key); r.Status != http.StatusOK {
		t.Errorf("who was let go is blocked again: %d %s", r.Status, r.Body)
	}
	if _, err := incidents.CloseIncident(t.Context(), g.API(), incidents.Close{ID: open[0].ID, Reason: "done"}); err != nil {
		t.Error(err)
	}
	segments, err := filepath.Glob(filepath.Join(g.DataDir, "audit", "journal", "*"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, name := range segments {
		text, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(text), thief) {
			t.Errorf("%s names the address in clear, or %v", name, err)
		}
	}
}

// TestNobodyIsContainedByDefault: without a rule there is an incident and
// nothing else.
func TestNobodyIsContainedByDefault(t *testing.T) {
	list := filepath.Join(t.TempDir(), "exits")
	if err := os.WriteFile(list, []byte(thief+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := harness.Start(t, config(answers(t), fmt.Sprintf("[detect.enrich]\ntor_file = %q\n", list)))
	for range 6 {
		ask(t, g, thief, "mcp_"+strings.Repeat("0", 32)+"."+strings.Repeat("A", 43))
	}
	until(t, "an incident is open", func() bool { return len(find(g, "INCIDENT_OPENED")) == 1 })
	if r := ask(t, g, thief, g.Key); r.Status != http.StatusOK || len(find(g, "INCIDENT_ACTION")) != 0 {
		t.Errorf("%d %s, %+v", r.Status, r.Body, find(g, "INCIDENT_ACTION"))
	}
}

// TestIdleStreamEnds: a stream on which nothing comes ends when its caller is
// contained, not only when something comes.
func TestIdleStreamEnds(t *testing.T) {
	left := make(chan struct{})
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	})
	g := harness.Start(t, config(up, ""))
	key, id := g.NewKey("tools:*")
	resp := harness.Open(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", key)
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	began := time.Now()
	if _, err := incidents.Hold(t.Context(), g.API(), incidents.Contain{Subject: "key:" + id, Seconds: 60, Reason: "leaked"}); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(resp.Body) // ends, or the test does
	<-left
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stream ran on for %s", took)
	}
	until(t, "the outcome is recorded", func() bool {
		for _, e := range find(g, "CALL_FINISHED") {
			if e.Route == "mcp" && e.Outcome == "failure" && e.Reason == "contained" {
				return true
			}
		}
		return false
	})
	if r := ask(t, g, other, key); r.Status != http.StatusForbidden || !strings.Contains(r.Body, "contained") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestOperatorsAreNotLockedOut: containing the key of an operator leaves the
// admin listener open unless that was asked for, and the socket always.
func TestOperatorsAreNotLockedOut(t *testing.T) {
	g := harness.Start(t, config(answers(t), ""))
	key, id := g.NewKey("tools:*", "manage")
	status := func() int {
		return harness.Do(t, http.MethodGet, g.Admin+"/api/v1/status", nil, "X-API-Key", key).Status
	}
	hold := func(admin bool) {
		t.Helper()
		if _, err := incidents.Hold(t.Context(), g.API(), incidents.Contain{Subject: "key:" + id, Seconds: 60, Reason: "leaked", Admin: admin}); err != nil {
			t.Fatal(err)
		}
	}
	hold(false)
	if r := ask(t, g, other, key); r.Status != http.StatusForbidden || status() != http.StatusOK {
		t.Errorf("call %d, admin %d", r.Status, status())
	}
	hold(true)
	if status() != http.StatusForbidden {
		t.Errorf("admin %d", status())
	}
	if _, err := incidents.LetGo(t.Context(), g.API(), incidents.Release{Which: "key:" + id}); err != nil || status() != http.StatusOK {
		t.Errorf("after the release by the socket: %d, %v", status(), err)
	}
	for _, bad := range []incidents.Contain{
		{Subject: "ip:0.0.0.0/0", Seconds: 60, Reason: "x"}, {Subject: "ip:10.0.0.1", Measure: "step_up", Seconds: 60, Reason: "x"},
		{Subject: "user:a", Measure: "throttle", Seconds: 60, Reason: "x"}, {Subject: "user:a", Seconds: 0, Reason: "x"}, {Subject: "user:a", Seconds: 60},
	} {
		if got, err := incidents.Hold(t.Context(), g.API(), bad); err == nil {
			t.Errorf("%+v was taken: %+v", bad, got)
		}
	}
}

// TestToolIsHeldAndLetGo: a tool that was in use is in use again behind its
// release.
func TestToolIsHeldAndLetGo(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(string(body), "tools/list") {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}`)
			return
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`)
	})
	g := harness.Start(t, config(up, ""))
	if r := harness.Do(t, http.MethodPost, g.URL, []byte(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`), "X-API-Key", g.Key); !strings.Contains(r.Body, "echo") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	if _, err := incidents.Hold(t.Context(), g.API(), incidents.Contain{Subject: "tool:mcp/echo", Seconds: 600, Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, g, other, g.Key); r.Status != http.StatusForbidden {
		t.Errorf("a held tool: %d %s", r.Status, r.Body)
	}
	list, err := incidents.LetGo(t.Context(), g.API(), incidents.Release{Which: "tool:mcp/echo"})
	if err != nil || len(list) != 1 || list[0].StillHeld {
		t.Fatalf("%+v, %v", list, err)
	}
	if r := ask(t, g, other, g.Key); r.Status != http.StatusOK {
		t.Errorf("behind the release: %d %s", r.Status, r.Body)
	}
	if _, err := incidents.Hold(t.Context(), g.API(), incidents.Contain{Subject: "tool:mcp/unseen", Seconds: 600, Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	if list, err := incidents.LetGo(t.Context(), g.API(), incidents.Release{Which: "tool:mcp/unseen"}); err != nil || !list[0].StillHeld {
		t.Errorf("a tool that nobody approved: %+v, %v", list, err)
	}
}
