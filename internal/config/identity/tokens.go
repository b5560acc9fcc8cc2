package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// Tokens is what [identity.jwt] and [identity.oidc] have in common.
type Tokens struct {
	Issuer       string              `toml:"issuer" example:"\"https://login.example.com/\"" doc:"Issuer, exactly as the iss claim of its tokens says it."`
	Alias        string              `toml:"alias" doc:"Begin of the ids of its callers: alias|sub."`
	Audience     []string            `toml:"audience" list:"text" example:"[\"https://api.example.com\"]" doc:"Audiences that are accepted besides the URL of the route."`
	Algorithms   []string            `toml:"algorithms" list:"text" example:"[\"EdDSA\", \"ES256\"]" doc:"Signature algorithms that are accepted. By default all with public keys, or HS256 with a secret."`
	Types        []string            `toml:"types" list:"text" doc:"typ headers that are accepted; an empty text stands for none."`
	Leeway       time.Duration       `toml:"leeway" doc:"Tolerated difference of clocks."`
	MaxLifetime  time.Duration       `toml:"max_lifetime" doc:"Longest time to the end of a token that is accepted."`
	RolesClaim   string              `toml:"roles_claim" example:"\"realm_access.roles\"" doc:"Claim that lists the caller's roles; dots lead into objects."`
	Scopes       []string            `toml:"scopes" list:"text" example:"[\"tools:*\"]" doc:"Scopes of the issuer that clients are told to ask for to begin with. By default those of scope_map, or else everything, under scope_prefix."`
	ScopePrefix  string              `toml:"scope_prefix" example:"\"mcp:\"" doc:"Begin of the scopes that concern the gateway. It is taken off; scopes without it are ignored."`
	ScopeMap     map[string][]string `toml:"scope_map" example:"{ \"mcp.read\" = [\"tools:read_*\", \"resources:*\"] }" doc:"Scopes of the gateway that a scope of the issuer stands for."`
	JWKSTTL      time.Duration       `toml:"jwks_ttl" doc:"Age at which the issuer's keys are fetched again."`
	JWKSMaxAge   time.Duration       `toml:"jwks_max_age" doc:"Age up to which keys are used while the issuer cannot be reached."`
	DPoPRequired bool                `toml:"dpop_required" doc:"Refuse tokens that are not bound to a key of the caller (RFC 9449)."`
	DPoPMaxAge   time.Duration       `toml:"dpop_max_age" doc:"Age up to which a DPoP proof is accepted."`
}

// JWT is [identity.jwt].
type JWT struct {
	Tokens
	JWKSURL string       `toml:"jwks_url" example:"\"https://login.example.com/jwks.json\"" doc:"Where the issuer publishes its keys. Give this or secret."`
	Secret  field.Secret `toml:"secret" example:"\"${JWT_SECRET}\"" doc:"Secret of at least 32 bytes that tokens are signed with (HMAC). Give this or jwks_url."`
}

// OIDC is [identity.oidc].
type OIDC struct {
	Tokens
	Introspection Introspection `toml:"introspection" doc:"Asking the issuer about tokens that are not JWTs (RFC 7662). Off without a client_id."`
}

// Introspection is [identity.oidc.introspection].
type Introspection struct {
	ClientID     string        `toml:"client_id" example:"\"portcullis\"" doc:"Client that the gateway is at the issuer."`
	ClientSecret field.Secret  `toml:"client_secret" example:"\"${OIDC_CLIENT_SECRET}\"" doc:"Its secret, sent by HTTP Basic authentication."`
	URL          string        `toml:"url" example:"\"https://login.example.com/introspect\"" doc:"Introspection endpoint. By default the one that discovery names."`
	Cache        time.Duration `toml:"cache" doc:"How long an answer is believed, at most 1m and never longer than the token lives. A token revoked at the issuer may work that long."`
}

func defaultTokens(method string) Tokens {
	d := jwt.Default(method)
	return Tokens{
		Alias: d.Alias, Types: d.Types, Leeway: d.Leeway, MaxLifetime: d.MaxLifetime, RolesClaim: d.RolesClaim,
		JWKSTTL: d.JWKSTTL, JWKSMaxAge: d.JWKSMaxAge, DPoPMaxAge: d.DPoPMaxAge,
	}
}

// DefaultJWT returns the defaults of [identity.jwt]: no issuer.
func DefaultJWT() JWT { return JWT{Tokens: defaultTokens(jwt.MethodJWT)} }

// DefaultOIDC returns the defaults of [identity.oidc]: no issuer.
func DefaultOIDC() OIDC {
	return OIDC{Tokens: defaultTokens(jwt.MethodOIDC), Introspection: Introspection{Cache: jwt.Default(jwt.MethodOIDC).IntrospectTTL}}
}

func (t Tokens) issuer(method string) jwt.Config {
	c := jwt.Default(method)
	c.Issuer, c.Alias, c.Audience, c.Algorithms, c.Types = t.Issuer, t.Alias, t.Audience, t.Algorithms, t.Types
	c.Leeway, c.MaxLifetime, c.RolesClaim = t.Leeway, t.MaxLifetime, t.RolesClaim
	c.ScopePrefix, c.ScopeMap = t.ScopePrefix, t.ScopeMap
	c.JWKSTTL, c.JWKSMaxAge, c.DPoPRequired, c.DPoPMaxAge = t.JWKSTTL, t.JWKSMaxAge, t.DPoPRequired, t.DPoPMaxAge
	return c
}

// Service returns the settings as the issuer's service takes them.
func (j JWT) Service() jwt.Config {
	c := j.issuer(jwt.MethodJWT)
	c.JWKSURL, c.Secret = j.JWKSURL, j.Secret.Reveal()
	return c
}

// Service returns the settings as the issuer's service takes them.
func (o OIDC) Service() jwt.Config {
	c, i := o.issuer(jwt.MethodOIDC), o.Introspection
	c.ClientID, c.ClientSecret, c.IntrospectURL, c.IntrospectTTL = i.ClientID, i.ClientSecret.Reveal(), i.URL, i.Cache
	return c
}

// Validate checks [identity.jwt].
func (j JWT) Validate() error {
	if j.Issuer == "" {
		if j.JWKSURL != "" || j.Secret != "" {
			return errors.New("issuer: want the issuer of the tokens")
		}
		return nil
	}
	return errors.Join(j.checkScopes(), j.Service().Validate())
}

// Validate checks [identity.oidc].
func (o OIDC) Validate() error {
	if o.Issuer == "" {
		if o.Introspection.ClientID != "" || o.Introspection.URL != "" {
			return errors.New("issuer: want the issuer of the tokens")
		}
		return nil
	}
	return errors.Join(o.checkScopes(), o.Service().Validate())
}

func (t Tokens) checkScopes() error {
	for i, s := range t.Scopes {
		if s == "" || strings.ContainsAny(s, " \"\\\t\r\n") {
			return fmt.Errorf("scopes[%d]: %q: want one scope", i, s)
		}
	}
	return nil
}
