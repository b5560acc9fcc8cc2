//go:build conformance

package conformance

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"github.com/portcullis-dev/portcullis/test/sampleagent"
)

// face is a version and a binding of A2A.
type face struct{ version, binding string }

func (f face) String() string { return f.version + " " + f.binding }

var faces = []face{
	{sampleagent.V1, sampleagent.JSONRPC}, {sampleagent.V1, sampleagent.HTTPJSON},
	{sampleagent.V03, sampleagent.JSONRPC}, {sampleagent.V03, sampleagent.HTTPJSON},
}

// startJSAgent runs the agent of the JavaScript SDK, which has all faces.
func startJSAgent(t *testing.T) string {
	addr := freePort(t)
	_, port, _ := net.SplitHostPort(addr)
	start(t, nil, node(), "a2a-server.mjs", port)
	await(t, addr)
	return "http://" + addr + "/agent"
}

// startGoAgent runs the agent of the Go SDK with one face.
func startGoAgent(t *testing.T, f face) string {
	a := sampleagent.Start(sampleagent.Options{Version: f.version, Binding: f.binding})
	t.Cleanup(a.Close)
	if f.binding == sampleagent.JSONRPC {
		return a.URL + "/a2a/"
	}
	return a.URL + "/a2a"
}

// startAgentGateway runs the gateway in front of an agent.
func startAgentGateway(t *testing.T, upstream string, f face) gw {
	binding := map[string]string{sampleagent.JSONRPC: "jsonrpc", sampleagent.HTTPJSON: "http+json"}[f.binding]
	g := startGateway(t, fmt.Sprintf("protocol = \"a2a\"\nupstream = %q\na2a = { versions = [%q], bindings = [%q], card = { scope_arrays = true } }", upstream, f.version, binding))
	return g
}

// TestA2AJavaScriptClient: the client of the JavaScript SDK finds agents of both
// SDKs by the card that the gateway makes, and does with them what it can.
func TestA2AJavaScriptClient(t *testing.T) {
	js := startJSAgent(t)
	for _, f := range faces {
		agents := map[string]string{"javascript": js, "go": startGoAgent(t, f)}
		if f == (face{sampleagent.V03, sampleagent.HTTPJSON}) {
			// The SDKs write this face in different forms, and neither reads the
			// other's: there is nothing to put a gateway between.
			delete(agents, "go")
		}
		for name, upstream := range agents {
			t.Run(f.String()+" to "+name, func(t *testing.T) {
				g := startAgentGateway(t, upstream, f)
				checkJavaScript(t, g, f)
			})
		}
	}
}

func checkJavaScript(t *testing.T, g gw, f face) {
	out, err := runTool(t, nil, node(), "a2a-client.mjs", "http://"+g.addr, g.key, f.version, f.binding)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		URL, Name, Speaks, Said, Got, Asked, Continued, Cancelled, Missing string
		Counted, Streamed, Followed                                        []string
		Listed                                                             bool
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("client printed %q: %v", out, err)
	}
	const completed = "TASK_STATE_COMPLETED"
	for what, ok := range map[string]bool{
		"card":      got.URL == g.url && got.Name == "Sample",
		"version":   got.Speaks == f.version,
		"message":   got.Said == "hello",
		"task":      slices.Equal(got.Counted, []string{completed, "one two three"}),
		"stream":    slices.Equal(got.Streamed, []string{"task", "TASK_STATE_WORKING", "one", " two", " three", completed}),
		"get":       got.Got == completed,
		"list":      got.Listed == (f.version == sampleagent.V1),
		"ask":       got.Asked == "TASK_STATE_INPUT_REQUIRED" && got.Continued == completed,
		"cancel":    got.Cancelled == "TASK_STATE_CANCELED",
		"subscribe": len(got.Followed) == 2 && got.Followed[1] == "TASK_STATE_CANCELED",
		"not found": strings.HasSuffix(got.Missing, "TaskNotFoundError"),
	} {
		if !ok {
			t.Errorf("%s: %s", what, out)
		}
	}
}

// TestA2AGoClient: the client of the Go SDK calls the agent of the JavaScript
// SDK.
func TestA2AGoClient(t *testing.T) {
	js := startJSAgent(t)
	for _, f := range faces {
		if f == (face{sampleagent.V03, sampleagent.HTTPJSON}) {
			continue // see above
		}
		t.Run(f.String(), func(t *testing.T) {
			g := startAgentGateway(t, js, f)
			hc := &http.Client{Transport: keyed{g.key}}
			c, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{{
				URL: g.url, ProtocolBinding: a2a.TransportProtocol(f.binding), ProtocolVersion: a2a.ProtocolVersion(f.version),
			}}, a2aclient.WithDefaultsDisabled(), a2aclient.WithJSONRPCTransport(hc), a2aclient.WithRESTTransport(hc),
				a2av0.WithJSONRPCTransport(a2av0.JSONRPCTransportConfig{Client: hc}))
			if err != nil {
				t.Fatal(err)
			}
			checkGoClient(t, c, f)
		})
	}
}

func say(text string) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))}
}

func checkGoClient(t *testing.T, c *a2aclient.Client, f face) {
	ctx := t.Context()
	res, err := c.SendMessage(ctx, say("say hello"))
	if m, ok := res.(*a2a.Message); err != nil || !ok || m.Parts[0].Text() != "hello" {
		t.Errorf("message: %#v, %v", res, err)
	}
	res, err = c.SendMessage(ctx, say("count"))
	task, ok := res.(*a2a.Task)
	if err != nil || !ok || task.Status.State != a2a.TaskStateCompleted {
		t.Fatalf("task: %#v, %v", res, err)
	}
	if got, err := c.GetTask(ctx, &a2a.GetTaskRequest{ID: task.ID}); err != nil || got.ID != task.ID {
		t.Errorf("get: %#v, %v", got, err)
	}
	if f.version == sampleagent.V1 {
		if list, err := c.ListTasks(ctx, &a2a.ListTasksRequest{ContextID: task.ContextID}); err != nil || len(list.Tasks) != 1 {
			t.Errorf("list: %#v, %v", list, err)
		}
	}
	events := 0
	for ev, err := range c.SendStreamingMessage(ctx, say("count")) {
		if err != nil {
			t.Fatalf("stream: %v", err)
		}
		if events++; ev.TaskInfo().TaskID == "" {
			t.Errorf("event without its task: %#v", ev)
		}
	}
	if events != 6 {
		t.Errorf("%d events", events)
	}
	var waiting a2a.TaskID
	for ev, err := range c.SendStreamingMessage(ctx, say("wait")) {
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := ev.(*a2a.TaskStatusUpdateEvent); ok && u.Status.State == a2a.TaskStateWorking {
			waiting = ev.TaskInfo().TaskID
			break
		}
	}
	var last a2a.TaskState
	n := 0
	for ev, err := range c.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: waiting}) {
		if err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		if n++; n == 1 {
			if got, err := c.CancelTask(ctx, &a2a.CancelTaskRequest{ID: waiting}); err != nil || got.Status.State != a2a.TaskStateCanceled {
				t.Errorf("cancel: %#v, %v", got, err)
			}
		}
		if u, ok := ev.(*a2a.TaskStatusUpdateEvent); ok {
			last = u.Status.State
		}
	}
	if n < 2 || last != a2a.TaskStateCanceled {
		t.Errorf("%d events of the subscription, the last %s", n, last)
	}
}
