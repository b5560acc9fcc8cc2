package incident

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/detect/enrich/mmdbtest"
	"github.com/portcullis-dev/portcullis/test/collector"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// scanning makes patterns show soon, and blocks callers above 80.
const scanning = `
[detect.anomaly.patterns.rapid]
requests = 40
[detect.anomaly.patterns.scanning]
tools = 10
refusals = 10
[[incident.response]]
name = "scan"
on = "any"
actions = ["alert", "block"]
for = "30m"
`

// receiver is a SIEM that takes what a webhook sink sends.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	events []map[string]any
}

func newReceiver(t *testing.T) *receiver {
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var list []map[string]any
		if err := json.NewDecoder(req.Body).Decode(&list); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, list...)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) find(is func(map[string]any) bool) map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if is(e) {
			return e
		}
	}
	return nil
}

// scan calls n different tools with a key and returns how many were refused.
func scan(t *testing.T, g *harness.Gateway, from, key string, n int) (contained int) {
	t.Helper()
	for i := range n {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"tool_%d","arguments":{}}}`, i%60)
		r := harness.Do(t, http.MethodPost, g.URL, []byte(body), "X-API-Key", key, "X-Forwarded-For", from)
		if r.Status == http.StatusForbidden && strings.Contains(r.Body, `"reason":"contained"`) {
			contained++
		} else if r.Status != http.StatusOK {
			t.Fatalf("call %d: %d %s", i, r.Status, r.Body)
		}
	}
	return contained
}

// TestScanningKeyIsBlocked follows one attack through all parts: detection finds
// both patterns, the risk is what they add up to, a rule blocks the key and
// nobody who shares its address, its streams end, and a person lets it go.
func TestScanningKeyIsBlocked(t *testing.T) {
	left := make(chan struct{})
	var once sync.Once
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Listen") != "" || r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			once.Do(func() { close(left) })
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`)
	})
	g := harness.Start(t, config(up, scanning))
	key, id := g.NewKey("tools:*")
	colleague, _ := g.NewKey("tools:*")
	stream := harness.Open(t, http.MethodGet, g.URL, nil, "X-API-Key", key, "X-Forwarded-For", thief, "Accept", "text/event-stream")
	if stream.StatusCode != http.StatusOK {
		t.Fatal(stream.Status)
	}
	scan(t, g, thief, key, 250)
	until(t, "the key is blocked", func() bool { return ask(t, g, other, key).Status == http.StatusForbidden })
	if _, err := io.ReadAll(stream.Body); err == nil { // ends, or the test does
		t.Log("the stream ended in order")
	}
	<-left
	if r := ask(t, g, thief, colleague); r.Status != http.StatusOK {
		t.Errorf("a colleague at the same address: %d %s", r.Status, r.Body)
	}

	patterns := map[string]bool{}
	for _, e := range find(g, "ANOMALY_DETECTED") {
		if p, ok := e.Details["pattern"].(string); ok && e.Details["subject_kind"] == "principal" && e.Actor["id"] == "key:"+id {
			patterns[p] = true
		}
	}
	if !patterns["RAPID_REQUESTS"] || !patterns["SCANNING"] {
		t.Errorf("patterns %v", patterns)
	}
	opened := find(g, "INCIDENT_OPENED")
	if len(opened) != 1 || opened[0].Actor["id"] != "key:"+id || opened[0].Severity != "CRITICAL" || opened[0].Details["rapid_requests"] != true || opened[0].Details["scanning"] != true {
		t.Fatalf("%+v", opened)
	}
	open, err := incidents.Incidents(t.Context(), g.API(), false)
	if err != nil || len(open) != 1 || open[0].Score != 100 { // 25 + 35 + 50
		t.Fatalf("%+v, %v", open, err)
	}
	held, err := incidents.Containments(t.Context(), g.API(), false)
	if err != nil || len(held) != 1 || held[0].Subject != "principal:key:"+id {
		t.Fatalf("%+v, %v", held, err)
	}
	if strings.Contains(g.Log.String(), `"subject":"key:`+id) {
		t.Error("the log names the caller")
	}

	g.Restart()
	if r := ask(t, g, other, key); r.Status != http.StatusForbidden || !strings.Contains(r.Body, "contained") {
		t.Errorf("after a restart: %d %s", r.Status, r.Body)
	}
	if _, err := incidents.LetGo(t.Context(), g.API(), incidents.Release{Which: held[0].Subject, Reason: "our own scanner"}); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, g, thief, key); r.Status != http.StatusOK {
		t.Errorf("after the release: %d %s", r.Status, r.Body)
	}
	g.Restart() // nothing is done a second time, and who was let go is spared
	if n := scan(t, g, thief, key, 250); n != 0 || len(find(g, "INCIDENT_OPENED")) != 1 {
		t.Errorf("%d calls of who was let go are refused, %d incidents", n, len(find(g, "INCIDENT_OPENED")))
	}
}

// TestStrangersBlameNobody: whoever fails to log in from a shared address, in
// the name of whomever, gets the callers of that address no risk of their own.
func TestStrangersBlameNobody(t *testing.T) {
	g := harness.Start(t, config(answers(t), strings.Replace(scanning, `on = "any"`, `on = "principal"`, 1)))
	key, id := g.NewKey("tools:*")
	for i := range 250 {
		wrong := "mcp_" + id + "." + strings.Repeat("A", 43) // the id of the victim, and no secret of it
		if r := ask(t, g, thief, wrong); r.Status != http.StatusUnauthorized && r.Status != http.StatusTooManyRequests {
			t.Fatalf("guess %d: %d %s", i, r.Status, r.Body)
		}
		if i%10 == 0 {
			if r := ask(t, g, thief, key); r.Status != http.StatusOK {
				t.Fatalf("the victim at the same address: %d %s", r.Status, r.Body)
			}
		}
	}
	until(t, "the address is noticed", func() bool {
		for _, e := range find(g, "ANOMALY_DETECTED") {
			if e.Details["subject_kind"] == "address" && e.Details["pattern"] == "SCANNING" {
				return true
			}
		}
		return false
	})
	if r := ask(t, g, thief, key); r.Status != http.StatusOK || len(find(g, "INCIDENT_ACTION")) != 0 || len(find(g, "INCIDENT_OPENED")) != 0 {
		t.Errorf("%d %s %+v", r.Status, r.Body, find(g, "INCIDENT_OPENED"))
	}
}

// TestEnrichedEventsReachASink: what a SIEM gets of a call has place, program,
// Tor and risk, and the same ids as the audit log, the span and the reply.
func TestEnrichedEventsReachASink(t *testing.T) {
	c, siem, dir := collector.Start(t), newReceiver(t), t.TempDir()
	list, places := filepath.Join(dir, "exits"), filepath.Join(dir, "places.mmdb")
	write(t, list, thief+"\n")
	mmdbtest.Write(t, places, map[string]map[string]any{"203.0.113.0/24": mmdbtest.Place("NL", "Delft")})
	write(t, filepath.Join(dir, "secret"), strings.Repeat("s", 32))
	g := harness.Start(t, config(answers(t), fmt.Sprintf(`
[detect.enrich]
tor_file = %q
geoip = %q
[[audit.sinks]]
name = "siem"
type = "webhook"
url = %q
secret = "secret://file%s"
batch = { events = 50, wait = "100ms" }
[telemetry.traces]
endpoint = %q
`, list, places, siem.URL, filepath.Join(dir, "secret"), c.URL)))
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	r := harness.Do(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", g.Key, "X-Forwarded-For", thief,
		"User-Agent", firefox, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if r.Status != http.StatusOK {
		t.Fatal(r.Status, r.Body)
	}
	var got map[string]any
	until(t, "the call reaches the sink", func() bool {
		got = siem.find(func(e map[string]any) bool {
			return e["type"] == "CALL_FINISHED" && e["request_id"] == r.Header.Get("X-Request-Id")
		})
		return got != nil
	})
	actor, _ := got["actor"].(map[string]any)
	geo, _ := actor["geo"].(map[string]any)
	details, _ := got["details"].(map[string]any)
	agent, _ := details["user_agent"].(map[string]any)
	if geo["country"] != "NL" || geo["city"] != "Delft" || agent["name"] != "Firefox" || agent["os"] != "Linux" || details["tor_exit"] != true || fmt.Sprint(got["risk_score"]) != "30" || actor["ip"] != thief {
		t.Errorf("%v", got)
	}
	if got["trace_id"] != trace || got["time"] == nil || got["service"] == nil || got["environment"] == nil {
		t.Errorf("%v", got)
	}
	for _, e := range g.EventsOf(r.Header.Get("X-Request-Id")) {
		if e.Type == "CALL_FINISHED" && (e.TraceID != trace || e.ID != got["id"]) {
			t.Errorf("the journal has trace %s and id %s", e.TraceID, e.ID)
		}
	}
	until(t, "the span arrives", func() bool {
		for _, s := range c.Spans() {
			if s.Trace() == trace && s.Attributes()["portcullis.request_id"] == r.Header.Get("X-Request-Id") {
				return true
			}
		}
		return false
	})
	for _, s := range c.Spans() {
		if text := fmt.Sprint(s); strings.Contains(text, thief) || strings.Contains(text, g.Key) || strings.Contains(text, "Firefox") {
			t.Errorf("a span names the caller: %s", text)
		}
	}
}
