package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/ocsp"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// MTLS is [identity.mtls].
type MTLS struct {
	FromProxy   bool       `toml:"from_proxy" doc:"Whether a proxy of server.trusted_proxies ends TLS and passes the caller's certificate on in Client-Cert (RFC 9440). The proxy must remove that header from what callers send."`
	CRL         []string   `toml:"crl" list:"text" example:"[\"/etc/portcullis/clients.crl\"]" doc:"Files with revocation lists, PEM or DER, signed by authorities of server.tls.client_ca; read again when they change."`
	CRLRequired bool       `toml:"crl_required" doc:"Refuse certificates whose issuer has no list here."`
	CRLStale    string     `toml:"crl_stale" enum:"refuse|insecure_allow" doc:"What happens to certificates whose list has ended (nextUpdate): refuse them, or INSECURE: go on with the old list."`
	OCSP        OCSP       `toml:"ocsp" doc:"Asking whether a certificate is revoked (RFC 6960)."`
	Rules       []MTLSRule `toml:"rule" doc:"Who a certificate is: the first rule that fits. A certificate that no rule fits is refused."`
}

// OCSP is [identity.mtls.ocsp].
type OCSP struct {
	Mode      string        `toml:"mode" enum:"off|soft|hard" doc:"When nobody can say whether a certificate is revoked: soft lets it pass, hard refuses it. A response stapled to the handshake (TLS 1.3) is used first."`
	Responder string        `toml:"responder" example:"\"http://ocsp.example.com\"" doc:"URL that is asked."`
	AIA       bool          `toml:"aia" doc:"Ask the responder that the certificate names, if it is at a public address."`
	Timeout   time.Duration `toml:"timeout" doc:"How long a question may take."`
}

// MTLSRule is one [[identity.mtls.rule]].
type MTLSRule struct {
	From   string   `toml:"from" enum:"uri|dns|email|subject.cn" doc:"Name of the certificate that counts: an alternative name of one kind, or the common name of the subject."`
	Match  string   `toml:"match" required:"true" example:"\"spiffe://example.org/agent/*\"" doc:"The name, or a pattern: * is any text without a separator (/ in a URI, . in a DNS name, @ in an address), ** any text."`
	Issuer string   `toml:"issuer" example:"\"Example Agents CA\"" doc:"Common name of an authority that must have issued the certificate, directly or through others."`
	ID     string   `toml:"id" example:"\"agent:{value}\"" doc:"Name of the caller, cert: in front; {value} is the name that was matched, which is also the default."`
	Scopes []string `toml:"scopes" list:"text" example:"[\"tools:*\"]" doc:"Scopes of the caller."`
	Roles  []string `toml:"roles" list:"text" example:"[\"viewer\"]" doc:"Roles of the caller."`
}

// DefaultMTLS returns the defaults of [identity.mtls]: no rule.
func DefaultMTLS() MTLS {
	t := trust.Default()
	return MTLS{CRLStale: t.StaleLists, OCSP: OCSP{Mode: t.OCSP.Mode, Timeout: t.OCSP.Timeout}}
}

// DefaultMTLSRule returns the defaults of [[identity.mtls.rule]].
func DefaultMTLSRule() MTLSRule { return MTLSRule{From: mtls.FromURI} }

// Validate checks [identity.mtls] without its tables.
func (m MTLS) Validate() error {
	if m.CRLRequired && len(m.CRL) == 0 {
		return errors.New("crl_required: set without crl")
	}
	if i := slices.Index(m.CRL, ""); i >= 0 {
		return fmt.Errorf("crl[%d]: want the name of a file", i)
	}
	return nil
}

// Checker returns the settings in the words of the checker.
func (o OCSP) Checker() ocsp.Config {
	return ocsp.Config{Mode: o.Mode, Responder: o.Responder, AIA: o.AIA, Timeout: o.Timeout}
}

// Validate checks [identity.mtls.ocsp].
func (o OCSP) Validate() error { return o.Checker().Validate() }

func (r MTLSRule) rule() mtls.Rule {
	return mtls.Rule{Issuer: r.Issuer, From: r.From, Match: r.Match, ID: r.ID, Roles: r.Roles, Scopes: r.Scopes}
}

// Validate checks one [[identity.mtls.rule]].
func (r MTLSRule) Validate() error {
	var errs []error
	for i, s := range r.Scopes {
		if err := scope.Validate(s); err != nil {
			errs = append(errs, fmt.Errorf("scopes[%d]: %w", i, err))
		}
	}
	for i, role := range r.Roles {
		if !field.IsToken(role) {
			errs = append(errs, fmt.Errorf("roles[%d]: %q: want a name", i, role))
		}
	}
	return errors.Join(append(errs, r.rule().Validate())...)
}

// Mapping returns the rules in the words of the authenticator.
func (m MTLS) Mapping() mtls.Rules {
	out := make(mtls.Rules, len(m.Rules))
	for i, r := range m.Rules {
		out[i] = r.rule()
	}
	return out
}
