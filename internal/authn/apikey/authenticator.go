package apikey

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// What callers read. The first two are the guides' own words (S1-10, S4-8).
const (
	publicRequired    = "API key required"
	publicInvalid     = "Invalid API key"
	publicTwo         = "Send one credential: either X-API-Key or Authorization, once"
	publicURL         = "Credentials in the URL are refused"
	publicUnavailable = "Authentication is not available, try again later"
)

const (
	headerAPIKey        = "X-Api-Key" // canonical form of X-API-Key
	headerAuthorization = "Authorization"
	bearerScheme        = "bearer"
	headerChallenge     = "Www-Authenticate"
	challengeToken      = `Bearer realm="portcullis", error="invalid_token"`
	challengeRequest    = `Bearer realm="portcullis", error="invalid_request"`
	challengePlain      = `Bearer realm="portcullis"`
)

// Authenticator is the guard "api_key" of a route. It reads a key from
// X-API-Key or from Authorization: Bearer (requirement X-1), and refuses
//
//   - a request with X-API-Key and Authorization both, or either one twice:
//     two parts of the system might believe different ones (401);
//   - a key in the URL, where proxies and histories keep it (400);
//   - an empty X-API-Key: an unset variable at the caller is not "anonymous"
//     (401, "API key required");
//   - any key that is not accepted (401, "Invalid API key", INVALID_API_KEY).
//
// Authorization with another scheme, or a Bearer token without our prefix, is
// not ours: it returns portcullis.ErrNoCredentials.
type Authenticator struct {
	s        *Service
	anyRoute bool
}

// Authenticator returns the guard that checks keys of this service.
func (s *Service) Authenticator() *Authenticator { return &Authenticator{s: s} }

// HolderAuthenticator returns the guard of the claim endpoint: it asks whose
// key it is and not for which routes.
func (s *Service) HolderAuthenticator() *Authenticator { return &Authenticator{s: s, anyRoute: true} }

// Name returns "api_key".
func (*Authenticator) Name() string { return Method }

// Authenticate implements portcullis.Authenticator.
func (a *Authenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	if c.HTTP == nil {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	if u := c.HTTP.URL; u != nil && a.s.grammar.InURL(u) {
		return portcullis.Principal{}, &portcullis.Error{
			Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: publicURL,
			Event: portcullis.EventInputRejected, Detail: "api key in the URL",
		}
	}
	text, err := a.credential(c.HTTP.Header)
	if err != nil {
		return portcullis.Principal{}, err
	}
	now := a.s.clock()
	e, v, err := a.s.check(ctx, text, now)
	if err != nil {
		return portcullis.Principal{}, unavailable(err)
	}
	if v == accepted && !a.anyRoute && len(e.rec.Routes) > 0 && !slices.Contains(e.rec.Routes, c.Route) {
		v = refusedRoute
	}
	if v != accepted {
		return portcullis.Principal{}, a.s.refuse(ctx, c, text, e, v)
	}
	a.s.uses.note(e.use, now)
	if e.stale != nil {
		a.s.warn(ctx, c, e, now)
	}
	return e.principal, nil
}

// credential returns the key text that a request carries.
func (a *Authenticator) credential(h http.Header) (string, error) {
	keys, auths := h[headerAPIKey], h[headerAuthorization]
	switch {
	case len(keys) == 0 && len(auths) == 0:
		return "", portcullis.ErrNoCredentials
	case len(keys)+len(auths) > 1:
		if len(keys) == 0 && !slices.ContainsFunc(auths, a.bearsKey) {
			return "", portcullis.ErrNoCredentials // another authenticator's to judge
		}
		return "", unauthenticated(publicTwo, challengeRequest, "more than one credential", "")
	case len(auths) == 1:
		return a.bearer(auths[0])
	case keys[0] == "":
		return "", unauthenticated(publicRequired, challengePlain, "empty X-API-Key", "")
	}
	return keys[0], nil
}

// bearer returns the key in an Authorization field: a scheme in any case, one
// space, and the key up to the end.
func (a *Authenticator) bearer(field string) (string, error) {
	if len(field) <= len(bearerScheme) || !strings.EqualFold(field[:len(bearerScheme)], bearerScheme) {
		return "", portcullis.ErrNoCredentials
	}
	if rest := field[len(bearerScheme):]; rest[0] == ' ' && strings.HasPrefix(rest[1:], a.s.grammar.Prefix()) {
		return rest[1:], nil
	}
	if a.bearsKey(field) {
		return "", invalid(nil, refusedMalformed)
	}
	return "", portcullis.ErrNoCredentials
}

// bearsKey reports whether a field is a sloppily written Bearer key of ours.
func (a *Authenticator) bearsKey(field string) bool {
	if len(field) <= len(bearerScheme) || !strings.EqualFold(field[:len(bearerScheme)], bearerScheme) {
		return false
	}
	rest := field[len(bearerScheme):]
	token := strings.TrimLeft(rest, " \t")
	return len(token) < len(rest) && strings.HasPrefix(token, a.s.grammar.Prefix())
}

// invalid is the one refusal for every key that is not accepted.
func invalid(e *entry, v verdict) *portcullis.Error {
	detail := "api key: " + v.String()
	attempted := portcullis.Actor{Method: Method}
	if e != nil && e.known {
		detail = "api key " + e.id + ": " + v.String()
		attempted.KeyID = e.id
	}
	refusal := unauthenticated(publicInvalid, challengeToken, detail, portcullis.EventInvalidAPIKey)
	refusal.Attempted = attempted
	return refusal
}

func unauthenticated(public, challenge, detail string, event portcullis.EventType) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: public,
		Header: http.Header{headerChallenge: {challenge}}, Event: event, Detail: detail,
	}
}
