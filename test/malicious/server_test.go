package malicious

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// bait is what must never reach a client, whatever form the attack takes.
const bait = "s3cr3t-bait"

// attack is one attempt of a server.
type attack struct {
	name   string // in the table
	config string // lines of the route
	below  string // further sections
	serve  func(w http.ResponseWriter, r request)
	calls  []string // what the client sends, one after the other
	cut    bool     // the last answer is a stream that the gateway ends with an error
	last   answer   // what the last call is answered with
	event  string   // event that the attempt leaves in the journal, with a word of its detail
}

// answer is how an attempt ends for the client.
type answer struct {
	status int
	reason string // of a refusal; "" = an answer that is a result
	holds  string // text that must be there
	lacks  string // text that must not be there, besides the bait
}

// request is what the server gets to see.
type request struct {
	id     string // raw JSON
	method string
	tool   string
	n      int // how many came before
	http   *http.Request
}

func result(w http.ResponseWriter, r request, body string) {
	send(w, http.StatusOK, "application/json", `{"jsonrpc":"2.0","id":`+r.id+`,"result":`+body+`}`)
}

func send(w http.ResponseWriter, status int, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a gateway that has seen enough closes
}

// text is the result of a tool.
func text(s string) string {
	b, _ := json.Marshal(s) // strings always marshal
	return `{"content":[{"type":"text","text":` + string(b) + `}]}`
}

// tool is an entry of tools/list.
func tool(name, description string) string {
	b, _ := json.Marshal(map[string]any{"name": name, "description": description, "inputSchema": map[string]any{"type": "object"}}) // always marshals
	return string(b)
}

const (
	listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
	callTool  = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"search","arguments":{"q":"x"}}}`
)

// run makes the attempt and returns how it ended, for the table.
func (a *attack) run(t *testing.T) string {
	t.Helper()
	n := 0
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ID     json.RawMessage
			Method string
			Params struct{ Name string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		a.serve(w, request{id: string(body.ID), method: body.Method, tool: body.Params.Name, n: n, http: r})
		n++
	})
	g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = %q\nrate = [\"100000/1m per key\"]\n%s\n%s\n", up.URL, a.config, a.below))
	var got harness.Response
	for _, call := range a.calls {
		resp := harness.Open(t, http.MethodPost, g.URL, []byte(call), "X-API-Key", g.Key)
		body, err := io.ReadAll(resp.Body)
		got = harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
		if cut := err != nil; cut != a.cut {
			t.Errorf("the answer was cut = %t, want %t: %v", cut, a.cut, err)
		}
		if strings.Contains(got.Body, bait) || strings.Contains(fmt.Sprint(got.Header), bait) {
			t.Errorf("the client got the bait: %v %s", got.Header, clip(got.Body))
		}
	}
	a.check(t, got)
	a.journal(t, g)
	if strings.Contains(g.Log.String(), bait) {
		t.Errorf("the log holds the bait")
	}
	switch {
	case a.cut:
		return "the stream is cut"
	case a.last.reason != "":
		return fmt.Sprintf("refused: %d `%s`", a.last.status, a.last.reason)
	}
	return "defused"
}

func clip(s string) string { return s[:min(len(s), 500)] }

func (a *attack) check(t *testing.T, got harness.Response) {
	t.Helper()
	if got.Status != a.last.status {
		t.Errorf("status %d, want %d: %s", got.Status, a.last.status, clip(got.Body))
	}
	if a.last.reason != "" && !strings.Contains(got.Body, `"reason":"`+a.last.reason+`"`) {
		t.Errorf("want reason %q: %s", a.last.reason, clip(got.Body))
	}
	if !strings.Contains(got.Body, a.last.holds) {
		t.Errorf("want %q in it: %s", a.last.holds, clip(got.Body))
	}
	if a.last.lacks != "" && strings.Contains(got.Body, a.last.lacks) {
		t.Errorf("want no %q in it: %s", a.last.lacks, clip(got.Body))
	}
	if a.last.reason != "" && !strings.Contains(got.Body, got.Header.Get("X-Request-Id")) {
		t.Errorf("the refusal does not name its request: %s", clip(got.Body))
	}
}

// journal checks that the attempt was written down, without the bait.
func (a *attack) journal(t *testing.T, g *harness.Gateway) {
	t.Helper()
	kind, word, _ := strings.Cut(a.event, " ")
	found := false
	for _, e := range g.Events() {
		all := fmt.Sprintf("%+v", e)
		if strings.Contains(all, bait) {
			t.Errorf("event %s holds the bait: %s", e.Type, clip(all))
		}
		found = found || e.Type == kind && strings.Contains(all, word)
	}
	if !found {
		t.Errorf("no event %s with %q in %+v", kind, word, g.Events())
	}
}
