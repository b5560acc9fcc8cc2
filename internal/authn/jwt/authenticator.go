package jwt

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// What callers read; the first is the guide's (S3-5).
const (
	publicInvalid     = "Invalid token"
	publicURL         = "Credentials in the URL are refused"
	publicUnavailable = "Authentication is not available, try again later"
)

// Options describe the [Authenticator] of a route.
type Options struct {
	Services  []*Service          // issuers the route trusts, in their order
	Resource  *challenge.Resource // the route; its URL is an accepted audience
	Base      string              // address of the gateway as callers know it: with the path of a call what a DPoP proof is for; "" = proofs are for the URL of the route only
	KeyPrefix string              // bearer credentials with it are API keys, for another authenticator; "" = none
	Name      string              // of the guard; MethodJWT, MethodOIDC, MethodSession or several
	Methods   []string            // of the route: own tokens are admitted by the one that opened the session
}

// Authenticator is the guard "jwt" or "oidc" of a route. It reads an access
// token from Authorization with the scheme Bearer or DPoP and refuses
//
//   - a token that does not verify, is of no trusted issuer, or whose audience
//     is not the route (401, "Invalid token", AUTH_FAILURE);
//   - a token bound to a key or certificate without proof of it (RFC 9449, RFC
//     8705), and the scheme DPoP with a token that is not bound;
//   - a token in the URL (400).
//
// Another scheme is not its own: it returns portcullis.ErrNoCredentials. If an
// issuer cannot be asked and its answer is needed, the call is refused with
// 503. A token that was verified before costs one hash and no allocation.
type Authenticator struct {
	services  []*Service
	resource  *challenge.Resource
	base      string
	keyPrefix string
	name      string
	methods   []string
	audiences [][]string // by service
}

// NewAuthenticator returns the guard of a route.
func NewAuthenticator(o Options) *Authenticator {
	a := &Authenticator{services: o.Services, resource: o.Resource, base: o.Base, keyPrefix: o.KeyPrefix, name: o.Name, methods: o.Methods}
	for _, s := range o.Services {
		aud := slices.Clone(s.cfg.Audience)
		if u := o.Resource.URL(); u != "" {
			aud = append(aud, u)
			if bare, ok := strings.CutSuffix(u, "/"); ok { // clients differ on the slash of a root
				aud = append(aud, bare)
			}
		}
		a.audiences = append(a.audiences, aud)
	}
	return a
}

// Name returns the methods the guard stands for.
func (a *Authenticator) Name() string { return a.name }

// Authenticate implements portcullis.Authenticator.
func (a *Authenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	if c.HTTP == nil {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	if u := c.HTTP.URL; u != nil && u.RawQuery != "" && namesToken(u.RawQuery) {
		return portcullis.Principal{}, &portcullis.Error{
			Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: publicURL,
			Event: portcullis.EventInputRejected, Detail: "access token in the URL",
		}
	}
	fields := c.HTTP.Header["Authorization"]
	if len(fields) == 0 {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	token, dpop, ours := credential(fields[0])
	if !ours || !dpop && a.keyPrefix != "" && strings.HasPrefix(token, a.keyPrefix) {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	if err := a.resource.OneCredential(c.HTTP.Header); err != nil {
		return portcullis.Principal{}, err
	}
	if len(token) > jws.MaxToken {
		return portcullis.Principal{}, a.refuse(jws.Reason("longer than 8 KiB"))
	}
	d := digestOf(token)
	s, v, err := a.verify(ctx, token, &d)
	if err != nil {
		return portcullis.Principal{}, a.refuse(err)
	}
	if !intersect(v.audience, a.audiences[s]) {
		return portcullis.Principal{}, a.refuse(a.services[s].ofPrincipal(v, jws.Reason("for another audience")))
	}
	if !a.services[s].admits(v, a.methods) {
		return portcullis.Principal{}, a.refuse(a.services[s].ofPrincipal(v, jws.Reason("opened by a method the route does not take")))
	}
	if dpop || v.jkt != "" || v.x5t != "" {
		if err := a.checkBinding(c, a.services[s], v, token, dpop); err != nil {
			return portcullis.Principal{}, err
		}
	}
	return v.principal, nil
}

// verify finds the issuer of a token and what it says. Tokens verified before
// come first; after them the first issuer that knows the token decides.
func (a *Authenticator) verify(ctx context.Context, token string, d *digest) (int, *verified, error) {
	for i, s := range a.services {
		if v := s.cache.get(d); v != nil && v.valid(s.now()) {
			return i, v, nil
		}
	}
	var last error = errOtherIssuer
	for i, s := range a.services {
		v, err := s.check(ctx, token, d, s.now())
		if err == nil {
			return i, v, nil
		}
		if !errors.Is(err, errOtherIssuer) && !errors.Is(err, errNotJWT) {
			return 0, nil, err
		}
		if errors.Is(err, errNotJWT) {
			last = err
		}
	}
	return 0, nil, last
}

// checkBinding wants proof that the caller holds what the token is bound to.
func (a *Authenticator) checkBinding(c *portcullis.Conn, s *Service, v *verified, token string, dpop bool) error {
	if dpop != (v.jkt != "") {
		return a.refuseProof(s.ofPrincipal(v, jws.Reason("scheme does not fit the binding of the token")))
	}
	if v.x5t != "" && !sameText(clientCertificate(&c.Cert), v.x5t) {
		return a.refuse(s.ofPrincipal(v, jws.Reason("without the client certificate it is bound to")))
	}
	if !dpop {
		return nil
	}
	proofs := c.HTTP.Header["Dpop"]
	if len(proofs) != 1 {
		return a.refuseProof(s.ofPrincipal(v, jws.Reason("without one DPoP proof")))
	}
	err := s.checkProof(proof{
		text: proofs[0], token: token, method: c.HTTP.Method, url: a.called(c), jkt: v.jkt,
		request: c.RequestID, received: c.Received,
	})
	if err != nil {
		return a.refuseProof(s.ofPrincipal(v, err))
	}
	return nil
}

// called is the URL of a call as its caller knows it: paths below that of a
// route, and paths that the process answers for callers of all routes, are not
// the route's.
func (a *Authenticator) called(c *portcullis.Conn) string {
	if a.base == "" || c.HTTP.URL == nil {
		return a.resource.URL()
	}
	return a.base + c.HTTP.URL.EscapedPath()
}

// clientCertificate is the x5t#S256 of the caller's certificate, or "".
func clientCertificate(c *portcullis.ClientCert) string {
	if len(c.Chain) == 0 {
		return ""
	}
	sum := sha256.Sum256(c.Chain[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// refuse is the one refusal of every token that is not accepted.
func (a *Authenticator) refuse(err error) *portcullis.Error {
	if isUnavailable(err) {
		return &portcullis.Error{
			Kind: portcullis.KindUnavailable, Reason: "unavailable", Public: publicUnavailable,
			RetryAfter: time.Second, Detail: "issuer cannot be asked", Err: err,
		}
	}
	e := &portcullis.Error{
		Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: publicInvalid,
		Event: portcullis.EventAuthFailure, Header: a.resource.Invalid(), Detail: "token refused: " + err.Error(),
		Attempted: portcullis.Actor{Method: a.Name()},
	}
	var s *subjectError
	if errors.As(err, &s) {
		e.Attempted.ID = s.id
	}
	return e
}

// subjectError says whose token was refused: its signature is good, so the
// name is the issuer's word and not only the caller's.
type subjectError struct {
	id  string
	err error
}

func (e *subjectError) Error() string { return fmt.Sprintf("token of %q: %v", e.id, e.err) }
func (e *subjectError) Unwrap() error { return e.err }

func (a *Authenticator) refuseProof(err error) *portcullis.Error {
	e := a.refuse(err)
	e.Header = a.resource.InvalidProof()
	return e
}

// ofPrincipal names the principal of a verified token in a refusal.
func (s *Service) ofPrincipal(v *verified, err error) error {
	return &subjectError{v.principal.ID, err}
}

// credential splits an Authorization field. ours reports whether its scheme is
// one of access tokens; the token of a field that is malformed is empty.
func credential(field string) (token string, dpop, ours bool) {
	scheme, rest, found := strings.Cut(field, " ")
	dpop = strings.EqualFold(scheme, "DPoP")
	if !dpop && !strings.EqualFold(scheme, "Bearer") {
		return "", false, false
	}
	// One byte at a time: that is several times as fast as any of a set.
	if !found || rest == "" || strings.IndexByte(rest, ' ') >= 0 || strings.IndexByte(rest, '\t') >= 0 || strings.IndexByte(rest, ',') >= 0 {
		return "", dpop, true
	}
	return rest, dpop, true
}

// namesToken reports whether a query has the parameter access_token (RFC 6750
// section 2.3), as written or escaped.
func namesToken(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if strings.EqualFold(plain, "access_token") {
			return true
		}
	}
	return false
}

func intersect(a, b []string) bool {
	for _, x := range a {
		if slices.Contains(b, x) {
			return true
		}
	}
	return false
}
