package phi

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func newGuard(t *testing.T) *Guard {
	t.Helper()
	tool := func(name string) func(portcullis.Action) bool {
		return func(a portcullis.Action) bool { return a.Target.Name == name }
	}
	g, err := NewGuard(Default(), nil, []Mark{
		{Means: tool("whole")},
		{Means: tool("some"), Fields: fields(t, "ssn")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var (
	viewer   = portcullis.Principal{ID: "v", Roles: []string{"viewer"}}
	provider = portcullis.Principal{ID: "p", Roles: []string{"healthcare_provider"}}
)

// TestWhatNobodyKnows: of a message of which is not known what it is about,
// every mark holds.
func TestWhatNobodyKnows(t *testing.T) {
	g := newGuard(t)
	call := About(t.Context(), portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "x"}})
	for _, c := range []struct {
		name    string
		m       portcullis.Message
		refused bool
		want    string
	}{
		{"an answer to another tool", portcullis.Message{Shape: portcullis.ShapeResult, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "x"}, Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{"ssn":1}}`)}, false, `{"jsonrpc":"2.0","id":1,"result":{"ssn":1}}`},
		{"an answer to the tool", portcullis.Message{Shape: portcullis.ShapeResult, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "some"}, Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{"ssn":1}}`)}, false, `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{"an answer to the whole", portcullis.Message{Shape: portcullis.ShapeResult, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "whole"}, Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"an answer on a listening stream", portcullis.Message{Shape: portcullis.ShapeResult, Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"the result of a task", portcullis.Message{Shape: portcullis.ShapeResult, Method: "tasks/result", Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"a task of an agent", portcullis.Message{Shape: portcullis.ShapeResult, Method: "GetTask", Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"tasks of an agent", portcullis.Message{Shape: portcullis.ShapeResult, Method: "ListTasks", Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"a task of an agent that goes on", portcullis.Message{Shape: portcullis.ShapeResult, Method: "SubscribeToTask", Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"a message to a task, of another skill", portcullis.Message{Shape: portcullis.ShapeResult, Method: "SendMessage", Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "x"}, Request: []byte(`{"params":{"message":{"taskId":"t"}}}`), Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"a message in a conversation", portcullis.Message{Shape: portcullis.ShapeResult, Method: "SendMessage", Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "x"}, Request: []byte(`{"params":{"message":{"contextId":"c"}}}`), Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, true, ""},
		{"a message that looks back", portcullis.Message{Shape: portcullis.ShapeResult, Method: "SendMessage", Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "x"}, Request: []byte(`{"message":{"referenceTaskIds":["t"]}}`), Raw: []byte(`{"id":1}`)}, true, ""},
		{"a message of another skill", portcullis.Message{Shape: portcullis.ShapeResult, Method: "SendMessage", Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "x"}, Request: []byte(`{"message":{"taskId":""}}`), Raw: []byte(`{"ssn":1}`)}, false, `{"ssn":1}`},
		{"a notification", portcullis.Message{Shape: portcullis.ShapeNotification, Method: "notifications/message", Raw: []byte(`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":{"ssn":1}}}`)}, false, `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":{}}}`},
		{"a request of the server", portcullis.Message{Shape: portcullis.ShapeRequest, Method: "elicitation/create", Raw: []byte(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"ssn 1"}}`)}, false, `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"` + Withheld + `"}}`},
		{"an error", portcullis.Message{Shape: portcullis.ShapeError, Raw: []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":{"ssn":1}}}`)}, false, `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"` + Withheld + `","data":{}}}`},
		{"a reply without an envelope", portcullis.Message{Shape: portcullis.ShapeResult, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "some"}, Raw: []byte(`{"task":{"ssn":1},"id":1}`)}, false, `{"task":{},"id":1}`},
	} {
		m := c.m
		m.Direction = portcullis.ToClient
		out, err := g.Inspect(call, viewer, &m)
		var e *portcullis.Error
		switch {
		case c.refused && (!errors.As(err, &e) || e.Event != portcullis.EventUnauthorizedAccess || e.Kind != portcullis.KindForbidden):
			t.Errorf("%s: %v, %v", c.name, out, err)
		case !c.refused && (err != nil || string(out.Raw) != c.want):
			t.Errorf("%s: %v, %v", c.name, out, err)
		}
		m = c.m
		m.Direction = portcullis.ToClient
		if out, err := g.Inspect(t.Context(), provider, &m); err != nil || string(out.Raw) != string(c.m.Raw) {
			t.Errorf("%s, to the provider: %v, %v", c.name, out, err)
		}
	}
}

func TestNobodyReads(t *testing.T) {
	g := newGuard(t)
	d, err := g.Authorize(t.Context(), portcullis.Principal{}, portcullis.Action{})
	if err != nil || d.Allowed() {
		t.Errorf("nobody: %+v, %v", d, err)
	}
	for _, method := range []string{"tasks/get", "tasks/result", "GetTask", "ListTasks", "SubscribeToTask"} {
		if err := g.CheckCaller(t.Context(), nil, viewer, portcullis.Action{Method: method}); err == nil {
			t.Errorf("%s is let pass", method)
		}
	}
	for _, method := range []string{"tasks/cancel", "tasks/list", "ping"} {
		if err := g.CheckCaller(t.Context(), nil, viewer, portcullis.Action{Method: method}); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	_, err = g.Inspect(t.Context(), viewer, &portcullis.Message{Direction: portcullis.ToClient, Raw: []byte(`{"jsonrpc":"2.0","result":{"a":[1,,]}}`)})
	if err == nil || strings.Contains(err.Error(), "[1") {
		t.Errorf("JSON that cannot be followed: %v", err)
	}
}

// TestStill: a stream does not go on when what let its caller in is over.
func TestStill(t *testing.T) {
	glass, _ := newGlass(t)
	g := newGuard(t)
	g.glass = glass
	a := portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "whole"}}
	if _, err := glass.Grant(t.Context(), viewer.ID, "x", time.Hour, root); err != nil {
		t.Fatal(err)
	}
	for _, who := range []portcullis.Principal{viewer, provider} {
		if err := g.Still(who, a); err != nil {
			t.Errorf("%s: %v", who.ID, err)
		}
	}
	if _, err := glass.Revoke(t.Context(), viewer.ID, root); err != nil {
		t.Fatal(err)
	}
	var e *portcullis.Error
	if err := g.Still(viewer, a); !errors.As(err, &e) || e.Event != portcullis.EventUnauthorizedAccess {
		t.Errorf("after the emergency: %v", err)
	}
	if err := g.Still(viewer, portcullis.Action{}); err != nil {
		t.Errorf("nothing is asked for: %v", err)
	}
}

// TestUnasked: what is sent outside of any call is not for an emergency: nothing
// would record the read.
func TestUnasked(t *testing.T) {
	glass, _ := newGlass(t)
	g := newGuard(t)
	g.glass = glass
	if _, err := glass.Grant(t.Context(), viewer.ID, "x", time.Hour, root); err != nil {
		t.Fatal(err)
	}
	m := portcullis.Message{
		Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: "tools/call",
		Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "some"}, Raw: []byte(`{"ssn":1}`),
	}
	if out, err := g.Inspect(t.Context(), viewer, &m); err != nil || string(out.Raw) != `{"ssn":1}` {
		t.Errorf("an answer: %v, %v", out, err)
	}
	if out, err := g.Inspect(Unasked(t.Context()), viewer, &m); err != nil || string(out.Raw) != `{}` {
		t.Errorf("a notification: %v, %v", out, err)
	}
}
