package bridge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
)

// able is a stateless request of a client that takes elicitation forms.
func able(id, method, params string) string {
	if params != "" {
		params += ","
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}}}`
}

const askParams = `"name":"ask","arguments":{"text":""}`

// asked begins a call that ends in a question, and returns the state.
func (h *house) asked(id string) string {
	h.t.Helper()
	a := h.raw("POST", able(id, "tools/call", askParams), modern...)
	expect(h.t, a, http.StatusOK, `"id":`+id, `"resultType":"input_required"`, `"input-1":{"method":"elicitation/create","params":{`, "your name?")
	var v struct{ Result struct{ RequestState string } }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Result.RequestState == "" {
		h.t.Fatalf("no state in %s", a.body)
	}
	return v.Result.RequestState
}

func given(state string) string {
	return askParams + `,"requestState":"` + state + `","inputResponses":{"input-1":{"action":"accept","content":{"name":"Ada"}}}`
}

func TestInputRequired(t *testing.T) {
	h := open(t, "legacy", nil)
	state := h.asked("1")
	bob := append([]string{"X-Principal", "bob"}, modern...)
	expect(t, h.raw("POST", able("2", "tools/call", given(state)), bob...), http.StatusBadRequest, "-32602", "request_state_invalid")
	expect(t, h.raw("POST", able("3", "tools/call", given(state)), modern...), http.StatusOK, `"id":3`, "hello Ada", `"resultType":"complete"`)
	expect(t, h.raw("POST", able("4", "tools/call", given(state)), modern...), http.StatusBadRequest, "request_state_invalid")

	state = h.asked("5")
	other := strings.Replace(given(state), `"text":""`, `"text":"other"`, 1)
	expect(t, h.raw("POST", able("6", "tools/call", other), modern...), http.StatusBadRequest, "request_state_invalid")
	expect(t, h.raw("POST", able("7", "tools/call", given(state)), modern...), http.StatusBadRequest, "request_state_invalid")

	state = h.asked("8")
	refused := askParams + `,"requestState":"` + state + `"`
	expect(t, h.raw("POST", able("9", "tools/call", refused), modern...), http.StatusOK, `"id":9`, `"isError":true`)

	// A client that cannot be asked is not.
	expect(t, h.raw("POST", strings.Replace(able("10", "tools/call", askParams), `{"elicitation":{"form":{}}}`, "{}", 1), modern...),
		http.StatusOK, `"isError":true`)
	if st := h.b.Stats(); st.Pending != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestInputLapses(t *testing.T) {
	h := open(t, "legacy", func(c *bridge.Config) { c.InputTimeout = 20 * time.Millisecond })
	state := h.asked("1")
	eventually(t, "call withdrawn", func() bool { return h.b.Stats().Pending == 0 })
	expect(t, h.raw("POST", able("2", "tools/call", given(state)), modern...), http.StatusBadRequest, "request_state_invalid")
}

// TestTwoQuestions: calls that ask one after the other do not disturb each
// other, whatever the order of the answers.
func TestTwoQuestions(t *testing.T) {
	h := open(t, "legacy", nil)
	first, second := h.asked("1"), h.asked("2")
	expect(t, h.raw("POST", able("3", "tools/call", given(second)), modern...), http.StatusOK, `"id":3`, "hello Ada")
	expect(t, h.raw("POST", able("4", "tools/call", given(first)), modern...), http.StatusOK, `"id":4`, "hello Ada")
}

// events reads server-sent events and leaves comments out.
type events struct {
	t  *testing.T
	r  *bufio.Reader
	rc io.Closer
}

func newEvents(t *testing.T, a answer) *events {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" {
		b, _ := io.ReadAll(a.live)
		t.Fatalf("no stream: %d %s", a.status, b)
	}
	t.Cleanup(func() { a.live.Close() })
	return &events{t, bufio.NewReader(a.live), a.live}
}

// next returns id and data; both empty at the end.
func (e *events) next() (id, data string) {
	e.t.Helper()
	for {
		line, err := e.r.ReadString('\n')
		if err != nil {
			return "", ""
		}
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case strings.HasPrefix(line, "data: "):
			data = line[6:]
		case line == "" && data != "":
			return id, data
		}
	}
}

// TestSubscription: what a stateless client subscribes to comes under its own
// id, whatever the server speaks.
func TestSubscription(t *testing.T) {
	for _, server := range []string{"both", "legacy"} {
		t.Run(server, func(t *testing.T) {
			h := open(t, server, nil)
			expect(t, h.raw("POST", able("1", "subscriptions/listen", `"notifications":{}`), append([]string{"Accept", "application/json"}, modern...)...),
				http.StatusNotAcceptable)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			e := newEvents(t, h.stream(ctx, "POST", able(`"my\u002did"`, "subscriptions/listen",
				`"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["test://r"]}`), modern...))
			_, data := e.next()
			for _, want := range []string{"notifications/subscriptions/acknowledged", `"io.modelcontextprotocol/subscriptionId":"my\u002did"`, `"toolsListChanged":true`, "test://r"} {
				if !strings.Contains(data, want) {
					t.Errorf("acknowledgement %s lacks %s", data, want)
				}
			}
			expect(t, h.raw("POST", able("2", "tools/call", `"name":"touch","arguments":{"text":"test://r"}`), modern...), http.StatusOK)
			_, data = e.next()
			if !strings.Contains(data, "notifications/resources/updated") || !strings.Contains(data, `"io.modelcontextprotocol/subscriptionId":"my\u002did"`) {
				t.Errorf("update %s", data)
			}
			expect(t, h.raw("POST", able("3", "tools/call", `"name":"grow","arguments":{"text":""}`), modern...), http.StatusOK)
			if _, data = e.next(); !strings.Contains(data, "notifications/tools/list_changed") {
				t.Errorf("change %s", data)
			}
		})
	}
}

// TestGetStream: messages of no call come on the GET stream, again after a
// break, once, and only on the newest stream.
func TestGetStream(t *testing.T) {
	h := open(t, "both", nil)
	s := []string{"Mcp-Session-Id", h.begin()}
	h.raw("POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, s...)
	h.raw("POST", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://r"}}`, s...)
	touch := func() {
		expect(t, h.raw("POST", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"touch","arguments":{"text":"test://r"}}}`, s...), http.StatusOK)
	}
	touch() // nobody listens: it waits
	first := newEvents(t, h.stream(t.Context(), "GET", "", s...))
	if id, data := first.next(); id != "1" || !strings.Contains(data, "resources/updated") {
		t.Errorf("event %q %s", id, data)
	}
	second := newEvents(t, h.stream(t.Context(), "GET", "", s...))
	if id, data := first.next(); data != "" {
		t.Errorf("the older stream goes on: %q %s", id, data)
	}
	touch()
	if id, _ := second.next(); id != "2" {
		t.Errorf("event %q, want 2", id)
	}
	second.rc.Close()
	touch()
	third := newEvents(t, h.stream(t.Context(), "GET", "", append(s, "Last-Event-ID", "1")...))
	for _, want := range []string{"2", "3"} {
		if id, _ := third.next(); id != want {
			t.Errorf("event %q, want %s", id, want)
		}
	}
	h.raw("DELETE", "", s...)
	if id, data := third.next(); data != "" {
		t.Errorf("the stream outlives its session: %q %s", id, data)
	}
}

// TestSchema: what a stateless client gets from a server of the older era is
// what the schema of 2026-07-28 wants.
func TestSchema(t *testing.T) {
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = "../../../../shared/samples"
	}
	f, err := os.Open(dir + "/mcp/schema-2026-07-28.json")
	if err != nil {
		t.Log("the samples folder is absent; nothing is compared")
		return
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, "legacy", nil)
	for _, c := range []struct{ def, method, params string }{
		{"DiscoverResultResponse", "server/discover", ""},
		{"ListToolsResultResponse", "tools/list", ""},
		{"ListResourcesResultResponse", "resources/list", ""},
		{"ReadResourceResultResponse", "resources/read", `"uri":"test://r"`},
		{"CallToolResultResponse", "tools/call", `"name":"echo","arguments":{"text":"x"}`},
		{"InputRequiredResult", "tools/call", askParams},
		{"InvalidParamsError", "resources/read", `"uri":"test://absent"`},
	} {
		comp := jsonschema.NewCompiler()
		if err := comp.AddResource("mem://mcp", doc); err != nil {
			t.Fatal(err)
		}
		schema, err := comp.Compile("mem://mcp#/$defs/" + c.def)
		if err != nil {
			t.Fatal(err)
		}
		a := h.raw("POST", able("1", c.method, c.params), modern...)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		switch c.def {
		case "InputRequiredResult":
			v = v.(map[string]any)["result"]
		case "InvalidParamsError":
			v = v.(map[string]any)["error"]
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v\n%s", c.def, err, a.body)
		}
	}
}
