package jwt

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// Methods of authentication, as Principal.Method names them.
const (
	MethodJWT  = "jwt"
	MethodOIDC = "oidc"
)

// Config describes one issuer of tokens.
type Config struct {
	Method string // MethodJWT: keys by JWKSURL or Secret; MethodOIDC: keys by discovery

	Issuer     string   // exactly as the iss claim says it
	Alias      string   // begin of every principal's id: "alias|sub"
	Audience   []string // accepted besides the URL of the route (RFC 8707)
	Algorithms []string // allow-list; empty = all public-key ones, or HS256 with a Secret
	JWKSURL    string   // where the keys are; only MethodJWT
	Secret     string   // HMAC secret of at least 32 bytes; only MethodJWT, instead of JWKSURL
	Types      []string // accepted typ headers, case ignored; "" = none given

	Leeway      time.Duration // tolerated difference of clocks
	MaxLifetime time.Duration // longest time to the end of a token that is believed

	RolesClaim  string              // claim with the roles; dots lead into objects (S3-54)
	ScopePrefix string              // begin of the scopes that concern the gateway; it is taken off
	ScopeMap    map[string][]string // scope of a token → scopes of the gateway

	JWKSTTL    time.Duration // age at which keys are fetched again
	JWKSMaxAge time.Duration // age up to which keys are used while the issuer is down

	ClientID       string // for introspection of opaque tokens (RFC 7662); only MethodOIDC
	ClientSecret   string
	IntrospectURL  string        // default: by discovery
	DPoPRequired   bool          // refuse tokens that are not bound to a key (RFC 9449)
	DPoPMaxAge     time.Duration // age up to which a proof is believed
	IntrospectTTL  time.Duration // how long an answer is believed, at most 60 s
	MinRefresh     time.Duration // least time between two fetches of keys
	RequestTimeout time.Duration // for one request to the issuer
}

// Default returns the settings that hold for an issuer of a method when
// nothing else is configured.
func Default(method string) Config {
	return Config{
		Method: method, Alias: method, Types: []string{"at+jwt", "JWT", ""},
		Leeway: 30 * time.Second, MaxLifetime: 24 * time.Hour,
		RolesClaim: "roles",
		JWKSTTL:    10 * time.Minute, JWKSMaxAge: 24 * time.Hour, MinRefresh: 10 * time.Second, RequestTimeout: 5 * time.Second,
		DPoPMaxAge: time.Minute, IntrospectTTL: time.Minute,
	}
}

var (
	publicAlgorithms = [...]string{"EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
	secretAlgs       = [...]string{"HS256", "HS384", "HS512"}
)

// PublicAlgorithms are the public-key algorithms that an issuer may use.
func PublicAlgorithms() []string { return slices.Clone(publicAlgorithms[:]) }

// Validate checks the settings of an issuer. Errors name the key as the
// configuration file has it.
func (c Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := endpoint(c.Issuer); err != nil {
		fail("issuer: %q: %w", c.Issuer, err)
	}
	if c.Alias == "" || len(c.Alias) > 32 || strings.ContainsFunc(c.Alias, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) {
		fail("alias: %q: want 1 to 32 lower-case letters, digits, dots, dashes or underscores", c.Alias)
	}
	for i, a := range c.Audience {
		if a == "" || strings.ContainsFunc(a, jws.IsControl) {
			fail("audience[%d]: %q: want the name that tokens for this gateway carry", i, a)
		}
	}
	errs = append(errs, c.checkKeys()...)
	for _, d := range []struct {
		name      string
		v         time.Duration
		low, high time.Duration
	}{
		{"leeway", c.Leeway, 0, 5 * time.Minute},
		{"max_lifetime", c.MaxLifetime, time.Minute, 366 * 24 * time.Hour},
		{"jwks_ttl", c.JWKSTTL, time.Minute, 24 * time.Hour},
		{"jwks_max_age", c.JWKSMaxAge, c.JWKSTTL, 30 * 24 * time.Hour},
		{"dpop_max_age", c.DPoPMaxAge, 5 * time.Second, 10 * time.Minute},
		{"introspection.cache", c.IntrospectTTL, 0, time.Minute},
	} {
		if d.v < d.low || d.v > d.high {
			fail("%s: %q: want between %q and %q", d.name, d.v, d.low, d.high)
		}
	}
	if c.RolesClaim == "" {
		fail("roles_claim: want the name of a claim")
	}
	for _, from := range slices.Sorted(maps.Keys(c.ScopeMap)) {
		if !isScopeToken(from) || len(c.ScopeMap[from]) == 0 {
			fail("scope_map: %q: want a scope of the issuer and at least one of the gateway", from)
		}
	}
	if c.ScopePrefix != "" && !isScopeToken(c.ScopePrefix) {
		fail("scope_prefix: %q: want characters that a scope may have", c.ScopePrefix)
	}
	return errors.Join(errs...)
}

func (c Config) checkKeys() []error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	known := publicAlgorithms[:]
	switch {
	case c.Method == MethodOIDC:
		if c.JWKSURL != "" || c.Secret != "" {
			fail("jwks_url: has no effect on an issuer with discovery")
		}
		if (c.ClientID == "") != (c.ClientSecret == "") {
			fail("introspection: client_id and client_secret go together")
		}
		if c.IntrospectURL != "" {
			if err := endpoint(c.IntrospectURL); err != nil {
				fail("introspection.url: %q: %w", c.IntrospectURL, err)
			}
			if c.ClientID == "" {
				fail("introspection.url: needs client_id and client_secret")
			}
		}
	case (c.JWKSURL == "") == (c.Secret == ""):
		fail("needs jwks_url or secret, and not both")
	case c.Secret != "":
		known = secretAlgs[:]
		if len(c.Secret) < jws.MinSecret {
			fail("secret: want at least %d bytes", jws.MinSecret)
		}
	default:
		if err := endpoint(c.JWKSURL); err != nil {
			fail("jwks_url: %q: %w", c.JWKSURL, err)
		}
	}
	for i, alg := range c.Algorithms {
		if !slices.Contains(known, alg) {
			fail(`algorithms[%d]: %q: want "%s"`, i, alg, strings.Join(known, `" or "`))
		}
	}
	if c.Secret != "" && len(errs) == 0 {
		fit, err := jws.SecretAlgorithms([]byte(c.Secret))
		for i, alg := range c.Algorithms {
			if err == nil && !slices.Contains(fit, alg) {
				fail("algorithms[%d]: %q: needs a longer secret", i, alg)
			}
		}
	}
	return errs
}

// algorithms returns the allow-list in force.
func (c Config) algorithms() []string {
	switch {
	case len(c.Algorithms) > 0:
		return slices.Clone(c.Algorithms)
	case c.Secret != "":
		return []string{"HS256"}
	}
	return PublicAlgorithms()
}

// Endpoint checks the URL of an issuer's endpoint: https, or http on a
// loopback address.
func endpoint(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.Opaque != "":
		return errors.New(`want a URL such as "https://login.example.com/"`)
	case u.User != nil, u.Fragment != "", strings.Contains(s, "#"):
		return errors.New("holds a name, a password or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("want https (http only on a loopback address)")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// sameKindOfHost keeps an issuer on the network from leading the gateway to
// plain HTTP on its own machine.
func sameKindOfHost(issuer, target string) error {
	if err := endpoint(target); err != nil {
		return err
	}
	i, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	t, err := url.Parse(target)
	if err != nil {
		return err
	}
	if isLoopback(t.Hostname()) && !isLoopback(i.Hostname()) {
		return errors.New("leads to this machine")
	}
	if ip := net.ParseIP(t.Hostname()); ip != nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()) && i.Host != t.Host {
		return errors.New("leads into a private network")
	}
	return nil
}

// isScopeToken accepts the scope-token of RFC 6749 section 3.3.
func isScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
