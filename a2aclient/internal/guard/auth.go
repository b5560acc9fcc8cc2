package guard

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// Secret reads a secret when it is needed, so that one that was replaced is
// used by the next call. It is asked for each request and should answer from
// memory.
type Secret func(ctx context.Context) (string, error)

// Text is a secret that is there already.
func Text(s string) Secret { return func(context.Context) (string, error) { return s, nil } }

// form is how a credential is used.
type form uint8

const (
	formBearer form = iota + 1
	formBasic
	formKey
	formOAuth
	formCertificate
)

var formNames = [...]string{
	formBearer: "a bearer token", formBasic: "a name and a password", formKey: "an API key",
	formOAuth: "an OAuth 2.0 client", formCertificate: "a client certificate",
}

// Credential is something that proves to an agent who is calling.
type Credential struct {
	form        form
	user        string
	secret      Secret
	in, name    string // of a key whose place the caller says
	oauth       OAuth
	certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
}

// String returns a mask.
func (Credential) String() string { return "[credential]" }

// GoString returns a mask.
func (Credential) GoString() string { return "[credential]" }

// Bearer is a token that is sent as "Authorization: Bearer".
func Bearer(token Secret) Credential { return Credential{form: formBearer, secret: token} }

// Basic is a name and a password (RFC 7617).
func Basic(user string, password Secret) Credential {
	return Credential{form: formBasic, user: user, secret: password}
}

// APIKey is a key that is sent where the agent's card says: in a header, the
// query or a cookie.
func APIKey(key Secret) Credential { return Credential{form: formKey, secret: key} }

// APIKeyIn is a key whose place ("header", "query" or "cookie") and name the
// caller says, for agents whose cards do not. A card that says another place is
// an error.
func APIKeyIn(place, name string, key Secret) Credential {
	return Credential{form: formKey, secret: key, in: place, name: name}
}

// OAuth is a client of an issuer of tokens (RFC 6749, section 4.4).
type OAuth struct {
	TokenURL string // "" = what the card says, if that is of an origin that is allowed
	ClientID string
	Secret   Secret
	Scopes   []string // empty = those that the card requires
	Resource string   // what the token is for, for issuers that want to know (RFC 8707)
	InBody   bool     // id and secret in the body instead of HTTP Basic
}

// ClientCredentials gets tokens from an issuer and keeps each until it ends.
func ClientCredentials(o OAuth) Credential { return Credential{form: formOAuth, oauth: o} }

// Certificate is a client certificate, for agents that ask for one in the TLS
// handshake.
func Certificate(get func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) Credential {
	return Credential{form: formCertificate, certificate: get}
}

// Applier puts a credential on a request. It returns the texts that must not be
// in anything that is said about the answer.
type Applier interface {
	apply(ctx context.Context, r *http.Request) (secrets []string, err error)
	// refused is told that the answer was 401. It reports whether another
	// credential is there now.
	refused(ctx context.Context) bool
}

// errUnfit says that a secret holds bytes that cannot stand where it belongs.
var errUnfit = errors.New("it is empty or holds a line break or another character that no credential has")

// read gets a secret and checks that it can be sent.
func read(ctx context.Context, what string, s Secret) (string, error) {
	if s == nil {
		return "", Faultf(ErrAuth, "%s: there is no secret", what)
	}
	text, err := s(ctx)
	if err != nil {
		return "", &unreadable{what, err}
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return "", Faultf(ErrAuth, "%s: %v", what, errUnfit)
		}
	}
	if text == "" {
		return "", Faultf(ErrAuth, "%s: %v", what, errUnfit)
	}
	return text, nil
}

// unreadable is a secret that cannot be had: nothing was sent.
type unreadable struct {
	what string
	err  error
}

func (u *unreadable) Error() string   { return fmt.Sprintf("reading %s: %v", u.what, u.err) }
func (u *unreadable) Unwrap() []error { return []error{ErrAuth, u.err} }

// inHeader sends a text before the secret in a header field.
type inHeader struct {
	what, name, before string
	secret             Secret
}

func (h inHeader) apply(ctx context.Context, r *http.Request) ([]string, error) {
	text, err := read(ctx, h.what, h.secret)
	if err != nil {
		return nil, err
	}
	r.Header.Set(h.name, h.before+text)
	return []string{text}, nil
}

func (inHeader) refused(context.Context) bool { return false }

// asBasic sends a name and the secret.
type asBasic struct {
	user   string
	secret Secret
}

func (b asBasic) apply(ctx context.Context, r *http.Request) ([]string, error) {
	text, err := b.secretText(ctx)
	if err != nil {
		return nil, err
	}
	pair := base64.StdEncoding.EncodeToString([]byte(b.user + ":" + text))
	r.Header.Set("Authorization", "Basic "+pair)
	return []string{text, pair}, nil
}

// secretText takes what RFC 7617 takes: UTF-8 without control characters.
func (b asBasic) secretText(ctx context.Context) (string, error) {
	if b.secret == nil {
		return "", Faultf(ErrAuth, "the password: there is none")
	}
	text, err := b.secret(ctx)
	if err != nil {
		return "", &unreadable{"the password", err}
	}
	if text == "" || hasControl(text) {
		return "", Faultf(ErrAuth, "the password: %v", errUnfit)
	}
	return text, nil
}

func (asBasic) refused(context.Context) bool { return false }

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// inQuery sends the secret as a parameter of the URL.
type inQuery struct {
	name   string
	secret Secret
}

func (q inQuery) apply(ctx context.Context, r *http.Request) ([]string, error) {
	text, err := read(ctx, "the API key", q.secret)
	if err != nil {
		return nil, err
	}
	u := *r.URL
	values := u.Query()
	values.Set(q.name, text)
	u.RawQuery = values.Encode()
	r.URL = &u
	return []string{text, url.QueryEscape(text)}, nil
}

func (inQuery) refused(context.Context) bool { return false }

// inCookie sends the secret as a cookie.
type inCookie struct {
	name   string
	secret Secret
}

func (c inCookie) apply(ctx context.Context, r *http.Request) ([]string, error) {
	text, err := read(ctx, "the API key", c.secret)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(text, "\";,\\ ") {
		return nil, Faultf(ErrAuth, "the API key: it holds a character that no cookie has")
	}
	r.Header.Set("Cookie", c.name+"="+text)
	return []string{text}, nil
}

func (inCookie) refused(context.Context) bool { return false }

// inHandshake is a certificate, which the connection sends.
type inHandshake struct{}

func (inHandshake) apply(context.Context, *http.Request) ([]string, error) { return nil, nil }

func (inHandshake) refused(context.Context) bool { return false }

// keyPlace makes what sends an API key, where a card or the caller says.
func keyPlace(place, name string, key Secret) (Applier, error) {
	switch place {
	case "header":
		if !isToken(name) || reserved(name) {
			return nil, Faultf(ErrAuth, "an API key cannot be sent in the header that the agent names")
		}
		return inHeader{what: "the API key", name: name, secret: key}, nil
	case "query":
		if name == "" || len(name) > 128 || hasControl(name) {
			return nil, Faultf(ErrAuth, "an API key cannot be sent in the parameter that the agent names")
		}
		return inQuery{name: name, secret: key}, nil
	case "cookie":
		if !isToken(name) { // a token, as the name of a cookie is
			return nil, Faultf(ErrAuth, "an API key cannot be sent in the cookie that the agent names")
		}
		return inCookie{name: name, secret: key}, nil
	}
	return nil, Faultf(ErrAuth, "an API key is sent in a header, the query or a cookie, and the agent names another place")
}

// isToken reports whether a text can be the name of a field (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != "" && len(s) <= 128
}

// reserved are fields that say how a message is read.
func reserved(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer",
		"Expect", "Accept", "Accept-Encoding", "A2a-Version", "A2a-Extensions", "Cookie", "Keep-Alive", "Proxy-Connection":
		return true
	}
	return false
}
