package a2a

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
)

// TestOfficialClientAndAgent takes each call of the official client to the
// official agent.
func TestOfficialClientAndAgent(t *testing.T) {
	g, _ := start(t, "")
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			c := newClient(t, g.URL, g.Key, w)
			t.Run("message", func(t *testing.T) { checkMessage(t, c) })
			t.Run("task", func(t *testing.T) { checkTask(t, c, w) })
			t.Run("stream", func(t *testing.T) { checkStream(t, c) })
			t.Run("subscribe and cancel", func(t *testing.T) { checkSubscribe(t, c) })
			t.Run("errors", func(t *testing.T) { checkErrors(t, c, w) })
		})
	}
}

func checkMessage(t *testing.T, c *a2aclient.Client) {
	res, err := c.SendMessage(t.Context(), text("hello"))
	m, ok := res.(*a2a.Message)
	if err != nil || !ok || m.Parts[0].Text() != "you said hello" {
		t.Fatalf("got %#v, %v", res, err)
	}
}

func checkTask(t *testing.T, c *a2aclient.Client, w way) {
	res, err := c.SendMessage(t.Context(), text("work"))
	task, ok := res.(*a2a.Task)
	if err != nil || !ok || task.Status.State != a2a.TaskStateCompleted {
		t.Fatalf("got %#v, %v", res, err)
	}
	got, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: task.ID})
	if err != nil || got.ID != task.ID || got.Artifacts[0].Parts[0].Text() != "result of work" {
		t.Errorf("GetTask: %#v, %v", got, err)
	}
	if w.version == a2a.Version {
		list, err := c.ListTasks(t.Context(), &a2a.ListTasksRequest{ContextID: task.ContextID})
		if err != nil || len(list.Tasks) != 1 || list.Tasks[0].ID != task.ID {
			t.Errorf("ListTasks: %#v, %v", list, err)
		}
	}
	asked, err := c.SendMessage(t.Context(), text("ask"))
	if err != nil {
		t.Fatal(err)
	}
	next := text("work")
	next.Message.TaskID, next.Message.ContextID = asked.TaskInfo().TaskID, asked.TaskInfo().ContextID
	res, err = c.SendMessage(t.Context(), next)
	if err != nil || res.TaskInfo().TaskID != asked.TaskInfo().TaskID {
		t.Errorf("continued: %#v, %v", res, err)
	}
}

// states are the states that a stream tells, and its texts.
func states(t *testing.T, events func(func(a2a.Event, error) bool)) (told []string, info a2a.TaskInfo) {
	t.Helper()
	for ev, err := range events {
		if err != nil {
			t.Fatalf("after %v: %v", told, err)
		}
		info = ev.TaskInfo()
		switch ev := ev.(type) {
		case *a2a.Task:
			told = append(told, "task")
		case *a2a.Message:
			told = append(told, "message")
		case *a2a.TaskStatusUpdateEvent:
			told = append(told, string(ev.Status.State))
		case *a2a.TaskArtifactUpdateEvent:
			told = append(told, ev.Artifact.Parts[0].Text())
		}
	}
	return told, info
}

func checkStream(t *testing.T, c *a2aclient.Client) {
	told, _ := states(t, c.SendStreamingMessage(t.Context(), text("work")))
	if got, want := strings.Join(told, " "), "task TASK_STATE_WORKING result of work TASK_STATE_COMPLETED"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	told, _ = states(t, c.SendStreamingMessage(t.Context(), text("hello")))
	if strings.Join(told, " ") != "message" {
		t.Errorf("got %q", told)
	}
}

func checkSubscribe(t *testing.T, c *a2aclient.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var info a2a.TaskInfo
	for ev, err := range c.SendStreamingMessage(ctx, text("wait")) {
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := ev.(*a2a.TaskStatusUpdateEvent); ok && u.Status.State == a2a.TaskStateWorking {
			info = ev.TaskInfo()
			break
		}
	}
	first := true
	for ev, err := range c.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: info.TaskID}) {
		if err != nil {
			t.Fatal(err)
		}
		if first {
			first = false
			task, err := c.CancelTask(ctx, &a2a.CancelTaskRequest{ID: info.TaskID})
			if err != nil || task.Status.State != a2a.TaskStateCanceled {
				t.Fatalf("CancelTask: %#v, %v", task, err)
			}
		}
		if ev.TaskInfo().TaskID != info.TaskID {
			t.Errorf("event of %v", ev.TaskInfo())
		}
	}
	if first {
		t.Error("the subscription told nothing")
	}
}

func checkErrors(t *testing.T, c *a2aclient.Client, w way) {
	want := a2a.ErrTaskNotFound
	if w.version == a2av0.Version && w.binding == a2a.TransportProtocolHTTPJSON {
		want = a2a.ErrServerError // the client reads no problem documents, which its own server sends too
	}
	if _, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: a2a.NewTaskID()}); !errors.Is(err, want) {
		t.Errorf("a task that is not there: %v", err)
	}
	_, err := c.SendMessage(t.Context(), text("fail"))
	if err == nil || strings.Contains(err.Error(), "10.1.2.3") || strings.Contains(err.Error(), "/etc/") {
		t.Errorf("a failing agent: %v", err)
	}
}
