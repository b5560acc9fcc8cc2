package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/config/identity"
)

// tokens returns the settings of a method's issuer, or nil.
func (c *Config) tokens(method string) *identity.Tokens {
	switch method {
	case jwt.MethodJWT:
		return &c.Identity.JWT.Tokens
	case jwt.MethodOIDC:
		return &c.Identity.OIDC.Tokens
	}
	return nil
}

// AskScopes returns the scopes that clients of a method's issuer are told to
// ask for to begin with.
func (c *Config) AskScopes(method string) []string {
	t := c.tokens(method)
	if t == nil {
		return nil
	}
	if len(t.Scopes) > 0 {
		return slices.Clone(t.Scopes)
	}
	var out []string
	for from := range t.ScopeMap {
		out = append(out, from)
	}
	slices.Sort(out)
	if len(out) == 0 {
		for _, s := range [...]string{"tools:*", "prompts:*", "resources:*"} {
			out = append(out, t.ScopePrefix+s)
		}
	}
	return out
}

// ResourceURL returns the URL of a route as callers use it: what their tokens
// are for (RFC 8707). listen is the address the gateway really listens on.
func (c *Config) ResourceURL(r *Route, listen string) string {
	return c.Server.PublicBase(listen) + r.Path
}

// checkTokens checks that a route's methods have the issuer they need, and that
// no two issuers can be taken for one another.
func (c *Config) checkTokens(i int) error {
	var errs []error
	for j, method := range c.Routes[i].Auth {
		t := c.tokens(method)
		if t != nil && t.Issuer == "" && method == jwt.MethodJWT && c.SessionsOn() {
			continue // for tokens of the gateway's own
		}
		if t != nil && t.Issuer == "" {
			errs = append(errs, fmt.Errorf("auth[%d]: %q: needs identity.%s.issuer", j, method, method))
		} else if t != nil && !c.Server.HasName() {
			errs = append(errs, fmt.Errorf("auth[%d]: %q: needs server.public_url, because server.listen is no address that tokens could be for", j, method))
		}
	}
	return errors.Join(errs...)
}

// checkOwnIssuer keeps another issuer from having the name of the gateway's own
// tokens: it would be asked about them, and refuse them all.
func (c *Config) checkOwnIssuer() error {
	if !c.SessionsOn() {
		return nil
	}
	own := c.Sessions(c.Server.Listen).Issuer
	for _, method := range [...]string{jwt.MethodJWT, jwt.MethodOIDC} {
		if c.tokens(method).Issuer == own {
			return fmt.Errorf("issuer: %q: is that of identity.%s too: want another name for the gateway's own tokens", own, method)
		}
	}
	return nil
}

func (c *Config) checkIssuers() error {
	j, o := &c.Identity.JWT, &c.Identity.OIDC
	switch {
	case j.Issuer == "" || o.Issuer == "":
		return nil
	case j.Issuer == o.Issuer:
		return errors.New("issuer: is that of identity.jwt too")
	case j.Alias == o.Alias:
		return fmt.Errorf("alias: %q: is that of identity.jwt too", o.Alias)
	}
	return nil
}
