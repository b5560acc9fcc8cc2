package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/ocsp"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
)

// ClientTrust says which client certificates count; ok is false if none is
// asked for.
func (c *Config) ClientTrust() (t trust.Config, ok bool) {
	m := c.Identity.MTLS
	t = trust.Config{
		Bundle: c.Server.TLS.ClientCA, Lists: m.CRL, ListNeeded: m.CRLRequired, StaleLists: m.CRLStale, OCSP: m.OCSP.Checker(),
	}
	return t, t.Bundle != ""
}

// checkClientCerts checks what [server.tls] and [identity.mtls] need of each
// other.
func (c *Config) checkClientCerts() error {
	m, t := c.Identity.MTLS, c.Server.TLS
	switch {
	case m.FromProxy && len(c.Server.TrustedProxies) == 0:
		return errors.New("from_proxy: needs server.trusted_proxies: nobody else may say whose certificate it was")
	case t.ClientCA != "":
		return nil
	case len(m.CRL) > 0:
		return errors.New("crl: needs server.tls.client_ca, whose certificates it revokes")
	case m.OCSP.Mode != ocsp.Off:
		return errors.New("ocsp: needs server.tls.client_ca, whose certificates it is about")
	case len(m.Rules) > 0:
		return errors.New("rule: needs server.tls.client_ca, whose certificates it is about")
	}
	return nil
}

// checkClientCA checks that somebody can present a certificate.
func (c *Config) checkClientCA() error {
	t := c.Server.TLS
	if t.ClientCA != "" && t.Cert == "" && !c.Identity.MTLS.FromProxy {
		return errors.New("client_ca: needs cert and key, or a proxy that passes certificates on (identity.mtls.from_proxy)")
	}
	return nil
}

// checkMTLS checks that a route with the method can know anybody.
func (c *Config) checkMTLS(i int) error {
	at := slices.Index(c.Routes[i].Auth, mtls.Method)
	switch {
	case at < 0:
		return nil
	case c.Server.TLS.ClientCA == "":
		return fmt.Errorf("auth[%d]: %q: needs server.tls.client_ca", at, mtls.Method)
	case len(c.Identity.MTLS.Rules) == 0:
		return fmt.Errorf("auth[%d]: %q: needs an [[identity.mtls.rule]] that says who a certificate is", at, mtls.Method)
	}
	return nil
}
