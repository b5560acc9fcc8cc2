package mint_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/mint"
	"github.com/portcullis-dev/portcullis/test/provider"
)

func TestKey(t *testing.T) {
	t.Parallel()
	fake := provider.New()
	fake.Set("sk-admin", provider.Valid)
	s := httptest.NewServer(fake)
	defer s.Close()
	c := mint.Config{Kind: mint.OpenAI, URL: s.URL, Project: "proj_abc", ServiceAccount: "user-abc"}
	if got, err := c.Key(t.Context(), "sk-admin"); err != nil || string(got) != "sk-svcacct-1" {
		t.Errorf("%q %v", got, err)
	}
	if asked := fake.Asked(); len(asked) != 1 || asked[0] != "POST /v1/organization/projects/proj_abc/service_accounts/user-abc/api_keys" {
		t.Errorf("asked %v", asked)
	}
	if got, err := c.Key(t.Context(), "sk-wrong"); err == nil || got != nil || strings.Contains(err.Error(), "sk-wrong") {
		t.Errorf("%q %v", got, err)
	}
	for name, body := range map[string]string{"no key": `{}`, "a redacted one": `{"value":"sk-****  "}`, "no JSON": `<html>`} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		bad := c
		bad.URL = other.URL
		if got, err := bad.Key(t.Context(), "sk-admin"); err == nil || got != nil {
			t.Errorf("%s: %q", name, got)
		}
		other.Close()
	}
	for name, bad := range map[string]mint.Config{
		"kind": {Kind: "acme", Project: "p", ServiceAccount: "s"}, "project": {Kind: mint.OpenAI, Project: "../x", ServiceAccount: "s"}, "account": {Kind: mint.OpenAI, Project: "p"},
		"clear text": {Kind: mint.OpenAI, URL: "http://api.example.com", Project: "p", ServiceAccount: "s"},
	} {
		if _, err := bad.Key(t.Context(), "sk-admin"); err == nil {
			t.Errorf("%s: asked", name)
		}
	}
}
