package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/use"
	"github.com/portcullis-dev/portcullis/internal/authz/quota"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

const guardedRoutes = `
[[route]]
name = "files"
path = "/mcp"
upstream = "http://127.0.0.1:1/mcp"
rate = []
taint = { confidential = ["read_*"], untrusted = ["fetch_*"], outbound = ["send_*"] }

[[route]]
name = "mail"
path = "/mail"
upstream = "http://127.0.0.1:1/mcp"
rate = []
taint = { outbound = ["send_*"], rule = "trifecta" }

[[route]]
name = "paid"
path = "/paid"
upstream = "http://127.0.0.1:1/mcp"
rate = []
use = { calls_per_session = 3, bytes_per_day = 400, budget_per_day = 1, costs = { "gpt_*" = 0.5 }, result_bytes = { "search" = "100" } }
`

// guarded is a rig whose ledgers lie in a database.
func guarded(t *testing.T, up upstreamFunc) *rig {
	t.Helper()
	r := newRig(t, anyone, up)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d := Deps{
		Log: r.Gateway.log, Metrics: r.metrics, Recorder: r.journal, APIKeys: named(anyone), Switch: r.sw,
		Sealer:   r.Gateway.table.Load().order[0].sealer,
		Upstream: func(string) portcullis.Upstream { return up },
		Use:      use.Ledgers{Taints: taint.NewLedger(db.Taints(), r.journal, 0, nil), Usage: quota.NewLedger(db.Usage(), 0, nil)},
	}
	table, err := Build(parse(t, guardedRoutes), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Use(table)
	return r
}

func (r *rig) call(t *testing.T, path, tool string) *httptest.ResponseRecorder {
	t.Helper()
	req := post(strings.Replace(toolCall, `"echo"`, `"`+tool+`"`, 1), "X-Name", "alice")
	req.URL.Path = path
	return r.do(req)
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, status int, reason string) {
	t.Helper()
	if w.Code != status || reason != "" && !strings.Contains(w.Body.String(), `"reason":"`+reason+`"`) {
		t.Fatalf("status %d, want %d %s: %s", w.Code, status, reason, w.Body)
	}
}

func TestTaintAcrossRoutes(t *testing.T) {
	sent := 0
	r := guarded(t, func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		if strings.HasPrefix(c.Message.Target.Name, "send_") {
			sent++
		}
		return answering(ctx, c)
	})
	wantStatus(t, r.call(t, "/mcp", "send_mail"), 200, "")
	wantStatus(t, r.call(t, "/mail", "send_mail"), 200, "")
	wantStatus(t, r.call(t, "/mcp", "read_file"), 200, "")
	w := r.call(t, "/mcp", "send_mail")
	wantStatus(t, w, 403, "tainted")
	if strings.Contains(w.Body.String(), "confidential") || strings.Contains(w.Body.String(), "read_") {
		t.Errorf("the caller reads why: %s", w.Body)
	}
	e := r.journal.last(t, portcullis.EventAuthzDenied)
	details := ""
	for _, a := range e.Details {
		details += a.String() + " "
	}
	if e.Reason != "tainted" || e.Resource != "tool:send_mail" || !strings.Contains(details, "labels=confidential label_routes=files") || !strings.Contains(details, "guard=taint") {
		t.Errorf("event %s %s %s", e.Reason, e.Resource, details)
	}
	wantStatus(t, r.call(t, "/mail", "send_mail"), 200, "") // the trifecta is not complete
	wantStatus(t, r.call(t, "/mcp", "fetch_page"), 200, "")
	wantStatus(t, r.call(t, "/mail", "send_mail"), 403, "tainted")
	if sent != 3 {
		t.Errorf("%d calls led out, want 3", sent)
	}
	if !r.counted(`guard="taint",phase="inspect",reason="tainted",route="mail"`) {
		t.Error("the refusal is not counted")
	}
}

func TestWhatIsNotDeliveredDoesNotTaint(t *testing.T) {
	var answer func() (*portcullis.Reply, error)
	r := guarded(t, func(_ context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		if c.Message.Target.Name == "send_mail" {
			return reply("application/json", `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`), nil
		}
		return answer()
	})
	for name, a := range map[string]func() (*portcullis.Reply, error){
		"down": func() (*portcullis.Reply, error) { return nil, errors.New("down") },
		"status": func() (*portcullis.Reply, error) {
			return &portcullis.Reply{Status: 500, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x"))}, nil
		},
		"invalid": func() (*portcullis.Reply, error) { return reply("application/json", `{"jsonrpc":`), nil },
		"error": func() (*portcullis.Reply, error) {
			return reply("application/json", `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such path"}}`), nil
		},
		"other": func() (*portcullis.Reply, error) {
			return reply("application/json", `{"jsonrpc":"2.0","id":8,"result":{}}`), nil
		},
	} {
		answer = a
		r.call(t, "/mcp", "read_file")
		if w := r.call(t, "/mcp", "send_mail"); w.Code != 200 {
			t.Errorf("%s taints: %d %s", name, w.Code, w.Body)
		}
	}
	answer = func() (*portcullis.Reply, error) { // nothing of it is known when it begins, so it taints at once
		return reply("text/event-stream", ": nothing yet\n\n"), nil
	}
	r.call(t, "/mcp", "read_file")
	wantStatus(t, r.call(t, "/mcp", "send_mail"), 403, "tainted")
}

func TestUnstoredTaintIsNotDelivered(t *testing.T) {
	r := guarded(t, answering)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the store refuses what comes with it
	req := post(strings.Replace(toolCall, `"echo"`, `"read_file"`, 1), "X-Name", "alice").WithContext(ctx)
	if w := r.do(req); w.Code == 200 || strings.Contains(w.Body.String(), "result") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestUseLimits(t *testing.T) {
	var answer string
	r := guarded(t, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
		return reply("application/json", answer), nil
	})
	answer = `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`
	wantStatus(t, r.call(t, "/paid", "gpt_4"), 200, "")
	wantStatus(t, r.call(t, "/paid", "gpt_4"), 200, "")
	w := r.call(t, "/paid", "gpt_4")
	wantStatus(t, w, 429, "quota_exceeded")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	e := r.journal.last(t, portcullis.EventRateLimitExceeded)
	if d := e.Details[len(e.Details)-1]; d.String() != "limit=budget_per_day" {
		t.Errorf("details %v", e.Details)
	}
	answer = `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 80) + `"}]}}`
	wantStatus(t, r.call(t, "/paid", "search"), 403, "result_too_large")
	if e := r.journal.last(t, portcullis.EventContentBlocked); e.Reason != "result_too_large" {
		t.Errorf("event %+v", e)
	}
	wantStatus(t, r.call(t, "/paid", "search"), 429, "quota_exceeded") // the fourth call
}

func TestBytesEndAStream(t *testing.T) {
	event := func(text string) string {
		return `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"message":"` + text + `"}}` + "\n\n"
	}
	r := guarded(t, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
		return reply("text/event-stream", event(strings.Repeat("a", 200))+event(strings.Repeat("b", 200))+"data: "+answer+"\n\n"), nil
	})
	w := httptest.NewRecorder()
	req := post(strings.Replace(toolCall, `"echo"`, `"other"`, 1), "X-Name", "alice")
	req.URL.Path = "/paid"
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the stream was not broken off")
			}
		}()
		r.ServeHTTP(w, req)
	}()
	if got := w.Body.String(); !strings.Contains(got, "aaa") || strings.Contains(got, "bbb") || len(got) > 400 {
		t.Errorf("sent %d bytes: %s", len(got), got)
	}
	if e := r.journal.last(t, portcullis.EventCallFinished); e.Outcome != portcullis.OutcomeFailure || e.Reason != "quota_exceeded" {
		t.Errorf("outcome %s %s", e.Outcome, e.Reason)
	}
	if r.journal.count(portcullis.EventRateLimitExceeded) != 1 {
		t.Error("no event of the limit")
	}
}
