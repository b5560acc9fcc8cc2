//go:build conformance

package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"github.com/portcullis-dev/portcullis/test/sampleagent"
)

// hook is where a caller wants to be notified.
type hook struct {
	*httptest.Server

	mu     sync.Mutex
	tokens []string // what came as X-A2A-Notification-Token
	bodies []string
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // the challenge
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tokens, h.bodies = append(h.tokens, r.Header.Get("X-A2A-Notification-Token")), append(h.bodies, string(body))
	}))
	t.Cleanup(h.Close)
	return h
}

// wait returns what came, as soon as one notification says that a task is done.
func (h *hook) wait(t *testing.T, task string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		h.mu.Lock()
		for i, b := range h.bodies {
			if strings.Contains(b, task) && strings.Contains(strings.ToLower(b), "completed") {
				if h.tokens[i] != "token-of-the-caller" {
					t.Errorf("the notification came with the token %q", h.tokens[i])
				}
				h.mu.Unlock()
				return
			}
		}
		h.mu.Unlock()
	}
	t.Errorf("no notification says that task %s is completed: %q", task, h.bodies)
}

// TestA2AJavaScriptPush: the agent of the JavaScript SDK notifies through the
// gateway whom the clients of both SDKs name, and learns neither where that is
// nor the caller's token.
func TestA2AJavaScriptPush(t *testing.T) {
	js := startJSAgent(t)
	for _, f := range faces {
		t.Run(f.String(), func(t *testing.T) {
			h := newHook(t)
			binding := map[string]string{sampleagent.JSONRPC: "jsonrpc", sampleagent.HTTPJSON: "http+json"}[f.binding]
			g := startGateway(t, fmt.Sprintf("protocol = \"a2a\"\nupstream = %q\na2a = { versions = [%q], bindings = [%q], card = { scope_arrays = true }, push = { hosts = [%q], insecure_private = true } }",
				js, f.version, binding, strings.TrimPrefix(h.URL, "http://")))
			t.Run("javascript", func(t *testing.T) {
				out, err := runTool(t, nil, node(), "a2a-client.mjs", "http://"+g.addr, g.key, f.version, f.binding, h.URL+"/javascript")
				if err != nil {
					t.Fatal(err)
				}
				var got struct{ Task, URL string }
				if err := json.Unmarshal([]byte(out), &got); err != nil || got.URL != h.URL+"/javascript" {
					t.Fatalf("client printed %q: %v", out, err)
				}
				h.wait(t, got.Task)
			})
			if f == (face{sampleagent.V03, sampleagent.HTTPJSON}) {
				return // the SDKs write this face in different forms
			}
			t.Run("go", func(t *testing.T) {
				hc := &http.Client{Transport: keyed{g.key}}
				c, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{{
					URL: g.url, ProtocolBinding: a2a.TransportProtocol(f.binding), ProtocolVersion: a2a.ProtocolVersion(f.version),
				}}, a2aclient.WithDefaultsDisabled(), a2aclient.WithJSONRPCTransport(hc), a2aclient.WithRESTTransport(hc),
					a2av0.WithJSONRPCTransport(a2av0.JSONRPCTransportConfig{Client: hc}))
				if err != nil {
					t.Fatal(err)
				}
				req := say("count")
				req.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{ID: "hook", URL: h.URL + "/go", Token: "token-of-the-caller"}}
				res, err := c.SendMessage(t.Context(), req)
				task, ok := res.(*a2a.Task)
				if err != nil || !ok {
					t.Fatalf("%#v, %v", res, err)
				}
				h.wait(t, string(task.ID))
			})
		})
	}
}
