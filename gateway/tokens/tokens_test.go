package tokens_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// nobody is a gateway without keys and sessions.
type nobody struct{}

func (nobody) Key(string) *jws.Key                        { return nil }
func (nobody) Live(context.Context, string, string) error { return errors.New("no session") }
func (nobody) Epoch() uint64                              { return 0 }

// TestGuard: which routes take access tokens, of whom, and where in their order
// the one guard stands.
func TestGuard(t *testing.T) {
	session, err := jwt.NewOwn("https://mcp.example.com", []string{"https://mcp.example.com"}, time.Hour, nobody{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := jwt.Default(jwt.MethodJWT)
	c.Issuer, c.Secret = "https://ci.example.com", strings.Repeat("s", 32)
	ci, err := jwt.New(c, http.DefaultClient, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	off, own := tokens.Issuers{}, tokens.Issuers{jwt.MethodSession: session}
	issuer, both := tokens.Issuers{jwt.MethodJWT: ci}, tokens.Issuers{jwt.MethodJWT: ci, jwt.MethodSession: session}
	for _, tt := range []struct {
		issuers     tokens.Issuers
		auth        string
		first, name string
		fails       bool
	}{
		{off, "api_key", "", "", false},
		{off, "basic", "", "", false},
		{off, "jwt", "", "", true},
		{own, "api_key", "", "", false},
		{own, "mtls api_key", "", "", false},
		{own, "jwt", "jwt", "session", false},
		{own, "oidc", "", "", true},
		{own, "jwt oidc", "jwt", "session", true},
		{own, "api_key basic zkp", "basic", "session", false},
		{issuer, "api_key jwt basic", "jwt", "jwt", false},
		{both, "zkp jwt", "zkp", "jwt+session", false},
		{both, "jwt", "jwt", "jwt+session", false},
		{both, "api_key", "", "", false},
	} {
		cfg := config.Default()
		rc := config.DefaultRoute()
		rc.Path, rc.Auth = "/mcp", strings.Fields(tt.auth)
		if got := tt.issuers.First(&rc); got != tt.first {
			t.Errorf("%s: stands at %q, want %q", tt.auth, got, tt.first)
		}
		r, err := tt.issuers.Resource(cfg, &rc, "127.0.0.1:1")
		if (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.auth, err)
		}
		if hasIssuer := tt.issuers[jwt.MethodJWT] != nil && strings.Contains(tt.auth, "jwt"); err == nil && (r != nil) != hasIssuer {
			t.Errorf("%s: metadata %v, though own tokens have no authorization server", tt.auth, r)
		}
		if tt.first != "" && tt.issuers.Guard(cfg, &rc, r, "127.0.0.1:8080").Name() != tt.name {
			t.Errorf("%s: guard %q, want %q", tt.auth, tt.issuers.Guard(cfg, &rc, r, "127.0.0.1:8080").Name(), tt.name)
		}
	}
}
