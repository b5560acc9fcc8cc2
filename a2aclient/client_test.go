package a2aclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/test/sampleagent"
)

// kinds are the versions and bindings that are spoken.
var kinds = []sampleagent.Options{
	{Version: sampleagent.V1, Binding: sampleagent.JSONRPC},
	{Version: sampleagent.V1, Binding: sampleagent.HTTPJSON},
	{Version: sampleagent.V03, Binding: sampleagent.JSONRPC},
	{Version: sampleagent.V03, Binding: sampleagent.HTTPJSON},
}

// quick are limits for tests: nothing waits for long.
var quick = a2aclient.Limits{Timeout: 10 * time.Second, Poll: time.Millisecond}

func start(t *testing.T, o sampleagent.Options) *sampleagent.Agent {
	t.Helper()
	a := sampleagent.Start(o)
	t.Cleanup(a.Close)
	return a
}

func connect(t *testing.T, url string, o a2aclient.Options) *a2aclient.Client {
	t.Helper()
	if o.Limits == (a2aclient.Limits{}) {
		o.Limits = quick
	}
	c, err := a2aclient.Connect(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func texts(parts []*a2a.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text())
	}
	return b.String()
}

// each runs a test against every version and binding of the official SDK.
func each(t *testing.T, f func(*testing.T, sampleagent.Options)) {
	for _, o := range kinds {
		t.Run(o.Version+" "+o.Binding, func(t *testing.T) {
			t.Parallel()
			f(t, o)
		})
	}
}

func TestUnary(t *testing.T) {
	each(t, func(t *testing.T, o sampleagent.Options) {
		c := connect(t, start(t, o).URL, a2aclient.Options{})
		r, err := c.Send(t.Context(), a2aclient.Message{Text: "say hello"})
		if err != nil || r.Message == nil || texts(r.Message.Parts) != "hello" {
			t.Fatalf("%+v, %v", r, err)
		}
		r, err = c.Send(t.Context(), a2aclient.Message{Text: "count", Skill: "count"})
		if err != nil || r.Task == nil || r.Task.Status.State != a2a.TaskStateCompleted {
			t.Fatalf("%+v, %v", r, err)
		}
		if len(r.Task.Artifacts) != 1 || texts(r.Task.Artifacts[0].Parts) != "one two three" {
			t.Errorf("artifacts %+v", r.Task.Artifacts)
		}
		got, err := c.Task(t.Context(), string(r.Task.ID))
		if err != nil || got.ID != r.Task.ID {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err = c.Task(t.Context(), "nowhere"); !errors.Is(err, a2a.ErrTaskNotFound) {
			t.Errorf("a task that is not there: %v", err)
		}
		if _, err = c.Cancel(t.Context(), string(r.Task.ID)); !errors.Is(err, a2a.ErrTaskNotCancelable) {
			t.Errorf("cancelling what is done: %v", err)
		}
		if s := c.Stats(); s.Calls < 5 || s.CallsFailed != 2 || s.CallsRetried != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStreaming(t *testing.T) {
	each(t, func(t *testing.T, o sampleagent.Options) {
		c := connect(t, start(t, o).URL, a2aclient.Options{})
		var said strings.Builder
		last := a2a.TaskStateUnspecified
		for e, err := range c.Stream(t.Context(), a2aclient.Message{Text: "count"}) {
			if err != nil {
				t.Fatal(err)
			}
			switch v := e.(type) {
			case *a2a.TaskArtifactUpdateEvent:
				said.WriteString(texts(v.Artifact.Parts))
			case *a2a.TaskStatusUpdateEvent:
				last = v.Status.State
			}
		}
		if said.String() != "one two three" || last != a2a.TaskStateCompleted {
			t.Errorf("%q, %s", &said, last)
		}
		if s := c.Stats(); s.StreamEventsReceived != 6 || s.StreamEventsInvalid != 0 || s.StreamsResumed != 0 {
			t.Errorf("%+v", s)
		}
		n := 0
		for e, err := range c.Stream(t.Context(), a2aclient.Message{Text: "say hi"}) {
			if m, ok := e.(*a2a.Message); err != nil || !ok || texts(m.Parts) != "hi" {
				t.Errorf("%+v, %v", e, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d events of a message", n)
		}
	})
}

func TestWithoutStreaming(t *testing.T) {
	each(t, func(t *testing.T, o sampleagent.Options) {
		o.NoStream = true
		c := connect(t, start(t, o).URL, a2aclient.Options{})
		var last a2a.Event
		for e, err := range c.Stream(t.Context(), a2aclient.Message{Text: "count"}) {
			if err != nil {
				t.Fatal(err)
			}
			last = e
		}
		if task, ok := last.(*a2a.Task); !ok || task.Status.State != a2a.TaskStateCompleted {
			t.Errorf("%+v", last)
		}
	})
}

func TestConversation(t *testing.T) {
	each(t, func(t *testing.T, o sampleagent.Options) {
		c := connect(t, start(t, o).URL, a2aclient.Options{})
		r, err := c.Send(t.Context(), a2aclient.Message{Text: "ask", Session: "mine"})
		if err != nil || r.Task == nil || r.Task.Status.State != a2a.TaskStateInputRequired {
			t.Fatalf("%+v, %v", r, err)
		}
		next, err := c.Send(t.Context(), a2aclient.Message{Text: "that one", Session: "mine"})
		if err != nil || next.Task == nil || next.Task.ID != r.Task.ID || next.Task.Status.State != a2a.TaskStateCompleted {
			t.Fatalf("%+v, %v", next, err)
		}
		again, err := c.Send(t.Context(), a2aclient.Message{Text: "count", Session: "mine"})
		if err != nil || again.Task == nil || again.Task.ID == r.Task.ID || again.Task.ContextID != r.Task.ContextID {
			t.Fatalf("%+v, %v", again, err)
		}
		if s := c.Stats(); s.SessionsCreated != 1 || s.Sessions != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWaitWatchCancel(t *testing.T) {
	each(t, func(t *testing.T, o sampleagent.Options) {
		a := start(t, o)
		c := connect(t, a.URL, a2aclient.Options{})
		r, err := c.Send(t.Context(), a2aclient.Message{Text: "wait", Immediately: true})
		if err != nil || r.Task == nil || r.Task.Status.State.Terminal() {
			t.Fatalf("%+v, %v", r, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for e, err := range c.Watch(ctx, string(r.Task.ID)) {
			if task, ok := e.(*a2a.Task); err != nil || !ok || task.ID != r.Task.ID {
				t.Errorf("%+v, %v", e, err)
			}
			break
		}
		cancel()
		got, err := c.Cancel(t.Context(), string(r.Task.ID))
		if err != nil || got.Status.State != a2a.TaskStateCanceled {
			t.Fatalf("%+v, %v", got, err)
		}
		r, err = c.Send(t.Context(), a2aclient.Message{Text: "wait", Immediately: true})
		if err != nil || r.Task == nil {
			t.Fatalf("%+v, %v", r, err)
		}
		states := make(chan a2a.TaskState, 16)
		go func() {
			defer close(states)
			for e, err := range c.Watch(t.Context(), string(r.Task.ID)) {
				if err != nil {
					t.Error(err)
					return
				}
				switch v := e.(type) {
				case *a2a.Task:
					states <- v.Status.State
				case *a2a.TaskStatusUpdateEvent:
					states <- v.Status.State
				}
			}
		}()
		<-states
		a.Release()
		done, err := c.Wait(t.Context(), string(r.Task.ID))
		if err != nil || done.Status.State != a2a.TaskStateCompleted {
			t.Errorf("%+v, %v", done, err)
		}
		last := a2a.TaskStateUnspecified
		for s := range states {
			last = s
		}
		if last != a2a.TaskStateCompleted {
			t.Errorf("watched up to %s", last)
		}
	})
}

func TestPushConfigurations(t *testing.T) {
	each(t, func(t *testing.T, o sampleagent.Options) {
		if o.Version == sampleagent.V03 && o.Binding == sampleagent.HTTPJSON {
			t.Skip("the SDK's client and server of this kind do not agree on the body")
		}
		c := connect(t, start(t, o).URL, a2aclient.Options{})
		r, err := c.Send(t.Context(), a2aclient.Message{Text: "count"})
		if err != nil {
			t.Fatal(err)
		}
		id := string(r.Task.ID)
		set, err := c.SetPush(t.Context(), &a2a.PushConfig{TaskID: r.Task.ID, ID: "mine", URL: "https://me.example/hook", Token: "t"})
		if err != nil || set.URL != "https://me.example/hook" {
			t.Fatalf("%+v, %v", set, err)
		}
		if got, err := c.Push(t.Context(), id, "mine"); err != nil || got.URL != set.URL {
			t.Errorf("%+v, %v", got, err)
		}
		if all, err := c.Pushes(t.Context(), id); err != nil || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}
		if err := c.DeletePush(t.Context(), id, "mine"); err != nil {
			t.Error(err)
		}
		if _, err := c.SetPush(t.Context(), &a2a.PushConfig{TaskID: r.Task.ID, URL: "javascript:alert(1)"}); !errors.Is(err, a2aclient.ErrURL) {
			t.Errorf("got %v", err)
		}
	})
}

func TestList(t *testing.T) {
	for _, binding := range []string{sampleagent.JSONRPC, sampleagent.HTTPJSON} {
		c := connect(t, start(t, sampleagent.Options{Binding: binding}).URL, a2aclient.Options{})
		r, err := c.Send(t.Context(), a2aclient.Message{Text: "count"})
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := c.Tasks(t.Context(), a2aclient.Query{})
		if err != nil || len(list) != 1 || list[0].ID != r.Task.ID {
			t.Errorf("%s: %+v, %v", binding, list, err)
		}
	}
}
