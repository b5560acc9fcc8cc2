package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// unreliable is a reply body that ends in its own way: err nil is a panic.
type unreliable struct {
	io.Reader
	err error
}

func (u unreliable) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != io.EOF {
		return n, err
	}
	if u.err == nil {
		panic("body of nil")
	}
	return n, u.err
}

func (unreliable) Close() error { return nil }

// gone is a caller who left: nothing can be written.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// random is an upstream that does anything.
func random(r *rand.Rand, leave context.CancelFunc) upstreamFunc {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	return func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
		if r.IntN(8) == 0 {
			leave()
		}
		switch r.IntN(12) {
		case 0:
			return nil, errors.New("connection refused")
		case 1:
			panic("upstream")
		case 2:
			return nil, &portcullis.Error{Kind: portcullis.KindUpstreamTimeout, Reason: "upstream_timeout"}
		}
		progress := "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n"
		var body strings.Builder
		out := reply(pick("application/json", "text/event-stream", "text/html", ""), "")
		if out.Header.Get("Content-Type") == "text/event-stream" {
			for range r.IntN(4) {
				body.WriteString(pick(": idle\n\n", progress, "data: "+answer+"\n\n", "data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}\n\n", "data: {\n\n"))
			}
		} else {
			body.WriteString(pick(answer, "", "{", `{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"at /srv/app.js:3"}}`, strings.Repeat("x", 5000)))
		}
		out.Status = []int{200, 200, 200, 202, 204, 301, 400, 401, 404, 429, 500}[r.IntN(11)]
		out.Body = unreliable{strings.NewReader(body.String()), []error{io.EOF, io.EOF, io.EOF, io.ErrUnexpectedEOF, nil}[r.IntN(5)]}
		return out, nil
	}
}

// Whatever the upstream, the caller and the journal do, each intent in the
// journal gets exactly one outcome, and no call stays counted as running. Where
// the journal takes no outcome the log says so.
func TestEachIntentHasOneOutcome(t *testing.T) {
	for seed := range uint64(800) {
		r := rand.New(rand.NewPCG(seed, 1))
		ctx, cancel := context.WithCancel(t.Context())
		g := newRig(t, anyone, random(r, cancel))
		if r.IntN(6) == 0 {
			g.journal.fail, g.journal.once = portcullis.EventCallFinished, true
		}
		req := post([]string{toolCall, `{"jsonrpc":"2.0","method":"notifications/initialized"}`}[r.IntN(2)], "X-Name", "alice")
		if kind := r.IntN(6); kind == 0 {
			req = httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080/mcp", nil)
			req.Header.Set("Accept", "text/event-stream")
			req.Header.Set("X-Name", "alice")
		}
		var w http.ResponseWriter = httptest.NewRecorder()
		if r.IntN(8) == 0 {
			w = gone{httptest.NewRecorder()}
		}
		func() {
			defer func() {
				if v := recover(); v != nil && v != http.ErrAbortHandler {
					t.Errorf("seed %d: panic %v", seed, v)
				}
			}()
			g.ServeHTTP(w, req.WithContext(ctx))
		}()
		cancel()
		started, finished := g.journal.count(portcullis.EventCallStarted), g.journal.count(portcullis.EventCallFinished)
		want := 1
		if strings.Contains(g.log.String(), `"msg":"writing the audit journal"`) { // the log is all there is left to tell
			want = 0
		}
		if started != 1 || finished != want {
			t.Fatalf("seed %d: %d intents, %d outcomes, log %s", seed, started, finished, g.log)
		}
		m := httptest.NewRecorder()
		g.metrics.Handler().ServeHTTP(m, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for line := range strings.Lines(m.Body.String()) {
			if strings.HasPrefix(line, "portcullis_inflight_requests") && !strings.HasSuffix(line, " 0\n") {
				t.Fatalf("seed %d: %s", seed, line)
			}
		}
	}
}

// An exchange whose large buffer was not kept has none when it serves an
// endpoint: a read into nothing would return nothing for ever.
func TestCopyBodyWithoutBuffer(t *testing.T) {
	w := httptest.NewRecorder()
	x := &exchange{route: new(route), w: w, reply: reply("text/plain", "whole")}
	if err := x.copyBody(); err != nil || w.Body.String() != "whole" {
		t.Errorf("%q, %v", w.Body, err)
	}
}

// A message of exactly the limit passes, one byte more does not, both ways.
func TestLimitsAreInclusive(t *testing.T) {
	pad := func(text string, size int) string { return text + strings.Repeat(" ", size-len(text)) }
	const limit = 4096
	for _, tt := range []struct{ in, out, want int }{
		{limit, limit, http.StatusOK},
		{limit + 1, limit, http.StatusRequestEntityTooLarge},
		{limit, limit + 1, http.StatusBadGateway},
	} {
		for _, sized := range []bool{true, false} {
			g := newRig(t, anyone, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
				return reply("application/json", pad(answer, tt.out)), nil
			})
			for _, rt := range g.table.Load().order {
				rt.limits.MaxBytes, rt.replyLimits.MaxBytes = limit, limit
			}
			req := post(pad(toolCall, tt.in), "X-Name", "alice")
			if !sized { // sent in chunks
				req.ContentLength = -1
			}
			if w := g.do(req); w.Code != tt.want || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
				t.Errorf("%d bytes in, %d out: status %d, %d bytes, Content-Length %q", tt.in, tt.out, w.Code, w.Body.Len(), w.Header().Get("Content-Length"))
			}
		}
	}
}
