// Package callers says who may prove who they are on a route, and how.
package callers

import (
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/certs"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/authn/anonymous"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// Options are the services that know callers.
type Options struct {
	APIKeys portcullis.Authenticator
	Users   portcullis.Authenticator // by name and password
	Certs   *certs.Certs
	Tokens  tokens.Issuers // of access tokens
	Listen  string         // address the listener really has
}

// Book makes the authenticators of one configuration.
type Book struct {
	cfg *config.Config
	Options
}

// New returns a Book.
func New(cfg *config.Config, o Options) *Book { return &Book{cfg, o} }

// Of returns the authenticators of a route in its order.
func (b *Book) Of(rc *config.Route, r *challenge.Resource) []portcullis.Authenticator {
	var out []portcullis.Authenticator
	for _, method := range rc.Auth {
		if method == b.Tokens.First(rc) { // one guard for all access tokens
			out = append(out, b.Tokens.Guard(b.cfg, rc, r, b.Listen))
		}
		if a := b.one(method); a != nil {
			out = append(out, a)
		}
	}
	return out
}

// one returns the authenticator of a method that needs no token; nil for others.
func (b *Book) one(method string) portcullis.Authenticator {
	switch method {
	case "api_key":
		return b.APIKeys
	case basic.Method:
		return b.Users
	case mtls.Method:
		return b.Certs.Authenticator()
	case anonymous.Method: // the configuration holds insecure_no_auth = true, or it would not be valid
		return anonymous.Authenticator{}
	}
	return nil
}

// All returns the authenticators of all routes but of those that anyone may
// call, which prove nobody. A token is taken if any route would take it.
func (b *Book) All() ([]portcullis.Authenticator, refusal.Challenges, error) {
	var out, guards []portcullis.Authenticator
	var first *challenge.Resource
	seen := map[string]bool{anonymous.Method: true}
	for i := range b.cfg.Routes {
		rc := &b.cfg.Routes[i]
		r, err := b.Tokens.Resource(b.cfg, rc, b.Listen)
		if err != nil {
			return nil, refusal.Challenges{}, err
		}
		if first == nil {
			first = r
		}
		if b.Tokens.First(rc) != "" {
			guards = append(guards, b.Tokens.Guard(b.cfg, rc, r, b.Listen))
		}
		for _, method := range rc.Auth {
			if a := b.one(method); a != nil && !seen[method] {
				out = append(out, a)
			}
			seen[method] = true
		}
	}
	if len(guards) > 0 {
		out = append(out, tokens.Any(guards))
	}
	return out, Says(out, first), nil
}

// Says is what callers hear who prove nothing to these authenticators.
func Says(auth []portcullis.Authenticator, r *challenge.Resource) refusal.Challenges {
	c := refusal.Challenges{Resource: r}
	for _, a := range auth {
		c.Methods = append(c.Methods, a.Name())
	}
	if slices.Contains(c.Methods, basic.Method) {
		c.Offers = []string{challenge.Basic}
	}
	return c
}
