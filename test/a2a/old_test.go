package a2a

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/a2aclient"
	"github.com/a2aproject/a2a-go/a2asrv"
	"github.com/a2aproject/a2a-go/a2asrv/eventqueue"
	newer "github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// older does what [worker] does, in the SDK that only knows version 0.3 and,
// over HTTP, only JSON-RPC.
type older struct{}

func (older) Execute(ctx context.Context, rc *a2asrv.RequestContext, q eventqueue.Queue) error {
	text := ""
	if part, ok := rc.Message.Parts[0].(a2a.TextPart); ok {
		text = part.Text
	}
	if strings.HasPrefix(text, "hello") {
		return q.Write(ctx, a2a.NewMessage(a2a.MessageRoleAgent, a2a.TextPart{Text: "you said " + text}))
	}
	if text == "fail" {
		return errors.New("dial tcp 10.1.2.3:5432: password of /etc/agent/db.conf refused")
	}
	end := a2a.NewStatusUpdateEvent(rc, a2a.TaskStateCompleted, nil)
	end.Final = true
	events := []a2a.Event{a2a.NewStatusUpdateEvent(rc, a2a.TaskStateWorking, nil), a2a.NewArtifactEvent(rc, a2a.TextPart{Text: "result of " + text}), end}
	if rc.StoredTask == nil {
		events = append([]a2a.Event{a2a.NewSubmittedTask(rc, rc.Message)}, events...)
	}
	switch text {
	case "ask":
		ask := a2a.NewStatusUpdateEvent(rc, a2a.TaskStateInputRequired, nil)
		ask.Final = true
		events = []a2a.Event{events[0], events[1], ask}
	case "wait":
		events = events[:2]
	}
	for _, e := range events {
		if err := q.Write(ctx, e); err != nil {
			return err
		}
	}
	if text == "wait" {
		return tick(ctx, rc, q)
	}
	return nil
}

// tick makes artifacts until the task ends: who subscribes is told nothing of
// what was before.
func tick(ctx context.Context, rc *a2asrv.RequestContext, q eventqueue.Queue) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := q.Write(ctx, a2a.NewArtifactEvent(rc, a2a.TextPart{Text: "tick"})); err != nil {
			return nil //nolint:nilerr // the task has ended
		}
	}
}

func (older) Cancel(ctx context.Context, rc *a2asrv.RequestContext, q eventqueue.Queue) error {
	end := a2a.NewStatusUpdateEvent(rc, a2a.TaskStateCanceled, nil)
	end.Final = true
	return q.Write(ctx, end)
}

// startOlder starts such an agent with its card, and a gateway in front of it.
func startOlder(t *testing.T) *harness.Gateway {
	mux := http.NewServeMux()
	mux.Handle("/agent", a2asrv.NewJSONRPCHandler(a2asrv.NewHandler(older{})))
	mux.Handle("/.well-known/agent-card.json", a2asrv.NewStaticAgentCardHandler(&a2a.AgentCard{
		Name: "worker", Description: "works", Version: "1", ProtocolVersion: "0.3.0", URL: "https://inside.example/agent", PreferredTransport: a2a.TransportProtocolJSONRPC,
		Capabilities: a2a.AgentCapabilities{Streaming: true}, DefaultInputModes: []string{"text/plain"}, DefaultOutputModes: []string{"text/plain"}, Skills: []a2a.AgentSkill{},
	}))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return harness.Start(t, route(srv.URL+"/agent", "a2a.versions = [\"0.3\"]\n"))
}

// olderClient returns a client of the older SDK.
func olderClient(t *testing.T, g *harness.Gateway) *a2aclient.Client {
	c, err := a2aclient.NewFromEndpoints(t.Context(), []a2a.AgentInterface{{URL: g.URL, Transport: a2a.TransportProtocolJSONRPC}},
		a2aclient.WithDefaultsDisabled(), a2aclient.WithJSONRPCTransport(&http.Client{Transport: withKey{g.Key}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func olderText(s string) *a2a.MessageSendParams {
	return &a2a.MessageSendParams{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.TextPart{Text: s})}
}

// TestOlderSDK: its client with its agent, its client with the newer agent, and
// the newer client with its agent.
func TestOlderSDK(t *testing.T) {
	between := startOlder(t)
	newAgent, _ := start(t, "")
	t.Run("client and agent", func(t *testing.T) { checkOlder(t, olderClient(t, between)) })
	t.Run("client, newer agent", func(t *testing.T) { checkOlder(t, olderClient(t, newAgent)) })
	t.Run("newer client, agent", func(t *testing.T) {
		w := way{"0.3 JSON-RPC", a2av0.Version, newer.TransportProtocolJSONRPC}
		c := newClient(t, between.URL, between.Key, w)
		checkMessage(t, c)
		checkTask(t, c, w)
		checkStream(t, c)
		checkErrors(t, c, w)
	})
	t.Run("card", func(t *testing.T) {
		r := harness.Do(t, http.MethodGet, between.Base+"/.well-known/agent-card.json", nil)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, `"protocolVersion":"0.3.0"`) || strings.Contains(r.Body, "inside.example") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	})
}

func checkOlder(t *testing.T, c *a2aclient.Client) {
	ctx := t.Context()
	res, err := c.SendMessage(ctx, olderText("hello"))
	if m, ok := res.(*a2a.Message); err != nil || !ok || len(m.Parts) != 1 {
		t.Fatalf("message: %#v, %v", res, err)
	}
	res, err = c.SendMessage(ctx, olderText("work"))
	task, ok := res.(*a2a.Task)
	if err != nil || !ok || task.Status.State != a2a.TaskStateCompleted {
		t.Fatalf("task: %#v, %v", res, err)
	}
	if got, err := c.GetTask(ctx, &a2a.TaskQueryParams{ID: task.ID}); err != nil || got.ID != task.ID || len(got.Artifacts) != 1 {
		t.Errorf("get: %#v, %v", got, err)
	}
	if _, err := c.GetTask(ctx, &a2a.TaskQueryParams{ID: a2a.NewTaskID()}); !errors.Is(err, a2a.ErrTaskNotFound) {
		t.Errorf("a task that is not there: %v", err)
	}
	if _, err := c.SendMessage(ctx, olderText("fail")); err == nil || strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("a failing agent: %v", err)
	}
	n := 0
	for _, err := range c.SendStreamingMessage(ctx, olderText("work")) {
		if n++; err != nil {
			t.Fatalf("stream: %v", err)
		}
	}
	if n != 4 {
		t.Errorf("%d events", n)
	}
	checkOlderCancel(t, c)
}

// checkOlderCancel follows a task that waits until it is cancelled.
func checkOlderCancel(t *testing.T, c *a2aclient.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var id a2a.TaskID
	for ev, err := range c.SendStreamingMessage(ctx, olderText("wait")) {
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := ev.(*a2a.TaskStatusUpdateEvent); ok && u.Status.State == a2a.TaskStateWorking {
			id = u.TaskID
			break
		}
	}
	first, last := true, a2a.TaskState("")
	for ev, err := range c.ResubscribeToTask(ctx, &a2a.TaskIDParams{ID: id}) {
		if err != nil {
			t.Fatalf("resubscribe: %v", err)
		}
		if first {
			first = false
			if got, err := c.CancelTask(ctx, &a2a.TaskIDParams{ID: id}); err != nil || got.Status.State != a2a.TaskStateCanceled {
				t.Errorf("cancel: %#v, %v", got, err)
			}
		}
		if u, ok := ev.(*a2a.TaskStatusUpdateEvent); ok {
			last = u.Status.State
		}
	}
	if last != a2a.TaskStateCanceled {
		t.Errorf("the subscription ended with %q", last)
	}
	if got, err := c.GetTask(ctx, &a2a.TaskQueryParams{ID: id}); err != nil || got.Status.State != a2a.TaskStateCanceled {
		t.Errorf("cancelled: %#v, %v", got, err)
	}
}
