package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/contain"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
)

// The order of the phases, held by their types: each takes what only the one
// before it makes. To forward a call whose intent is not recorded, or to read
// a body before its sender is known, does not compile:
//
//	p.send(ctx, clean)      // cannot use clean (inspectedCall) as intendedCall
//	p.read(ctx, conn)       // cannot use conn (checkedConn) as caller
var (
	_ func(*pipeline, context.Context, *exchange) (checkedConn, error)       = (*pipeline).checkEdge
	_ func(*pipeline, context.Context, checkedConn) (caller, error)          = (*pipeline).authenticate
	_ func(*pipeline, context.Context, caller) (readMessage, error)          = (*pipeline).read
	_ func(*pipeline, context.Context, readMessage) (permittedCall, error)   = (*pipeline).authorize
	_ func(*pipeline, context.Context, permittedCall) (inspectedCall, error) = (*pipeline).inspectCall
	_ func(*pipeline, context.Context, inspectedCall) (intendedCall, error)  = (*pipeline).recordIntent
	_ func(*pipeline, context.Context, intendedCall) (answeredCall, error)   = (*pipeline).send
	_ func(*pipeline, context.Context, answeredCall) error                   = (*pipeline).deliver
)

var update = flag.Bool("update", false, "write testdata/pipeline.golden")

const fullyConfigured = `
[server]
allowed_hosts = ["mcp.example.com"]
trusted_proxies = ["10.0.0.0/8"]
https.require = "always"
https.hostname = "mcp.example.com"
tls.client_ca = "clients.pem"
[identity.mtls]
from_proxy = true
[[identity.mtls.rule]]
match = "spiffe://example.org/agent/*"
scopes = ["tools:*"]
[security]
allow_ips = ["192.0.2.0/24"]
deny_ips = ["192.0.2.66"]
[access]
policy_files = "testdata/*.cedar"
[[access.rules]]
tools = ["*"]
needs = "read"
[[privacy.purpose]]
name = "research"
policy_version = "1"
[[route]]
name = "full"
path = "/full"
command = ["server"]
auth = ["mtls", "api_key"]
rate = ["1000/1m per address", "100/1m per key", "500/1m per route", "10/1m per tool"]
[route.tools]
allow = ["read_*"]
deny = ["delete_*"]
scopes = { "write_*" = ["write"] }
meta = [{ tool = "read_tool", name = "/name" }]
phi = ["read_patient"]
consent = { "read_*" = "research" }
[route.prompts]
deny = ["hidden"]
[route.resources]
deny = ["file:///secret*"]
[route.approval]
tools = ["write_*"]
[route.taint]
confidential = ["read_*"]
outbound = ["write_*"]
[route.use]
calls_per_session = 100
[route.cors]
origins = ["https://app.example.com"]
[route.headers]
profile = "guide"
`

const defaultRoute = `
[[route]]
name = "default"
path = "/mcp"
upstream = "http://127.0.0.1:1/mcp"
`

// agentRoute leads to an agent.
const agentRoute = `
[[route]]
name = "agent"
path = "/agent"
protocol = "a2a"
upstream = "http://127.0.0.1:1/agent"
skills.deny = ["delete_*"]
`

// usersRoute takes users beside keys.
const usersRoute = `
[[route]]
name = "users"
path = "/users"
upstream = "http://127.0.0.1:1/mcp"
auth = ["basic", "api_key"]
`

// TestOffers: a route that takes users says so in every 401, beside what else it
// takes, and no other route does.
func TestOffers(t *testing.T) {
	for text, want := range map[string]int{defaultRoute: 0, usersRoute: 1} {
		table, err := Build(parse(t, text), Deps{Switch: new(edge.Switch), APIKeys: named(anyone), Users: user{named(anyone)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := table.order[0].pipe
		var e *portcullis.Error
		err = p.says.None()
		if !errors.As(err, &e) || len(e.Header["Www-Authenticate"]) != 1+want {
			t.Errorf("%v: %+v", names(p.authn), err)
		}
		if len(p.authn) != 1+want {
			t.Errorf("%v", names(p.authn))
		}
	}
}

// The pipeline of a default route, of one with everything configured, and of one
// to an agent.
func TestPipelines(t *testing.T) {
	var got bytes.Buffer
	for _, text := range []string{defaultRoute, fullyConfigured, agentRoute} {
		table, err := Build(parse(t, text), Deps{Switch: new(edge.Switch), APIKeys: named(anyone), Contain: contain.Guards{new(containment.Guard)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		enc := json.NewEncoder(&got)
		enc.SetIndent("", "  ")
		if err := enc.Encode(table.Pipelines()); err != nil {
			t.Fatal(err)
		}
	}
	golden := filepath.Join("testdata", "pipeline.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the pipeline is not that of %s (run with -update if it should be):\n%s", golden, got.String())
	}
}

// denying refuses one name.
type denying string

func (denying) Name() string { return "denying" }

func (d denying) Authorize(_ context.Context, _ portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if a.Target.Name == string(d) {
		return portcullis.Decision{}, nil
	}
	return portcullis.Decision{Effect: portcullis.Allow}, nil
}

func TestListFilter(t *testing.T) {
	f := &access.ListFilter{Route: "mcp", Authz: []portcullis.Authorizer{denying("bad")}}
	for name, tc := range map[string]struct {
		method, raw, want string
	}{
		"tools": {"tools/list", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good"},{"name":"bad"}]}}`, `[{"name":"good"}]`},
		"unknown method, prompts": {
			"", `{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"bad"},{"name":"good"}]}}`, `[{"name":"good"}]`,
		},
		"unknown method, two lists": {
			"", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad"}],"resources":[{"uri":"bad","name":"x"},{"uri":"good","name":"bad"}]}}`, `{"tools":[],"resources":[{"uri":"good","name":"bad"}]}`,
		},
		"another method": {"tools/call", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad"}]}}`, `[{"name":"bad"}]`},
	} {
		m := &portcullis.Message{Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: tc.method, Raw: []byte(tc.raw)}
		got, err := f.Inspect(t.Context(), portcullis.Principal{ID: "a"}, m)
		if err != nil || !strings.Contains(string(got.Raw), tc.want) {
			t.Errorf("%s: %v: %s", name, err, got.Raw)
		}
	}
	m := &portcullis.Message{Shape: portcullis.ShapeResult, Method: "tools/list", Raw: []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":{"name":"bad"}}}`)}
	if got, err := f.Inspect(t.Context(), portcullis.Principal{ID: "a"}, m); err == nil {
		t.Errorf("a list that is none passes: %s", got.Raw)
	}
}
