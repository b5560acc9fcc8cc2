// Package tokens makes what a route needs to take access tokens: the guard that
// checks them, the challenge of its refusals, and the public metadata that
// tells clients where to get one (RFC 9728).
package tokens

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/identity"
)

// Issuers are the services of the configured issuers, by method, and that of
// the gateway's own tokens under jwt.MethodSession.
type Issuers map[string]*jwt.Service

// First returns the first method of a route that takes access tokens, where the
// one guard for all of them stands; "" if there is none.
func (i Issuers) First(rc *config.Route) string {
	for _, m := range rc.Auth {
		if i[m] != nil || i.opens(m) {
			return m
		}
	}
	return ""
}

// opens reports whether a session or an own token may have been opened by a
// method.
func (i Issuers) opens(method string) bool {
	return i[jwt.MethodSession] != nil && (method == jwt.MethodJWT || slices.Contains(identity.LoginMethods(), method))
}

// methods returns those of a route that have an issuer, in its order.
func (i Issuers) methods(rc *config.Route) []string {
	var out []string
	for _, m := range rc.Auth {
		if i[m] != nil {
			out = append(out, m)
		}
	}
	return out
}

// Resource describes a route to OAuth clients; nil if it takes no tokens.
// listen is the address the gateway really listens on.
func (i Issuers) Resource(cfg *config.Config, rc *config.Route, listen string) (*challenge.Resource, error) {
	o := challenge.Options{URL: cfg.ResourceURL(rc, listen), Name: rc.Name, DPoPAlgs: jwt.PublicAlgorithms(), DPoPOnly: true}
	o.CertBound = cfg.Server.TLS.ClientCA != "" || cfg.Identity.MTLS.FromProxy
	for _, m := range rc.Auth {
		if (m == jwt.MethodJWT || m == jwt.MethodOIDC) && i[m] == nil && !i.opens(m) {
			return nil, fmt.Errorf("auth: %q has no issuer", m)
		}
	}
	for _, m := range i.methods(rc) {
		c := i[m].Config()
		if o.Ask == nil {
			o.Ask = c.Ask
		}
		o.DPoPOnly = o.DPoPOnly && c.DPoPRequired
		if c.Secret == "" { // who shares a secret with its issuer is no stranger who has to find it
			o.Issuers = append(o.Issuers, c.Issuer)
		}
		for _, scope := range cfg.AskScopes(m) {
			if !slices.Contains(o.Scopes, scope) {
				o.Scopes = append(o.Scopes, scope)
			}
		}
	}
	if o.Ask == nil {
		return nil, nil
	}
	return challenge.New(o)
}

// Guard is the one guard for all access tokens of a route: the iss of a token
// says whose it is, whatever the order of the methods. listen is the address the
// gateway really listens on.
func (i Issuers) Guard(cfg *config.Config, rc *config.Route, r *challenge.Resource, listen string) portcullis.Authenticator {
	names := i.methods(rc)
	if slices.ContainsFunc(rc.Auth, i.opens) {
		names = append(names, jwt.MethodSession)
	}
	o := jwt.Options{
		Resource: r, Base: cfg.Server.PublicBase(listen), Name: strings.Join(names, "+"), Methods: rc.Auth,
		KeyPrefix: cfg.Identity.APIKey.Prefix + "_", // also where no key is taken: an issuer must never be asked about one
	}
	for _, name := range names {
		o.Services = append(o.Services, i[name])
	}
	return jwt.NewAuthenticator(o)
}

// Publish adds the metadata of a route to the fixed paths. The form without a
// path is what clients ask that do not know the path: it describes the route
// at the root, or else the first.
func Publish(fixed map[string]http.Handler, path string, r *challenge.Resource) error {
	if r == nil {
		return nil
	}
	h, err := r.Metadata()
	if err != nil {
		return err
	}
	fixed[challenge.MetadataPath(path)] = h
	if root := challenge.MetadataPath("/"); fixed[root] == nil {
		fixed[root] = h
	}
	return nil
}
