package azure

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

type fixed struct{}

func (fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "tok", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// TestFetch drives the vendor's client against a fake of the service: its
// challenge, its paths and its envelope.
func TestFetch(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		id := "https://my-vault.vault.azure.net" + strings.TrimSuffix(r.URL.Path, "/")
		switch {
		case r.Header.Get("Authorization") != "Bearer tok":
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.TrimSuffix(r.URL.Path, "/") == "/secrets/database-url":
			_, _ = w.Write([]byte(`{"value":"secret","id":"` + id + `/abc"}`))
		case r.URL.Path == "/secrets/database-url/v1":
			_, _ = w.Write([]byte(`{"value":"old","id":"` + id + `"}`))
		case strings.HasPrefix(r.URL.Path, "/secrets/denied"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":{"code":"Forbidden","message":"canary"}}`))
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":{"code":"SecretNotFound","message":"canary"}}`))
		}
	}))
	defer srv.Close()
	s, err := New(Config{Vault: "my-vault", Endpoint: srv.URL, Credential: fixed{}, Transport: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Fetch(t.Context(), source.Ref{Path: "database-url"}); err != nil || got.Text != "secret" || got.Version != "abc" {
		t.Errorf("%v %v", got.Version, err)
	}
	if got, err := s.Fetch(t.Context(), source.Ref{Path: "my-vault/database-url", Version: "v1"}); err != nil || got.Text != "old" {
		t.Errorf("%v %v", got.Version, err)
	}
	for path, want := range map[string]error{"none": source.ErrNotFound, "denied": source.ErrDenied, "evil.example.com/x": nil, "a/b/c": nil} {
		if _, err := s.Fetch(t.Context(), source.Ref{Path: path}); err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
