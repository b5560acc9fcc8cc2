package secrets

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject/oauth"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject/sigv4"
)

// Credentials returns what the upstream of a route gets, nil if it asks for
// nothing.
func (s *Set) Credentials(rt *config.Route) (inject.Credentials, error) {
	all, err := s.credential(rt, rt.Credential)
	if err != nil {
		return nil, fmt.Errorf("credential: %w", err)
	}
	if len(rt.Credentials) == 0 {
		return all, nil
	}
	out := &inject.Choice{Route: all}
	for i := range rt.Credentials {
		use, err := s.credential(rt, rt.Credentials[i].Credential)
		if err != nil {
			return nil, fmt.Errorf("credentials[%d]: %w", i, err)
		}
		tools := pattern.Compile(rt.Credentials[i].Tools)
		match := func(tool string) bool {
			_, ok := tools.Match(tool)
			return ok
		}
		out.Rules = append(out.Rules, inject.Rule{Match: match, Use: use})
	}
	return out, nil
}

func (s *Set) credential(rt *config.Route, c secrets.Credential) (inject.Credentials, error) {
	if !c.On() || c.Type == secrets.MTLS {
		return nil, nil
	}
	secret, err := s.Secret(c.Secret)
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case secrets.Bearer:
		return inject.Bearer(secret), nil
	case secrets.Basic:
		return s.basic(c, secret)
	case secrets.Header:
		return inject.Header(secret, c.Header, c.Prefix), nil
	case secrets.Query:
		return inject.Query(secret, c.Parameter), nil
	case secrets.OAuth, secrets.Exchange:
		return issued(rt, c, secret)
	case secrets.SigV4:
		return s.sigv4(rt, c, secret)
	}
	return nil, fmt.Errorf("there is no type %q", c.Type)
}

func (s *Set) basic(c secrets.Credential, secret inject.Secret) (inject.Credentials, error) {
	if !source.IsRef(c.Username) {
		return inject.Basic(secret, c.Username), nil
	}
	name, err := s.Secret(c.Username)
	if err != nil {
		return nil, err
	}
	return inject.BasicPair(name, secret), nil
}

// issued makes the client of an issuer, with connections of its own.
func issued(rt *config.Route, c secrets.Credential, secret inject.Secret) (inject.Credentials, error) {
	t, err := httpapi.Transport("")
	if err != nil {
		return nil, err
	}
	cfg := oauth.Config{
		TokenURL: c.TokenURL, ClientID: c.ClientID, Secret: secret, Scopes: c.Scopes, Resource: c.Resource, Audience: c.Audience,
		InBody: c.ClientAuth == "body",
		HTTP:   &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	switch c.Resource {
	case "":
		cfg.Resource = rt.Upstream
	case "none":
		cfg.Resource = ""
	}
	if c.Type == secrets.OAuth {
		return oauth.NewClient(cfg), nil
	}
	return oauth.NewExchange(cfg, jwt.MethodJWT, jwt.MethodOIDC), nil
}

func (s *Set) sigv4(rt *config.Route, c secrets.Credential, secret inject.Secret) (inject.Credentials, error) {
	cfg := sigv4.Config{URL: rt.Upstream, Region: c.Region, Service: c.Service, Secret: secret}
	var err error
	if cfg.KeyID, err = s.Secret(c.KeyID); err != nil {
		return nil, err
	}
	if c.Session != "" {
		if cfg.Session, err = s.Secret(c.Session); err != nil {
			return nil, err
		}
	}
	return sigv4.New(cfg)
}

// Certificate returns what gives the client certificate of a route, nil if it
// has none. The pair is looked at now: a broken one is refused at the start.
func (s *Set) Certificate(rt *config.Route) (func(*tls.CertificateRequestInfo) (*tls.Certificate, error), error) {
	if !rt.Credential.On() || rt.Credential.Cert == "" {
		return nil, nil
	}
	chain, err := s.Secret(rt.Credential.Cert)
	if err != nil {
		return nil, err
	}
	key, err := s.Secret(rt.Credential.Key)
	if err != nil {
		return nil, err
	}
	pair := &inject.Certificate{Chain: chain, Key: key}
	if _, err := pair.Get(nil); err != nil {
		return nil, fmt.Errorf("credential.cert: %w", errors.Unwrap(err))
	}
	return pair.Get, nil
}

// Environment returns what reads the variables of a command that are secrets,
// nil if there are none, and those that are not.
func (s *Set) Environment(rt *config.Route) (read func() (map[string]string, error), plain map[string]string, err error) {
	plain = map[string]string{}
	hidden := map[string]inject.Secret{}
	for name, text := range rt.Env {
		if !source.IsRef(text) {
			plain[name] = text
			continue
		}
		if hidden[name], err = s.Secret(text); err != nil {
			return nil, nil, fmt.Errorf("env.%s: %w", name, err)
		}
	}
	if len(hidden) == 0 {
		return nil, plain, nil
	}
	return func() (map[string]string, error) {
		out := make(map[string]string, len(hidden))
		for name, secret := range hidden {
			text, _, err := secret.Get()
			if err != nil {
				return nil, err
			}
			out[name] = text
		}
		return out, nil
	}, plain, nil
}
