package lifecycle

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

const call = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"%s","arguments":{}}}`

const plenty = `rate = ["1000000/1s per address", "1000000/1s per key"]`

func route(up *harness.Upstream, lines ...string) string {
	return fmt.Sprintf("[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = %q\n%s\n%s\n", up.URL+"/mcp", plenty, strings.Join(lines, "\n"))
}

// until polls a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waiting in vain: %s", what)
		}
	}
}

// slow is an upstream that answers "echo" at once and streams to all others
// what the test tells it.
type slow struct {
	*harness.Upstream
	events  chan string
	arrived chan struct{}
}

func newSlow(t *testing.T) *slow {
	s := &slow{events: make(chan string), arrived: make(chan struct{}, 16)}
	s.Upstream = harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			if strings.Contains(string(body), `"echo"`) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`)
				return
			}
		}
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		if rc.Flush() != nil {
			return
		}
		s.arrived <- struct{}{}
		for {
			select {
			case <-r.Context().Done():
				return
			case e, ok := <-s.events:
				if !ok {
					return
				}
				if _, err := io.WriteString(w, e); err != nil || rc.Flush() != nil {
					return
				}
			}
		}
	})
	return s
}

const (
	progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n"
	result   = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}\n\n"
)

func post(t *testing.T, g *harness.Gateway, tool string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(call, tool)), "X-API-Key", g.Key)
}

func TestReload(t *testing.T) {
	up := newSlow(t)
	token := func(s string) string { return "[telemetry]\nmetrics_token = \"s3cr3t-" + s + "-0123456789\"\n" }
	g := harness.Start(t, route(up.Upstream)+token("old"))
	stream := harness.Open(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(call, "stream")), "X-API-Key", g.Key)
	<-up.arrived
	conn := &http.Client{Transport: &http.Transport{}}
	defer conn.CloseIdleConnections()
	status, reused := overConn(t, conn, g)
	if status != http.StatusOK || reused {
		t.Fatalf("before: %d", status)
	}

	g.Reconfigure(route(up.Upstream, "[route.tools]", `deny = ["echo"]`) + token("new"))
	until(t, "the new rule", func() bool { return post(t, g, "echo").Status == http.StatusForbidden })
	if status, reused = overConn(t, conn, g); status != http.StatusForbidden || !reused {
		t.Errorf("on the old connection: status %d, reused %t", status, reused)
	}
	up.events <- result
	close(up.events)
	if text, err := io.ReadAll(stream.Body); err != nil || string(text) != result {
		t.Errorf("the running stream: %q, %v", text, err)
	}
	changed := map[string]harness.Event{}
	for _, e := range g.Events() {
		if e.Type == "CONFIG_CHANGED" {
			changed[fmt.Sprint(e.Details["field"])] = e
		}
	}
	if len(changed) != 2 {
		t.Errorf("changes %v", changed)
	}
	for field, e := range changed {
		text := fmt.Sprint(e.Details)
		if strings.Contains(text, "s3cr3t") || strings.Contains(field, "token") && !strings.Contains(text, "[masked]") {
			t.Errorf("%s is not masked: %s", field, text)
		}
	}

	before := len(g.Events())
	g.Reconfigure(route(up.Upstream, "tolls = 1"))
	until(t, "the complaint", func() bool { return strings.Contains(g.Log.String(), "tolls") })
	if post(t, g, "echo").Status != http.StatusForbidden {
		t.Error("the last good configuration is not in force")
	}
	for _, e := range g.Events()[before:] {
		if e.Type == "CONFIG_CHANGED" {
			t.Errorf("an invalid file changed %v", e.Details)
		}
	}
	if !strings.Contains(g.Log.String(), "portcullis.toml:10: ") {
		t.Error("the log does not name the line")
	}
	if !strings.Contains(g.Metrics(), `portcullis_config_reloads_total{result="failure"} 1`) {
		t.Error("the failed reload is not counted")
	}
	if _, err := g.API().Reload(t.Context()); err == nil {
		t.Error("the admin API takes an invalid file")
	}
	g.Reconfigure(route(up.Upstream))
	until(t, "the rule to be gone", func() bool { return post(t, g, "echo").Status == http.StatusOK })
	if strings.Contains(g.Log.String(), "s3cr3t-") {
		t.Error("the log tells the token")
	}
}

// overConn calls over the connection that client keeps.
func overConn(t *testing.T, client *http.Client, g *harness.Gateway) (status int, reused bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, strings.NewReader(fmt.Sprintf(call, "echo")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-API-Key", g.Key)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, reused
}

func TestShutdown(t *testing.T) {
	up := newSlow(t)
	g := harness.Start(t, route(up.Upstream))
	running := harness.Open(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(call, "stream")), "X-API-Key", g.Key)
	<-up.arrived
	listening := harness.Open(t, http.MethodGet, g.URL, nil, "X-API-Key", g.Key, "Accept", "text/event-stream")
	<-up.arrived
	if ready := harness.Do(t, http.MethodGet, g.Base+"/ready", nil); ready.Status != http.StatusOK {
		t.Errorf("/ready says %d", ready.Status)
	}
	var stopped sync.WaitGroup
	stopped.Go(func() { g.Stop(20 * time.Second) })

	if rest, err := io.ReadAll(listening.Body); err != nil || len(rest) > 0 {
		t.Errorf("the listening stream ended with %q, %v", rest, err)
	}
	refused := func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, strings.NewReader(fmt.Sprintf(call, "echo")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-API-Key", g.Key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return true // the listener is closed
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != ""
	}
	until(t, "new calls to be refused", refused)

	r := bufio.NewReader(running.Body)
	for range 3 {
		up.events <- progress
		if line, err := r.ReadString('\n'); err != nil || line+"\n" != progress {
			t.Fatalf("the running call: %q, %v", line, err)
		}
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	up.events <- result
	close(up.events)
	if rest, err := io.ReadAll(r); err != nil || string(rest) != result {
		t.Errorf("the running call ended with %q, %v", rest, err)
	}
	stopped.Wait()
	events := g.Events()
	if last := events[len(events)-1]; last.Type != "GATEWAY_STOPPED" {
		t.Errorf("the journal ends with %s", last.Type)
	}
	finished := 0
	for _, e := range events {
		if e.Type == "CALL_FINISHED" && e.Route == "mcp" {
			finished++
			if e.Outcome != "success" {
				t.Errorf("outcome %+v", e)
			}
		}
	}
	if finished != 2 {
		t.Errorf("%d outcomes, want those of the call and of the stream", finished)
	}
}

// A call that outlasts the grace period is cut off, and its outcome recorded.
func TestShutdownCutsOff(t *testing.T) {
	up := newSlow(t)
	g := harness.Start(t, route(up.Upstream))
	running := harness.Open(t, http.MethodPost, g.URL, []byte(fmt.Sprintf(call, "stream")), "X-API-Key", g.Key)
	<-up.arrived
	g.Stop(50 * time.Millisecond)
	if rest, err := io.ReadAll(running.Body); err == nil {
		t.Errorf("the call ends as if it were whole: %q", rest)
	}
	events := g.Events()
	for _, e := range events {
		if e.Type == "CALL_FINISHED" && e.Route == "mcp" {
			if e.Outcome != "failure" {
				t.Errorf("outcome %+v", e)
			}
			return
		}
	}
	t.Errorf("no outcome among %d events, the last %s", len(events), events[len(events)-1].Type)
}
