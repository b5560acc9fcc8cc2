package phi

import (
	"errors"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// TestBesideAnswers: what a server says on a stream that only listens, and that
// may be about what is marked as a whole, is for those who have the role. On the
// stream of a call it is about that call.
func TestBesideAnswers(t *testing.T) {
	g := newGuard(t)
	resource := func(uri string) portcullis.Message {
		return portcullis.Message{Shape: portcullis.ShapeNotification, Method: "notifications/resources/updated", Params: []byte(`{"uri":"` + uri + `"}`), Raw: []byte(`{}`)}
	}
	says := func(method string) portcullis.Message {
		return portcullis.Message{Shape: portcullis.ShapeNotification, Method: method, Raw: []byte(`{}`)}
	}
	asks := portcullis.Message{Shape: portcullis.ShapeRequest, Method: "elicitation/create", Raw: []byte(`{}`)}
	tool := func(name string) *portcullis.Action {
		return &portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name}}
	}
	for _, c := range []struct {
		name    string
		call    *portcullis.Action // nil: nobody says
		m       portcullis.Message
		refused bool
	}{
		{"log, nobody knows where", nil, says("notifications/message"), true},
		{"log, listening", &portcullis.Action{Method: "stream/open"}, says("notifications/message"), true},
		{"log, subscribed", &portcullis.Action{Method: "subscriptions/listen"}, says("notifications/message"), true},
		{"progress, listening", &portcullis.Action{Method: "stream/open"}, says("notifications/progress"), true},
		{"task status, listening", &portcullis.Action{Method: "stream/open"}, says("notifications/tasks/status"), true},
		{"unknown, listening", &portcullis.Action{Method: "stream/open"}, says("notifications/other"), true},
		{"question, listening", &portcullis.Action{Method: "stream/open"}, asks, true},
		{"marked resource, listening", &portcullis.Action{Method: "stream/open"}, resource("whole"), true},
		{"other resource, listening", &portcullis.Action{Method: "stream/open"}, resource("x"), false},
		{"resource without a name", &portcullis.Action{Method: "stream/open"}, says("notifications/resources/updated"), true},
		{"list, listening", &portcullis.Action{Method: "stream/open"}, says("notifications/tools/list_changed"), false},
		{"cancelled, listening", &portcullis.Action{Method: "stream/open"}, says("notifications/cancelled"), false},
		{"log of another call", tool("x"), says("notifications/message"), false},
		{"progress of another call", tool("x"), says("notifications/progress"), false},
		{"question of another call", tool("x"), asks, false},
		{"log of the call", tool("whole"), says("notifications/message"), true},
		{"marked resource beside another call", tool("x"), resource("whole"), true},
		{"log of a task", &portcullis.Action{Method: "tasks/result"}, says("notifications/message"), true},
	} {
		ctx := t.Context()
		if c.call != nil {
			ctx = About(ctx, *c.call)
		}
		m := c.m
		m.Direction = portcullis.ToClient
		_, err := g.Inspect(ctx, viewer, &m)
		var e *portcullis.Error
		if c.refused != (errors.As(err, &e) && e.Event == portcullis.EventUnauthorizedAccess) || !c.refused && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		m = c.m
		m.Direction = portcullis.ToClient
		if _, err := g.Inspect(ctx, provider, &m); err != nil {
			t.Errorf("%s, to the provider: %v", c.name, err)
		}
	}
}

// TestConversation: a message in a context may be answered with what was said
// there before, whatever skill it names.
func TestConversation(t *testing.T) {
	g := newGuard(t)
	a := portcullis.Action{Method: "SendMessage", Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "x"}}
	if err := g.CheckMessage(t.Context(), nil, viewer, &portcullis.Message{}, a); err != nil {
		t.Errorf("a new one: %v", err)
	}
	if err := g.CheckMessage(t.Context(), nil, viewer, &portcullis.Message{Session: "c"}, a); err == nil {
		t.Error("one that goes on passed")
	}
	a = portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "x"}}
	if err := g.CheckMessage(t.Context(), nil, viewer, &portcullis.Message{Session: "s"}, a); err != nil {
		t.Errorf("a session of MCP is no conversation: %v", err)
	}
}
