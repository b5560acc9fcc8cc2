package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
)

// Not recorded, not done: whatever the journal cannot take, the answer is 503,
// and what had not been forwarded by then never is.
func TestJournalFails(t *testing.T) {
	for name, tc := range map[string]struct {
		fail      portcullis.EventType
		caller    string
		phase     string
		guard     string
		forwarded bool
	}{
		"success of authentication": {portcullis.EventAuthSuccess, "ann", "contain", "api_key", false},
		"intent":                    {portcullis.EventCallStarted, "ann", "record", "journal", false},
		"outcome":                   {portcullis.EventCallFinished, "ann", "review", "reply", true},
		"refusal":                   {portcullis.EventAuthFailure, "", "authn", "api_key", false},
	} {
		t.Run(name, func(t *testing.T) {
			forwarded := false
			r := newRig(t, anyone, func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
				forwarded = true
				return answering(ctx, c)
			})
			r.journal.fail = tc.fail
			w := r.do(post(toolCall, "X-Name", tc.caller))
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"reason":"unavailable"`) || strings.Contains(w.Body.String(), "s3cr3t") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if forwarded != tc.forwarded {
				t.Errorf("forwarded: %t", forwarded)
			}
			if labels := `guard="` + tc.guard + `",phase="` + tc.phase + `",reason="unavailable",route="mcp"`; !r.counted(labels) {
				t.Errorf("not counted as %s", labels)
			}
			if !strings.Contains(r.log.String(), "disk full") {
				t.Error("the log does not say why")
			}
			r.journal.fail = ""
			if w := r.do(post(toolCall, "X-Name", "ann")); w.Code != http.StatusOK || w.Body.String() != answer {
				t.Errorf("after that: %d %s", w.Code, w.Body)
			}
			if n := r.journal.count(portcullis.EventAuthSuccess); n != 1 {
				t.Errorf("%d successes of authentication recorded", n)
			}
		})
	}
}

// panics is a reply whose body cannot be read.
type panics struct{}

func (panics) Read([]byte) (int, error) { panic("s3cr3t") }
func (panics) Close() error             { return nil }

func TestPanics(t *testing.T) {
	for name, tc := range map[string]struct {
		who   named
		up    upstreamFunc
		phase string
	}{
		"authenticator": {func(string) (portcullis.Principal, error) { panic("s3cr3t") }, answering, "authn"},
		"upstream":      {anyone, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) { panic("s3cr3t") }, "forward"},
		"no reply":      {anyone, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) { return nil, nil }, "review"},
		"reply": {anyone, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
			return &portcullis.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: panics{}}, nil
		}, "review"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tc.who, tc.up)
			w := r.do(post(toolCall, "X-Name", "ann"))
			if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"code":-32603`) || strings.Contains(w.Body.String(), "s3cr3t") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			kind := portcullis.EventCallFinished
			if tc.phase == "authn" {
				kind = portcullis.EventCallRefused
			}
			if e := r.journal.last(t, kind); e.Outcome != portcullis.OutcomeFailure || e.Reason != "internal" {
				t.Errorf("%+v", e)
			}
			if !strings.Contains(r.log.String(), "guard panicked") {
				t.Error("the log says nothing")
			}
		})
	}
}

func TestNobodyIsRefused(t *testing.T) {
	for name, who := range map[string]named{
		"zero principal": func(string) (portcullis.Principal, error) { return portcullis.Principal{}, nil },
		"plain error":    func(string) (portcullis.Principal, error) { return portcullis.Principal{ID: "a"}, errors.New("s3cr3t") },
	} {
		r := newRig(t, who, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
			t.Error("forwarded")
			return nil, errors.New("forwarded")
		})
		if w := r.do(post(toolCall, "X-Name", "ann")); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "s3cr3t") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestNobodyToAskDenies(t *testing.T) {
	d, guard, err := access.Decide(t.Context(), nil, portcullis.Principal{ID: "a", Scopes: []string{"tools:*"}}, portcullis.Action{Method: "tools/call"})
	if d.Allowed() || guard != "" || err != nil {
		t.Errorf("%+v, %q, %v", d, guard, err)
	}
}

func TestBeforeATableIsInForce(t *testing.T) {
	w := httptest.NewRecorder()
	New(nil).ServeHTTP(w, post(toolCall))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}

// blocked is a stream that says nothing until it is closed.
type blocked struct {
	io.Reader
	ctx context.Context
}

func (b blocked) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (blocked) Close() error { return nil }

// A stream that only listens ends when the gateway drains, and ends well.
func TestDrainEndsListeningStreams(t *testing.T) {
	opened := make(chan struct{})
	r := newRig(t, anyone, func(ctx context.Context, _ *portcullis.Call) (*portcullis.Reply, error) {
		close(opened)
		return &portcullis.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: blocked{ctx: ctx}}, nil
	})
	s := httptest.NewServer(r)
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "127.0.0.1:8080"
	req.Header.Set("X-Name", "ann")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-opened
	r.Drain()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
	if e := r.journal.last(t, portcullis.EventCallFinished); e.Outcome != portcullis.OutcomeSuccess || e.Reason != "stream_ended" {
		t.Errorf("%+v", e)
	}
	w := r.do(httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080/mcp", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d", w.Code)
	}
}

// While the gateway drains, new calls are sent to another replica.
func TestDrainingRefuses(t *testing.T) {
	r := newRig(t, anyone, answering)
	r.sw.Drain(1500 * time.Millisecond)
	w := r.do(post(toolCall, "X-Name", "ann"))
	h := w.Header()
	if w.Code != http.StatusServiceUnavailable || h.Get("Retry-After") != "2" || h.Get("Connection") != "close" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", w.Code, h)
	}
	want := `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Service is restarting","data":{"reason":"draining","requestId":"` + h.Get("X-Request-Id") + `","retryAfter":2}}}`
	if w.Body.String() != want {
		t.Errorf("body %s", w.Body)
	}
	if e := r.journal.last(t, portcullis.EventCallRefused); e.Outcome != portcullis.OutcomeFailure || e.Reason != "draining" || e.RequestID != h.Get("X-Request-Id") || e.Actor.ID != "" {
		t.Errorf("%+v", e)
	}
	if !r.counted(`guard="switch",phase="edge",reason="draining",route="mcp"`) {
		t.Error("not counted")
	}
}
