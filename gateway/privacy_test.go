package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// roles makes callers whose name is their role.
func roles(name string) (portcullis.Principal, error) {
	p, err := anyone(name)
	p.Roles = []string{name}
	return p, err
}

const (
	provider = "healthcare_provider"
	purpose  = "X-Purpose-Of-Use"
	phiRoute = oneRoute + `tools = { phi = ["get_patient"], meta = [{ tool = "any", name = "/name", arguments = "/arguments" }] }
[[route.phi]]
tools = ["list_*"]
fields = ["ssn"]
`
)

func calls(tool, arguments string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + arguments + `}}`
}

// TestNotRecordedNotRead: without a record of who reads, the upstream hears
// nothing; and a call that is refused for another reason leaves no read.
func TestNotRecordedNotRead(t *testing.T) {
	asked := 0
	r := configuredRig(t, phiRoute+"[route.pins]\nunseen = \"hold\"\n", roles, func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		asked++
		return answering(ctx, c)
	})
	get := calls("get_patient", `{}`)
	if w := r.do(post(get, "X-Name", provider, purpose, "treatment")); w.Code != http.StatusForbidden || r.journal.count(portcullis.EventDataAccessed) != 0 {
		t.Errorf("a tool that is held: %d, %d reads", w.Code, r.journal.count(portcullis.EventDataAccessed))
	}
	r = configuredRig(t, phiRoute, roles, func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		asked++
		return answering(ctx, c)
	})
	r.journal.fail = portcullis.EventDataAccessed
	if w := r.do(post(get, "X-Name", provider, purpose, "treatment")); w.Code != http.StatusServiceUnavailable || asked != 0 {
		t.Errorf("without a record: %d, the upstream was asked %d times", w.Code, asked)
	}
	r.journal.fail = ""
	if w := r.do(post(get, "X-Name", provider, purpose, "treatment")); w.Code != http.StatusOK || asked != 1 {
		t.Errorf("%d, the upstream was asked %d times", w.Code, asked)
	}
	if !r.counted(`guard="journal",phase="record",reason="unavailable",route="mcp"`) {
		t.Error("not counted")
	}
}

// TestPHIInsideTools: a tool that calls others is what it calls.
func TestPHIInsideTools(t *testing.T) {
	r := configuredRig(t, phiRoute, roles, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
		return reply("application/json", `{"jsonrpc":"2.0","id":7,"result":{"content":[],"structuredContent":{"ssn":1,"n":2}}}`), nil
	})
	for _, c := range []struct {
		who, body string
		code      int
		cut       bool
	}{
		{"viewer", calls("any", `{"name":"get_patient","arguments":{}}`), 403, false},
		{provider, calls("any", `{"name":"get_patient","arguments":{}}`), 200, false},
		{"viewer", calls("any", `{"name":"list_all","arguments":{}}`), 200, true},
		{provider, calls("any", `{"name":"list_all","arguments":{}}`), 200, false},
		{"viewer", calls("any", `{"name":"list_all","arguments":{"ssn":1}}`), 403, false},
		{"viewer", calls("any", `{"name":"other","arguments":{"ssn":1}}`), 200, false},
		{"viewer", calls("other", `{}`), 200, false},
	} {
		w := r.do(post(c.body, "X-Name", c.who, purpose, "treatment"))
		if w.Code != c.code || c.code == 200 && strings.Contains(w.Body.String(), "ssn") == c.cut || c.code == 200 && !strings.Contains(w.Body.String(), `"n":2`) {
			t.Errorf("%s %s: %d %s", c.who, c.body, w.Code, w.Body)
		}
	}
}

// TestPHILists: nobody is shown a tool that only others may call; schemas stay
// whole.
func TestPHILists(t *testing.T) {
	const list = `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"get_patient","inputSchema":{"type":"object"}},{"name":"list_all","inputSchema":{"type":"object","properties":{"ssn":{"type":"string"}}}}]}}`
	r := configuredRig(t, phiRoute, roles, func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
		return reply("application/json", list), nil
	})
	for who, sees := range map[string]bool{"viewer": false, provider: true} {
		w := r.do(post(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "X-Name", who))
		if got := strings.Contains(w.Body.String(), "get_patient"); w.Code != http.StatusOK || got != sees || !strings.Contains(w.Body.String(), `"ssn"`) {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
	if n := r.journal.count(portcullis.EventDataAccessed); n != 0 {
		t.Errorf("lists are %d reads", n)
	}
}

// TestPHIWholeRoute: a route that is marked as a whole lets nobody else in, and
// asks for no purpose before something is read.
func TestPHIWholeRoute(t *testing.T) {
	r := configuredRig(t, oneRoute+"[[route.phi]]\n", roles, answering)
	const hello = `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`
	for _, c := range []struct {
		who, body, purpose string
		code               int
	}{
		{"viewer", hello, "", 403}, {"viewer", toolCall, "treatment", 403}, {provider, hello, "", 200}, {provider, toolCall, "", 403}, {provider, toolCall, "treatment", 200},
	} {
		req := post(c.body, "X-Name", c.who)
		if c.purpose != "" {
			req.Header.Set(purpose, c.purpose)
		}
		if w := r.do(req); w.Code != c.code {
			t.Errorf("%s %s for %q: %d %s", c.who, c.body, c.purpose, w.Code, w.Body)
		}
	}
	if n := r.journal.count(portcullis.EventUnauthorizedAccess); n != 3 {
		t.Errorf("%d attempts", n)
	}
	if n := r.journal.count(portcullis.EventDataAccessed); n != 1 {
		t.Errorf("%d reads", n)
	}
}
