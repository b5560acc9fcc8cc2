package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// TestIssuersOutliveReloads: what an issuer's service knows is kept as long as
// its settings stay.
func TestIssuersOutliveReloads(t *testing.T) {
	cfg := config.Default()
	log := slog.New(slog.DiscardHandler)
	followed := 0
	follow := func(*jwt.Service) error { followed++; return nil }
	none, err := nextIssuers(nil, cfg, http.DefaultClient, log, follow)
	if err != nil || len(none) != 0 {
		t.Fatalf("%v, %v", none, err)
	}
	cfg.Identity.OIDC.Issuer = "https://login.example.com"
	cfg.Identity.JWT.Issuer, cfg.Identity.JWT.Secret = "https://ci.example.com", config.Secret(strings.Repeat("s", 32))
	first, err := nextIssuers(nil, cfg, http.DefaultClient, log, follow)
	if err != nil || len(first) != 2 {
		t.Fatalf("%v, %v", first, err)
	}
	cfg.Identity.JWT.Audience = []string{"api"}
	second, err := nextIssuers(first, cfg, http.DefaultClient, log, follow)
	if err != nil {
		t.Fatal(err)
	}
	if second[jwt.MethodOIDC] != first[jwt.MethodOIDC] || second[jwt.MethodJWT] == first[jwt.MethodJWT] {
		t.Error("the wrong issuer was made anew")
	}
	if followed != 3 {
		t.Errorf("told of %d new issuers, want 3", followed)
	}
	cfg.Identity.JWT.Alias = "A|B"
	if _, err := nextIssuers(second, cfg, http.DefaultClient, log, follow); err == nil || !strings.HasPrefix(err.Error(), "identity.jwt: alias") {
		t.Errorf("got %v", err)
	}
}

func TestIssuerClient(t *testing.T) {
	reached := false
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer target.Close()
	front := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusFound))
	defer front.Close()
	for _, u := range []string{front.URL, "http://169.254.169.254/latest/meta-data/"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := issuerClient().Do(r); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s was followed", u)
		}
	}
	if reached {
		t.Error("a redirect was followed")
	}
}
