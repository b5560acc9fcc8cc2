package challenge_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
)

func resource(t *testing.T, change func(*challenge.Options)) *challenge.Resource {
	t.Helper()
	o := challenge.Options{
		URL: "https://mcp.example.com/files", Name: "files", Issuers: []string{"https://login.example.com"},
		Scopes: []string{"mcp:tools:*"}, DPoPAlgs: []string{"ES256", "EdDSA"},
		Ask: func(s string) string { return "mcp:" + s },
	}
	if change != nil {
		change(&o)
	}
	r, err := challenge.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestChallenges(t *testing.T) {
	r := resource(t, nil)
	bound := resource(t, func(o *challenge.Options) { o.DPoPOnly = true })
	var none *challenge.Resource
	const meta = `resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/files"`
	for _, c := range []struct {
		name string
		got  http.Header
		want []string
	}{
		{"missing", r.Missing(), []string{`Bearer realm="portcullis", ` + meta + `, scope="mcp:tools:*"`}},
		{"invalid", r.Invalid(), []string{`Bearer realm="portcullis", error="invalid_token", ` + meta + `, scope="mcp:tools:*"`}},
		{"step-up", r.Insufficient([]string{"tools:a", "read", "tools:a"}), []string{`Bearer realm="portcullis", error="insufficient_scope", ` + meta + `, scope="mcp:tools:a mcp:read"`}},
		{"proof", r.InvalidProof(), []string{
			`Bearer realm="portcullis", ` + meta + `, scope="mcp:tools:*"`,
			`DPoP realm="portcullis", error="invalid_dpop_proof", algs="ES256 EdDSA", ` + meta + `, scope="mcp:tools:*"`}},
		{"bound only", bound.Invalid(), []string{`DPoP realm="portcullis", error="invalid_token", algs="ES256 EdDSA", ` + meta + `, scope="mcp:tools:*"`}},
		{"no tokens here", none.Missing(), []string{`Bearer realm="portcullis"`}},
		{"no tokens here, step-up", none.Insufficient([]string{"a\"b", "c\\d", "é"}), []string{`Bearer realm="portcullis", error="insufficient_scope", scope="a?b c?d ?"`}},
	} {
		if got := c.got[challenge.Header]; strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
	if none.URL() != "" || r.URL() != "https://mcp.example.com/files" {
		t.Error("wrong URL")
	}
}

func TestComplete(t *testing.T) {
	r := resource(t, nil)
	refusal := func(challengeText string) error {
		return &portcullis.Error{Kind: portcullis.KindUnauthenticated, Header: http.Header{challenge.Header: {challengeText}}}
	}
	for text, want := range map[string]string{
		`Bearer realm="portcullis", error="invalid_token"`:   `error="invalid_token", resource_metadata=`,
		`Bearer realm="portcullis", error="invalid_request"`: `error="invalid_request", resource_metadata=`,
		`Basic realm="portcullis"`:                           `Basic realm="portcullis", Bearer realm="portcullis", resource_metadata=`,
		r.Invalid().Get("WWW-Authenticate"):                  `error="invalid_token", resource_metadata=`,
	} {
		before := refusal(text)
		var e *portcullis.Error
		if !errors.As(r.Complete(before), &e) {
			t.Fatal("no refusal any more")
		}
		got := strings.Join(e.Header[challenge.Header], ", ")
		if !strings.Contains(got, want) || strings.Count(got, "resource_metadata") != 1 {
			t.Errorf("%s became %s", text, got)
		}
		if errors.As(before, &e); e.Header.Get("WWW-Authenticate") != text {
			t.Error("the refusal itself was changed")
		}
	}
	other := &portcullis.Error{Kind: portcullis.KindUnavailable}
	if got := r.Complete(other); got != error(other) {
		t.Errorf("got %v", got)
	}
	if got := (*challenge.Resource)(nil).Complete(other); got != error(other) {
		t.Errorf("got %v", got)
	}
}

func TestMetadata(t *testing.T) {
	h, err := resource(t, func(o *challenge.Options) { o.DPoPOnly, o.CertBound = true, true }).Metadata()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["resource"] != "https://mcp.example.com/files" || doc["dpop_bound_access_tokens_required"] != true ||
		doc["tls_client_certificate_bound_access_tokens"] != true || doc["resource_name"] != "files" {
		t.Errorf("%s", w.Body)
	}
	for path, want := range map[string]string{
		"/":      "/.well-known/oauth-protected-resource",
		"/files": "/.well-known/oauth-protected-resource/files",
	} {
		if got := challenge.MetadataPath(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, u := range []string{"", "mcp.example.com", "/files", "ftp://a/b", "https://a/b?c", "https://a/b#c", "https://\x00"} {
		if _, err := challenge.New(challenge.Options{URL: u}); err == nil {
			t.Errorf("%q is a resource", u)
		}
	}
}

func TestOneCredential(t *testing.T) {
	r := resource(t, nil)
	for _, h := range []http.Header{
		{}, {"X-Api-Key": {"a"}}, {"Authorization": {"a"}},
	} {
		if err := r.OneCredential(h); err != nil {
			t.Errorf("%v: %v", h, err)
		}
	}
	for _, h := range []http.Header{
		{"X-Api-Key": {"a"}, "Authorization": {"b"}}, {"X-Api-Key": {"", "a"}}, {"Authorization": {"a", "a"}},
	} {
		var e *portcullis.Error
		if err := r.OneCredential(h); !errors.As(err, &e) || e.Kind != portcullis.KindUnauthenticated ||
			!strings.Contains(e.Header.Get("WWW-Authenticate"), `error="invalid_request", resource_metadata=`) {
			t.Errorf("%v: %v", h, err)
		}
	}
}

// TestOffer: a further challenge stands beside those there are, once, and on
// refusals of credentials only.
func TestOffer(t *testing.T) {
	shared := &portcullis.Error{Kind: portcullis.KindUnauthenticated, Header: http.Header{challenge.Header: {"Bearer x"}}}
	var e *portcullis.Error
	if err := challenge.Offer(challenge.Offer(shared, challenge.Basic), challenge.Basic); !errors.As(err, &e) || strings.Join(e.Header[challenge.Header], "|") != `Bearer x|Basic realm="portcullis", charset="UTF-8"` {
		t.Errorf("%+v", err)
	}
	if len(shared.Header[challenge.Header]) != 1 {
		t.Error("a shared refusal was written to")
	}
	if err := challenge.Offer(&portcullis.Error{Kind: portcullis.KindUnauthenticated}, challenge.Basic); !errors.As(err, &e) || len(e.Header[challenge.Header]) != 1 {
		t.Errorf("%+v", err)
	}
	for _, other := range []error{&portcullis.Error{Kind: portcullis.KindForbidden}, errors.New("x"), portcullis.ErrNoCredentials} {
		if err := challenge.Offer(other, challenge.Basic); err != other {
			t.Errorf("%v became %v", other, err)
		}
	}
}
