package refusals

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestLeavingAListeningStreamIsNoRefusal: such a stream ends when its caller
// has enough of it, so that is its good end, in the journal and in the metrics.
func TestLeavingAListeningStreamIsNoRefusal(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	g := harness.Start(t, "[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \""+up.URL+"\"\n")
	const listen = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	for _, tc := range []struct{ action, method, body, version string }{
		{"stream/open", http.MethodGet, "", "2025-11-25"},
		{"subscriptions/listen", http.MethodPost, listen, "2026-07-28"},
	} {
		t.Run(tc.action, func(t *testing.T) {
			headers := []string{"X-API-Key", g.Key, "Mcp-Protocol-Version", tc.version}
			if tc.method == http.MethodPost {
				headers = append(headers, "Mcp-Method", tc.action)
			} else {
				headers = append(headers, "Accept", "text/event-stream")
			}
			resp := harness.Open(t, tc.method, g.URL, []byte(tc.body), headers...)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("status %d", resp.StatusCode)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			last := awaitOutcome(t, g, resp.Header.Get("X-Request-Id"))
			if last.Type != "CALL_FINISHED" || last.Outcome != "success" || last.Reason != "stream_ended" || last.Action != tc.action {
				t.Errorf("the journal says %+v", last)
			}
		})
	}
	for line := range strings.Lines(g.Metrics()) {
		if strings.HasPrefix(line, "portcullis_refusals_total") {
			t.Errorf("counted as refused: %s", line)
		}
	}
}

// awaitOutcome waits for the second event of a request, its outcome.
func awaitOutcome(t *testing.T, g *harness.Gateway, requestID string) harness.Event {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		for _, e := range g.EventsOf(requestID) {
			if e.Type != "CALL_STARTED" && e.Type != "AUTH_SUCCESS" {
				return e
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("no outcome in the journal")
		}
	}
}
