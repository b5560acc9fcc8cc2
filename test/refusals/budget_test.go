package refusals

import (
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestLargeRepliesShareABudget holds invariant 12 for replies: many large ones
// at a time are refused with 503 instead of filling the memory, and served
// again when the others are done.
func TestLargeRepliesShareABudget(t *testing.T) {
	const callers = 40 // 16 MiB each would be 640 MiB, the budget is 256
	release := make(chan struct{})
	body := `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 7<<20) + `"}]}}`
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		half := len(body) - 10
		if _, err := w.Write([]byte(body[:half])); err != nil {
			return
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		if _, err := w.Write([]byte(body[half:])); err != nil {
			return
		}
	})
	g := harness.Start(t, route(up, "mcp", plenty, ""))
	type answer struct{ refused, served int }
	results := make(chan harness.Response, callers)
	for range callers {
		go func() { results <- harness.Do(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", g.Key) }()
	}
	var got answer
	first := <-results // while all others hold what they read
	close(release)
	for i, r := 0, first; ; i, r = i+1, <-results {
		switch {
		case r.Status == http.StatusOK:
			got.served++
		case r.Status == http.StatusServiceUnavailable && strings.Contains(r.Body, `"reason":"overloaded"`) && r.Header.Get("Retry-After") == "1":
			got.refused++
		default:
			t.Errorf("status %d: %.200s", r.Status, r.Body)
		}
		if i == callers-1 {
			break
		}
	}
	if first.Status != http.StatusServiceUnavailable || got.refused == 0 || got.served == 0 {
		t.Errorf("first %d; %+v", first.Status, got)
	}
	if r := harness.Do(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", g.Key); r.Status != http.StatusOK {
		t.Errorf("afterwards: status %d", r.Status)
	}
}
