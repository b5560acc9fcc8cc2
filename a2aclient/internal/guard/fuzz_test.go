package guard

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// scripted answers every request with the same bytes.
type scripted struct {
	status      int
	contentType string
	body        string
}

func (s scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Header: http.Header{"Content-Type": {s.contentType}}, Request: r,
		Body: io.NopCloser(strings.NewReader(s.body)),
	}, nil
}

func guardOf(t *testing.T, binding, version string, base http.RoundTripper) *Guard {
	t.Helper()
	_, at, err := ReadURL("https://agent.example/a2a")
	if err != nil {
		t.Fatal(err)
	}
	return &Guard{
		Base: base, At: at, Binding: binding, Version: version, Watch: blind{},
		Bounds: Bounds{Body: 64 << 10, Event: 16 << 10, Events: 50, StreamBytes: 128 << 10, Silence: time.Minute},
	}
}

type blind struct{}

func (blind) Received()                     {}
func (blind) Invalid(string, string, error) {}

const fuzzRequest = `{"jsonrpc":"2.0","id":"1","method":"GetTask"}`

// FuzzAnswer gives the guard any answer: what it lets through is one JSON-RPC
// answer to the request, or an object or array, and what it says is bounded.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":"1","result":{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_COMPLETED"}}}`,
		`{"jsonrpc":"2.0","id":"2","result":{}}`, `{"jsonrpc":"2.0","id":"1","error":{"code":-32001,"message":"x","data":[{"reason":"Y"}]}}`,
		`{"id":"t1"}`, `[]`, `{"error":{"code":404,"status":"NOT_FOUND","message":"m","details":[{"reason":"TASK_NOT_FOUND"}]}}`, `{"title":"t","detail":"d"}`, "", "<html>",
	} {
		f.Add(200, "application/json", body, true)
		f.Add(404, "application/problem+json", body, false)
	}
	f.Fuzz(func(t *testing.T, status int, contentType, body string, rpc bool) {
		if status < 100 || status > 999 {
			return
		}
		binding := HTTPJSON
		if rpc {
			binding = JSONRPC
		}
		g := guardOf(t, binding, "1.0", scripted{status, contentType, body})
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://agent.example/a2a", strings.NewReader(fuzzRequest))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.RoundTrip(r)
		if err != nil {
			if len(err.Error()) > 4*maxWords+200 || strings.ContainsAny(err.Error(), "\x1b\x00\n") {
				t.Fatalf("error %q", err)
			}
			return
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !json.Valid(got) {
			t.Fatalf("%d, %v, %q", resp.StatusCode, err, got)
		}
		var m struct{ ID, JSONRPC string }
		if rpc && (json.Unmarshal(got, &m) != nil || m.ID != "1" || m.JSONRPC != "2.0") {
			t.Fatalf("let through: %q", got)
		}
	})
}

// FuzzStream gives the guard any stream: what comes out is lines of events that
// fit, and the SDK's parser reads each of them.
func FuzzStream(f *testing.F) {
	task := `{"task":{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_WORKING"}}}`
	f.Add("data: "+task+"\n\n", false)
	f.Add(": x\n\nevent: e\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":\"1\",\"result\":"+task+"}\r\n\r\n", true)
	f.Add("data: {\"error\":{\"code\":1}}\n\n", false)
	f.Add("data:\n\ndata: [\n\n", true)
	f.Fuzz(func(t *testing.T, body string, rpc bool) {
		binding := HTTPJSON
		if rpc {
			binding = JSONRPC
		}
		g := guardOf(t, binding, "1.0", scripted{200, "text/event-stream", body})
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://agent.example/a2a", strings.NewReader(fuzzRequest))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", typeStream)
		resp, err := g.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil && Explain(err) == nil {
			t.Fatal("an error of nothing")
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(strings.TrimSuffix(string(got), "\n\n"), "\n\n") {
			if block == "" {
				continue
			}
			data, ok := strings.CutPrefix(block, "data: ")
			if !ok || strings.ContainsAny(data, "\r\n") {
				t.Fatalf("block %q", block)
			}
			payload := []byte(data)
			if rpc {
				var m struct {
					Result json.RawMessage `json:"result"`
				}
				if err := json.Unmarshal(payload, &m); err != nil {
					t.Fatal(err)
				}
				payload = m.Result
			}
			var e a2a.StreamResponse
			if err := json.Unmarshal(payload, &e); err != nil {
				t.Fatalf("the SDK cannot read what was let through: %v: %q", err, payload)
			}
		}
	})
}

// FuzzURL: what is taken is https or this machine, and has one origin.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://a.example/x", "http://localhost:1", "http://127.0.0.1", "https://[::1]:443", "https://u@h", "http://localhost.evil.example", "https://A.example./"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, at, err := ReadURL(text)
		if err != nil {
			if !errors.Is(err, ErrURL) {
				t.Fatal(err)
			}
			return
		}
		if at.Scheme != "https" && !isLoopback(at.Host) || u.User != nil || at.Host == "" {
			t.Fatalf("%q is taken as %s", text, at)
		}
		_, again, err := ReadURL(u.String())
		if err != nil || again != at {
			t.Fatalf("%q: %s, then %s, %v", text, at, again, err)
		}
	})
}

// FuzzCamel: what is rewritten has the same shape, and names are one or none.
func FuzzCamel(f *testing.F) {
	f.Add(`{"task_id":1,"a":[{"context_id":"x_y"}]}`)
	f.Add(`{"task_id":1,"taskId":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		out, ok := camel([]byte(text))
		if ok && !json.Valid(out) {
			t.Fatalf("%q", out)
		}
		if again, ok2 := camel(out); ok && (!ok2 || string(again) != string(out)) && !strings.Contains(text, "__") && !strings.Contains(string(out), "_") {
			t.Fatalf("%q, then %q", out, again)
		}
	})
}
