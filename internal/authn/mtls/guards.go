package mtls

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
)

// Method is the name of the method in the configuration, events and pipeline.
const Method = "mtls"

// GuardName is the name of the edge guard.
const GuardName = "client_cert"

// IDPrefix begins the id of every caller known by a certificate.
const IDPrefix = "cert:"

// Required is what a caller without a certificate reads where one is the only
// way in.
const Required = "Client certificate required"

// What callers read else.
const (
	publicRefused = "Client certificate refused"
	publicHeader  = "Invalid Client-Cert header"
)

// Guard is the edge guard "client_cert".
type Guard struct {
	trust            *trust.Verifier
	checks, required bool
}

// NewGuard returns the guard. It always refuses what cannot be read; checks
// says that a certificate must count, required that there must be one.
func NewGuard(v *trust.Verifier, checks, required bool) *Guard {
	return &Guard{trust: v, checks: checks, required: required}
}

// Name implements portcullis.EdgeGuard.
func (*Guard) Name() string { return GuardName }

// CheckConn implements portcullis.EdgeGuard.
func (g *Guard) CheckConn(ctx context.Context, c *portcullis.Conn) error {
	switch {
	case c.Cert.Err != nil:
		return &portcullis.Error{
			Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: publicHeader,
			Event: portcullis.EventInputRejected, Detail: "client certificate from a proxy", Err: c.Cert.Err,
		}
	case len(c.Cert.Chain) == 0:
		if g.required {
			return &portcullis.Error{
				Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: Required, Header: Challenge(),
				Event: portcullis.EventAuthFailure, Detail: "no client certificate", Attempted: portcullis.Actor{Method: Method},
				Facts: []slog.Attr{slog.Bool("no_credentials", true)},
			}
		}
		return nil
	case !g.checks:
		return nil
	}
	_, err := g.trust.Check(ctx, &c.Cert)
	if err != nil {
		return refuse(err)
	}
	return nil
}

// Authenticator is the guard "mtls".
type Authenticator struct {
	trust *trust.Verifier
	rules Rules

	mu    sync.RWMutex
	known map[*trust.Verified]portcullis.Principal
}

// maxKnown bounds what an Authenticator remembers.
const maxKnown = 4096

// NewAuthenticator returns the authenticator of the rules.
func NewAuthenticator(v *trust.Verifier, rules Rules) *Authenticator {
	return &Authenticator{trust: v, rules: slices.Clone(rules), known: map[*trust.Verified]portcullis.Principal{}}
}

// Name implements portcullis.Authenticator.
func (*Authenticator) Name() string { return Method }

// Authenticate implements portcullis.Authenticator. A caller without a
// certificate has no credentials of this kind; one with a certificate that does
// not count, or that no rule fits, is refused. It costs one hash of the
// certificate and no allocation once a certificate is known.
func (a *Authenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	if c.Cert.Err != nil {
		return portcullis.Principal{}, refuse(c.Cert.Err)
	}
	if len(c.Cert.Chain) == 0 {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	v, err := a.trust.Check(ctx, &c.Cert)
	if err != nil {
		return portcullis.Principal{}, refuse(err)
	}
	a.mu.RLock()
	who, ok := a.known[v]
	a.mu.RUnlock()
	if ok {
		return who, nil
	}
	id, err := a.rules.identify(v.Leaf, v.Chain)
	if err != nil {
		return portcullis.Principal{}, refuse(&unmapped{v, err})
	}
	who = portcullis.Principal{
		ID: IDPrefix + id.id, Name: id.id, Method: Method, KeyID: v.Fingerprint,
		Scopes: id.rule.Scopes, Roles: id.rule.Roles, Expires: v.Leaf.NotAfter,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[v] = who
	return who, nil
}

// unmapped is a certificate that counts and that no rule gives a name.
type unmapped struct {
	v   *trust.Verified
	err error
}

func (u *unmapped) Error() string { return u.err.Error() }
func (u *unmapped) Unwrap() error { return u.err }

// refuse is the one refusal of every certificate: the caller reads that, the
// journal why, with the fingerprint and, where an authority has signed it, the
// subject.
func refuse(err error) *portcullis.Error {
	e := &portcullis.Error{
		Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: publicRefused, Header: Challenge(),
		Event: portcullis.EventAuthFailure, Detail: "client certificate refused: " + err.Error(),
		Attempted: portcullis.Actor{Method: Method},
	}
	var t *trust.Error
	var u *unmapped
	switch {
	case errors.As(err, &t):
		e.Attempted.KeyID = t.Fingerprint
		if t.Subject != "" {
			e.Attempted.ID = IDPrefix + t.Subject
		}
	case errors.As(err, &u):
		e.Attempted.KeyID = u.v.Fingerprint
		e.Attempted.ID = IDPrefix + trust.Subject(u.v.Leaf)
	}
	return e
}

// Challenge asks for a client certificate. There is no registered scheme for
// what happens below HTTP; the name tells a person what is missing.
func Challenge() http.Header {
	return http.Header{challenge.Header: {`Certificate realm="portcullis"`}}
}
