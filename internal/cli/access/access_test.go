package access

import (
	"os"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
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
	got, err := review(t.Context(), cfg, acc, []apikey.View{
		{ID: "1", Owner: "key:1", Scopes: []string{"tools:*", "read", "manage"}},
		{ID: "2", Owner: "key:2", Scopes: []string{"tools:*"}, Routes: []string{"elsewhere"}},
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
	}
}
