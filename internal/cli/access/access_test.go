package access

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/config"
)

const reviewed = `
[server.tls]
cert = "a.pem"
key = "a.key"
client_ca = "ca.pem"
[[identity.mtls.rule]]
match = "spiffe://example.org/agent/*"
roles = "viewer"
[identity.zkp]
verification_key = "vk.json"
[identity.oidc]
issuer = "https://login.example.com"
[access]
roles = { viewer = ["read"], searcher = ["tools:search"] }
[[access.rules]]
routes = "inner"
tools = ["get_user"]
needs = "read"
[[access.rules]]
routes = "inner"
tools = ["drop"]
needs = "delete"
[[route]]
name = "inner"
path = "/inner"
upstream = "http://127.0.0.1:1/"
auth = ["api_key", "mtls", "oidc"]
[[route]]
name = "people"
path = "/people"
upstream = "http://127.0.0.1:1/"
auth = ["basic", "zkp"]
[[route]]
name = "open"
path = "/open"
upstream = "http://127.0.0.1:1/"
auth = ["none"]
insecure_no_auth = true
tools.deny = ["drop"]
`

func TestReview(t *testing.T) {
	cfg, _, err := config.Parse("test.toml", []byte(reviewed), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	acc, err := access.New(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	used := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	got, err := review(t.Context(), cfg, acc, holders{
		keys: []apikey.View{
			{ID: "1", Owner: "key:1", Scopes: []string{"tools:*", "read", "manage"}},
			{ID: "2", Owner: "key:2", Scopes: []string{"tools:*"}, Routes: []string{"elsewhere"}},
		},
		users:    []basic.User{{ID: "user:1", Name: "alice", Roles: []string{"viewer"}}},
		provers:  []zkp.Enrolment{{UserID: "bob", Scopes: []string{"tools:search"}}},
		sessions: []token.SessionView{{Subject: "user:1", UsedAt: used}, {Subject: "user:1", UsedAt: used.Add(-time.Hour)}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		route, kind, id string
		admin           bool
		may             []string
	}{
		{"inner", "key", "1", true, []string{"tool:get_user"}},
		{"inner", "certificate", "spiffe://example.org/agent/*", false, []string{"tool:get_user"}},
		{"inner", "role", "searcher", false, []string{}},
		{"inner", "role", "viewer", false, []string{"tool:get_user"}},
		{"people", "user", "user:1", false, []string{}},
		{"people", "prover", "zkp:bob", false, []string{"tool:search"}},
		{"open", "anyone", "anyone", false, []string{"tool:get_user", "tool:search"}},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, w := range want {
		e := got[i]
		if e.Route != w.route || e.Kind != w.kind || e.ID != w.id || e.Admin != w.admin || !slices.Equal(e.May, w.may) {
			t.Errorf("got %+v, want %+v", e, w)
		}
		if last := e.LastUsed; (e.Kind == "user") != (last != nil && last.Equal(used)) {
			t.Errorf("%s %s was last used %v", e.Kind, e.ID, last)
		}
	}
}
