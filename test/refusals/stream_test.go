package refusals

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin/tokens"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// await polls the journal for an event of a type.
func await(t *testing.T, g *harness.Gateway, kind string) harness.Event {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for {
		for _, e := range g.Events() {
			if e.Type == kind && e.Route != "admin" {
				return e
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no %s in the journal", kind)
		}
	}
}

// feed is an upstream whose stream is written by the test.
type feed struct {
	*harness.Upstream
	events chan string   // closed: the stream ends
	left   chan struct{} // closed when the stream is over for the upstream
}

func newFeed(t *testing.T) *feed {
	f := &feed{events: make(chan string), left: make(chan struct{})}
	f.Upstream = harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(f.left)
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		rc := http.NewResponseController(w)
		if rc.Flush() != nil {
			return
		}
		for {
			select {
			case <-r.Context().Done():
				return
			case e, ok := <-f.events:
				if !ok {
					return
				}
				if _, err := io.WriteString(w, e); err != nil || rc.Flush() != nil {
					return
				}
			}
		}
	})
	return f
}

const (
	progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n"
	result   = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}\n\n"
)

// next reads one event.
func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v after %q", err, b.String())
		}
		b.WriteString(line)
		if line == "\n" {
			return b.String()
		}
	}
}

func TestStreamPassesAtOnce(t *testing.T) {
	up := newFeed(t)
	g := harness.Start(t, oneRoute(up.Upstream))
	resp := harness.Open(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", g.Key)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	r := bufio.NewReader(resp.Body)
	sent := 0
	for i := range 3 { // the second is written when the first has arrived
		up.events <- progress
		if got := next(t, r); got != progress {
			t.Fatalf("event %d: %q", i, got)
		}
		sent += len(progress)
	}
	up.events <- result
	if got := next(t, r); got != result {
		t.Fatalf("result: %q", got)
	}
	sent += len(result)
	close(up.events)
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("after the result: %q, %v", rest, err)
	}
	e := await(t, g, "CALL_FINISHED")
	if e.Outcome != "success" || fmt.Sprint(e.Details["bytes_out"]) != fmt.Sprint(sent) {
		t.Errorf("outcome %+v, want %d bytes", e, sent)
	}
}

// broken reads to the end of a stream that must not end well.
func broken(t *testing.T, r io.Reader) string {
	t.Helper()
	rest, err := io.ReadAll(r)
	if err == nil {
		t.Errorf("the stream ends as if it were whole: %q", rest)
	}
	return string(rest)
}

func TestStreamsAreReviewed(t *testing.T) {
	for name, tc := range map[string]struct{ event, reason string }{
		"two answers":     {result + result, "reply_rejected"},
		"another's":       {strings.Replace(result, "7", "8", 1), "reply_rejected"},
		"no JSON":         {"data: s3cr3t\n\n", "reply_rejected"},
		"duplicate names": {"data: {\"jsonrpc\":\"2.0\",\"id\":7,\"id\":8,\"result\":{}}\n\n", "reply_rejected"},
		"oversize":        {"data: " + strings.Repeat("s3cr3t", 10000), "reply_rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			up := newFeed(t)
			b := &bench{Gateway: harness.Start(t, route(up.Upstream, "mcp", plenty, "reply_limits.bytes = 16384")), up: up.Upstream}
			resp := harness.Open(t, http.MethodPost, b.URL, []byte(call), "X-API-Key", b.Key)
			up.events <- tc.event
			if rest := broken(t, resp.Body); strings.Contains(rest, "s3cr3t") || strings.Count(rest, "result") > 1 {
				t.Errorf("the caller read %q", rest)
			}
			<-up.left
			e := await(t, b.Gateway, "CALL_FINISHED")
			if name == "two answers" { // the first is an answer
				if e.Outcome != "success" {
					t.Errorf("%+v", e)
				}
			} else if e.Outcome != "failure" || e.Reason != tc.reason {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestRevokedKeyEndsStream(t *testing.T) {
	up := newFeed(t)
	b := &bench{Gateway: harness.Start(t, oneRoute(up.Upstream)), up: up.Upstream}
	key, id := b.NewKey("tools:*")
	resp := harness.Open(t, http.MethodPost, b.URL, []byte(call), "X-API-Key", key)
	r := bufio.NewReader(resp.Body)
	up.events <- progress
	next(t, r)
	if _, err := b.API().RevokeKey(t.Context(), id, "test"); err != nil {
		t.Fatal(err)
	}
	up.events <- ": still here\n\n" // also a comment asks whether the caller is still welcome
	if rest := broken(t, r); rest != "" {
		t.Errorf("after revocation the caller read %q", rest)
	}
	<-up.left
	e := await(t, b.Gateway, "CALL_FINISHED")
	if e.Outcome != "failure" || e.Reason != "unauthenticated" {
		t.Errorf("%+v", e)
	}
	if n := b.refused(t, row{guard: "api_key", phase: "review", reason: "unauthenticated", route: "mcp"}); n != 1 {
		t.Errorf("counted %g times: %s", n, b.refusals(t))
	}
}

// TestRevokedTokenEndsStream: the same for a token of the gateway's own.
func TestRevokedTokenEndsStream(t *testing.T) {
	up := newFeed(t)
	g := harness.Start(t, "[identity.session]\nenabled = true\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \""+up.URL+"/mcp\"\nauth = [\"jwt\"]\n")
	b := &bench{Gateway: g, up: up.Upstream}
	made, err := tokens.Give(t.Context(), b.API(), tokens.IssueToken{Subject: "ci", Scopes: []string{"tools:*"}})
	if err != nil {
		t.Fatal(err)
	}
	resp := harness.Open(t, http.MethodPost, b.URL, []byte(call), "Authorization", "Bearer "+made.AccessToken)
	r := bufio.NewReader(resp.Body)
	up.events <- progress
	next(t, r)
	if _, err := tokens.End(t.Context(), b.API(), tokens.RevokeTokens{ID: made.SessionID}); err != nil {
		t.Fatal(err)
	}
	up.events <- ": still here\n\n"
	if rest := broken(t, r); rest != "" {
		t.Errorf("after revocation the caller read %q", rest)
	}
	<-up.left
	if e := await(t, g, "CALL_FINISHED"); e.Outcome != "failure" || e.Reason != "unauthenticated" {
		t.Errorf("%+v", e)
	}
}

func TestClientLeavesStream(t *testing.T) {
	for method, want := range map[string]struct{ outcome, reason string }{
		http.MethodPost: {"failure", "client_closed"}, // a call without its answer
		http.MethodGet:  {"success", "stream_ended"},  // a listening stream has no other end
	} {
		t.Run(method, func(t *testing.T) {
			up := newFeed(t)
			g := harness.Start(t, oneRoute(up.Upstream))
			body := []byte(call)
			if method == http.MethodGet {
				body = nil
			}
			resp := harness.Open(t, method, g.URL, body, "X-API-Key", g.Key, "Accept", "text/event-stream")
			up.events <- progress
			next(t, bufio.NewReader(resp.Body))
			resp.Body.Close()
			<-up.left
			e := await(t, g, "CALL_FINISHED")
			if e.Outcome != want.outcome || e.Reason != want.reason {
				t.Errorf("%+v", e)
			}
		})
	}
}
