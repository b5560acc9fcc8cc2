// Package certs makes from the configuration what concerns client certificates:
// where a request's certificate is found, the edge guard that refuses those that
// do not count, and the authenticator that says who one is.
package certs

import (
	"net/http"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/clientcert"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// Certs is what the routes of a table share. It is safe for concurrent use.
type Certs struct {
	reader *clientcert.Reader // of headers; nil = they are not read
	guard  *mtls.Guard        // nil = nobody is asked for a certificate
	authn  *mtls.Authenticator
}

// New returns the certificates of a configuration. A nil Verifier trusts nobody.
func New(cfg *config.Config, v *trust.Verifier) *Certs {
	c := &Certs{authn: mtls.NewAuthenticator(v, cfg.Identity.MTLS.Mapping())}
	_, asked := cfg.ClientTrust()
	if cfg.Identity.MTLS.FromProxy {
		c.reader = clientcert.NewReader()
	}
	if asked || c.reader != nil {
		c.guard = mtls.NewGuard(v, asked, cfg.Server.TLS.Require)
	}
	return c
}

// Of returns the certificate of a request. trusted says that its peer is a
// trusted proxy; headers of all others are not looked at.
func (c *Certs) Of(r *http.Request, trusted bool) portcullis.ClientCert {
	if c.reader != nil && trusted {
		return c.reader.Proxied(r)
	}
	return clientcert.Handshake(r)
}

// Guard returns the edge guard, or nil.
func (c *Certs) Guard() portcullis.EdgeGuard {
	if c.guard == nil {
		return nil
	}
	return c.guard
}

// Authenticator returns the one authenticator of all routes.
func (c *Certs) Authenticator() portcullis.Authenticator { return c.authn }
