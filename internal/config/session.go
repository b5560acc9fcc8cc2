package config

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/config/identity"
)

// SessionsOn reports whether the gateway opens sessions and issues tokens.
func (c *Config) SessionsOn() bool {
	if c.Identity.Session.Enabled {
		return true
	}
	for i := range c.Routes {
		for _, method := range c.Routes[i].Auth {
			if slices.Contains(identity.LoginMethods(), method) {
				return true
			}
		}
	}
	return false
}

// Lists reports whether a route lists a method of authentication.
func (c *Config) Lists(method string) bool {
	return slices.ContainsFunc(c.Routes, func(r Route) bool { return slices.Contains(r.Auth, method) })
}

// Sessions returns the settings as the service of sessions takes them. listen
// is the address the gateway really listens on.
func (c *Config) Sessions(listen string) token.Config {
	s := c.Identity.Session.Service()
	s.On, s.Documents, s.RefreshPrefix = c.SessionsOn(), c.SignsDocuments(), c.Identity.APIKey.Prefix+"rt_"
	if s.Issuer == "" {
		s.Issuer = c.Server.PublicBase(listen)
	}
	if len(s.Audience) == 0 {
		s.Audience = []string{s.Issuer}
	}
	return s
}
