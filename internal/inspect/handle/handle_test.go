package handle_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/handle"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

type gate struct {
	*handle.Inspector
	now *time.Time
}

func newGate(t interface {
	Helper()
	Fatal(...any)
}, route string) gate {
	t.Helper()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s, err := handle.NewSealer(bytes.Repeat([]byte{7}, handle.KeySize), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return gate{handle.New(s, route), &now}
}

// pass takes a message through the inspector as the gateway does.
func (g gate) pass(t *testing.T, who string, dir portcullis.Direction, raw string, request []byte) (*portcullis.Message, error) {
	t.Helper()
	p, err := mcp.Parse([]byte(raw), jsonrpc.DefaultReplyLimits(), dir)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	p.Request = request
	return g.Inspect(t.Context(), portcullis.Principal{ID: who}, &p.Message)
}

func (g gate) seal(t *testing.T, who, raw string, request string) string {
	t.Helper()
	m, err := g.pass(t, who, portcullis.ToClient, raw, []byte(request))
	if err != nil {
		t.Fatalf("sealing %s: %v", raw, err)
	}
	if !jsontext.Value(m.Raw).IsValid() {
		t.Fatalf("sealed into %s", m.Raw)
	}
	return string(m.Raw)
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindMalformed || e.Code != portcullis.CodeInvalidParams || e.Event != portcullis.EventUnauthorizedAccess {
		t.Errorf("%s: err = %v, want a refusal", what, err)
	}
}

// cut returns what stands between two texts.
func cut(t *testing.T, s, before, after string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, before)
	s, _, ok2 := strings.Cut(s, after)
	if !ok || !ok2 {
		t.Fatalf("%q is not between %q and %q", s, before, after)
	}
	return s
}

func TestATaskIsItsOwners(t *testing.T) {
	g := newGate(t, "files")
	sealed := cut(t, g.seal(t, "alice", `{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}`, ""), `"taskId":"`, `"`)
	if sealed == "t-1" {
		t.Fatal("the id was passed on as it is")
	}
	for _, method := range []string{"tasks/get", "tasks/result", "tasks/cancel", "tasks/update"} {
		call := func(id string) string {
			return `{"jsonrpc":"2.0","id":2,"method":"` + method + `","params":{"taskId":"` + id + `"}}`
		}
		m, err := g.pass(t, "alice", portcullis.ToServer, call(sealed), nil)
		if err != nil || string(m.Raw) != call("t-1") || m.TaskID != "t-1" || string(m.Params) != `{"taskId":"t-1"}` {
			t.Errorf("%s by the owner: %s %q, %v", method, m.Raw, m.TaskID, err)
		}
		_, err = g.pass(t, "mallory", portcullis.ToServer, call(sealed), nil)
		refused(t, method+" by another", err)
		_, err = newGate(t, "other").pass(t, "alice", portcullis.ToServer, call(sealed), nil)
		refused(t, method+" on another route", err)
		for _, forged := range []string{"t-1", "t-1.", "t-2" + sealed[3:], sealed + "A", ".", "t-1.AAAAAAAAAAAAAAAAAAAAAA"} {
			_, err = g.pass(t, "alice", portcullis.ToServer, call(forged), nil)
			refused(t, method+" of "+forged, err)
		}
		_, err = g.pass(t, "alice", portcullis.ToServer, "\n "+call("t-1"), nil)
		refused(t, method+" behind white space", err)
	}
}

func TestTaskIDsAreTheSameEverywhere(t *testing.T) {
	g := newGate(t, "files")
	want := cut(t, g.seal(t, "alice", `{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t-1"}}`, ""), `"taskId":"`, `"`)
	for what, raw := range map[string]string{
		"a task":           `{"jsonrpc":"2.0","id":1,"result":{"taskId":"t-1","status":"completed"}}`,
		"a list":           `{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"t-1"},{"taskId":"t-2"}]}}`,
		"a status":         `{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t-1","status":"working"}}`,
		"a related result": `{"jsonrpc":"2.0","id":1,"result":{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-1"}}}}`,
		"a related call":   `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-1"}}}}`,
		"a confirmation":   `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["t-1"]}}}`,
	} {
		if got := g.seal(t, "alice", raw, ""); !strings.Contains(got, `"`+want+`"`) || strings.Contains(got, `"t-1"`) {
			t.Errorf("%s: %s, want %s in it", what, got, want)
		}
		if got := g.seal(t, "bob", raw, ""); strings.Contains(got, want) {
			t.Errorf("%s: bob got the id of alice", what)
		}
	}
	call := `{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["` + want + `"]}}}`
	if m, err := g.pass(t, "alice", portcullis.ToServer, call, nil); err != nil || !strings.Contains(string(m.Raw), `["t-1"]`) {
		t.Errorf("listening: %v, %v", m, err)
	}
	_, err := g.pass(t, "mallory", portcullis.ToServer, call, nil)
	refused(t, "listening to the task of another", err)
	_, err = g.pass(t, "alice", portcullis.ToServer, `{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{"notifications":{"task\u0049ds":["t-1"]}}}`, nil)
	refused(t, "listening under an escaped name", err) // names can be written with escapes; they are the same names
}

func TestTasksOfTheClientAreItsOwn(t *testing.T) {
	g := newGate(t, "files")
	for what, c := range map[string]struct {
		dir portcullis.Direction
		raw string
	}{
		"the server asks for a task of the client": {portcullis.ToClient, `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"c-1"}}`},
		"the client names its task":                {portcullis.ToServer, `{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"c-1"},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"c-1"}}}}`},
		"an argument of that name":                 {portcullis.ToServer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"taskId":"x","requestState":"y"}}}`},
		"a result of that name":                    {portcullis.ToClient, `{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"taskId":"x","requestState":"y"}}}`},
	} {
		if m, err := g.pass(t, "alice", c.dir, c.raw, nil); err != nil || string(m.Raw) != c.raw {
			t.Errorf("%s: %v, %v", what, m, err)
		}
	}
}

const asked = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":"bob","n":9007199254740993},"_meta":{"progressToken":1}}}`

func TestARequestStateIsForItsRequest(t *testing.T) {
	g := newGate(t, "files")
	sealed := cut(t, g.seal(t, "alice", `{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s=\"1\""}}`, asked), `"requestState":"`, `"}`)
	again := func(params string) string {
		return `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{` + params + `,"requestState":"` + sealed + `","inputResponses":{"q":{"action":"accept"}}}}`
	}
	const same = `"arguments":{"n":9007199254740993,"to":"bob"},"name":"pay"`
	m, err := g.pass(t, "alice", portcullis.ToServer, again(same), nil)
	if err != nil || !strings.Contains(string(m.Raw), `"requestState":"s=\"1\""`) {
		t.Fatalf("the same request: %v, %v", m, err)
	}
	for what, params := range map[string]string{
		"another tool":     `"arguments":{"n":9007199254740993,"to":"bob"},"name":"pay_all"`,
		"another argument": `"arguments":{"n":9007199254740993,"to":"eve"},"name":"pay"`,
		"a number near it": `"arguments":{"n":9007199254740992,"to":"bob"},"name":"pay"`,
		"one more":         `"arguments":{"n":9007199254740993,"to":"bob","x":1},"name":"pay"`,
		"none":             `"name":"pay"`,
	} {
		_, err := g.pass(t, "alice", portcullis.ToServer, again(params), nil)
		refused(t, what, err)
	}
	_, err = g.pass(t, "mallory", portcullis.ToServer, again(same), nil)
	refused(t, "another caller", err)
	_, err = newGate(t, "other").pass(t, "alice", portcullis.ToServer, again(same), nil)
	refused(t, "another route", err)
	_, err = g.pass(t, "alice", portcullis.ToServer, strings.Replace(again(same), sealed, `s=\"1\"`, 1), nil)
	refused(t, "the upstream's own state", err)
	*g.now = g.now.Add(handle.StateLife + time.Second)
	_, err = g.pass(t, "alice", portcullis.ToServer, again(same), nil)
	refused(t, "an old one", err)
}

func TestAStateWithoutARequestIsRejected(t *testing.T) {
	g := newGate(t, "files")
	_, err := g.pass(t, "alice", portcullis.ToClient, `{"jsonrpc":"2.0","id":1,"result":{"requestState":"s"}}`, nil)
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindUpstream {
		t.Errorf("err = %v", err)
	}
	for _, id := range []string{"", strings.Repeat("x", 513)} {
		if _, err := g.pass(t, "alice", portcullis.ToClient, `{"jsonrpc":"2.0","id":1,"result":{"taskId":"`+id+`"}}`, nil); !errors.As(err, &e) || e.Kind != portcullis.KindUpstream {
			t.Errorf("an id of %d bytes: err = %v", len(id), err)
		}
	}
}

// TestHandlesComeBackAsTheyWere seals and opens any text, and finds all other
// bytes untouched.
func TestHandlesComeBackAsTheyWere(t *testing.T) {
	g := newGate(t, "files")
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.StringN(1, 40, 160).Draw(rt, "id")
		quoted, err := jsontext.AppendQuote(nil, id)
		if err != nil {
			rt.Skip("not UTF-8")
		}
		const before, after = ` { "jsonrpc":"2.0","id" : 1, "result": {"a":"\u0061", "taskId" :`, `, "z":[1.0 ]} }`
		out := g.seal(t, "alice", before+string(quoted)+after, "")
		sealed, ok := strings.CutPrefix(out, before)
		sealed, ok2 := strings.CutSuffix(sealed, after)
		if !ok || !ok2 {
			rt.Fatalf("other bytes changed: %s", out)
		}
		m, err := g.pass(t, "alice", portcullis.ToServer, `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":[`+sealed+`]}}}`, nil)
		if err != nil {
			rt.Fatal(err)
		}
		var back string
		if err := jsonString(cutQuoted(string(m.Raw)), &back); err != nil || back != id {
			rt.Fatalf("%q came back as %q, %v", id, back, err)
		}
	})
}

func cutQuoted(s string) string {
	_, s, _ = strings.Cut(s, `"taskIds":[`)
	return strings.TrimSuffix(s, `]}}}`)
}

func jsonString(s string, out *string) error {
	b, err := jsontext.AppendUnquote(nil, s)
	*out = string(b)
	return err
}

func BenchmarkMessageWithoutHandles(b *testing.B) {
	now := time.Now()
	s, err := handle.NewSealer(make([]byte, handle.KeySize), func() time.Time { return now })
	if err != nil {
		b.Fatal(err)
	}
	i := handle.New(s, "files")
	m := &portcullis.Message{Direction: portcullis.ToServer, Raw: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"text":"` + strings.Repeat("words ", 150) + `"}}}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Inspect(b.Context(), portcullis.Principal{ID: "alice"}, m); err != nil {
			b.Fatal(err)
		}
	}
}
