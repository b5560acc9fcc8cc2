package basic

import (
	"context"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
)

const (
	scheme = "basic"
	// maxField bounds the credentials of a header: the longest name, a colon and
	// the longest password in base64.
	maxField = (maxName + 1 + MaxPassword + 2) / 3 * 4
)

// Authenticator is the guard "basic" of a route: Authorization: Basic (RFC
// 7617, UTF-8). Another scheme is not its own: it returns
// portcullis.ErrNoCredentials. It refuses with 401 and AUTH_FAILURE what is no
// name and password of a user, with 429 who failed too often, and with 503 if
// users cannot be checked.
//
// A password must not cross a network in clear: the edge guard "https" has
// refused such requests before (docs/users.md).
type Authenticator struct{ s *Service }

// Authenticator returns the guard that checks users of this service.
func (s *Service) Authenticator() *Authenticator { return &Authenticator{s} }

// Name returns "basic".
func (*Authenticator) Name() string { return Method }

// Authenticate implements portcullis.Authenticator.
func (a *Authenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	if c.HTTP == nil {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	fields := c.HTTP.Header["Authorization"]
	if len(fields) != 1 || !isBasic(fields[0]) {
		return portcullis.Principal{}, portcullis.ErrNoCredentials // two are refused before anyone is asked
	}
	name, password, ok := parse(fields[0])
	if !ok {
		return portcullis.Principal{}, challenge.Offer(a.s.Malformed(c, "basic: malformed header"), challenge.Basic)
	}
	who, err := a.s.Check(ctx, Attempt{Name: name, Password: password, Client: c.Client})
	if err != nil {
		return portcullis.Principal{}, challenge.Offer(err, challenge.Basic)
	}
	return who, nil
}

// Malformed refuses what cannot be read as credentials at all, and counts it.
func (s *Service) Malformed(c *portcullis.Conn, detail string) error {
	if s.throttle != nil {
		if wait := s.throttle.Failed(c.Client, ""); wait > 0 {
			return tooMany(wait, "too many failures of the address", portcullis.Actor{Method: Method})
		}
	}
	return Invalid(detail)
}

// isBasic reports whether a field is of the scheme, in whatever case.
func isBasic(field string) bool {
	return len(field) >= len(scheme) && strings.EqualFold(field[:len(scheme)], scheme) &&
		(len(field) == len(scheme) || field[len(scheme)] == ' ' || field[len(scheme)] == '\t')
}

// parse reads "Basic", one space and base64 in its one form, of UTF-8 without
// control characters: a name without a colon, a colon, a password.
func parse(field string) (name, password string, ok bool) {
	if len(field) <= len(scheme)+1 || field[len(scheme)] != ' ' || len(field) > len(scheme)+1+maxField {
		return "", "", false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(field[len(scheme)+1:])
	if err != nil || !utf8.Valid(b) || strings.ContainsAny(field, "\r\n") { // the decoder passes over line breaks
		return "", "", false
	}
	name, password, ok = strings.Cut(string(b), ":")
	if !ok || name == "" || len(name) > maxName || len(password) > MaxPassword || strings.ContainsFunc(string(b), control) {
		return "", "", false
	}
	return name, password, true
}

func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }
