package a2aclient

import (
	"crypto/tls"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
)

// Problem is a kind of error.
type Problem = guard.Problem

// Errors that say what kind of thing went wrong, for errors.Is.
const (
	ErrURL       = guard.ErrURL
	ErrOrigin    = guard.ErrOrigin
	ErrRedirect  = guard.ErrRedirect
	ErrNoCard    = guard.ErrNoCard
	ErrCard      = guard.ErrCard
	ErrSignature = guard.ErrSignature
	ErrAuth      = guard.ErrAuth
	ErrReply     = guard.ErrReply
	ErrEvent     = guard.ErrEvent
	ErrTooLarge  = guard.ErrTooLarge
	ErrBroken    = guard.ErrBroken
	ErrSilent    = guard.ErrSilent
	ErrID        = guard.ErrID
	ErrMessage   = guard.ErrMessage
)

// AgentError is an agent's refusal, or that of what stands in front of it. Its
// message is the agent's own words: not to be trusted, but safe to print.
type AgentError = guard.AgentError

// Secret reads a secret when it is needed, so that one that was replaced is
// used by the next call. It is asked for each request and should answer from
// memory.
type Secret = guard.Secret

// Credential is something that proves to an agent who is calling.
type Credential = guard.Credential

// OAuth is a client of an issuer of tokens (RFC 6749, section 4.4).
type OAuth = guard.OAuth

// Bindings of the protocol that are spoken.
const (
	JSONRPC  = guard.JSONRPC
	HTTPJSON = guard.HTTPJSON
)

// Text is a secret that is there already.
func Text(s string) Secret { return guard.Text(s) }

// Bearer is a token that is sent as "Authorization: Bearer".
func Bearer(token Secret) Credential { return guard.Bearer(token) }

// Basic is a name and a password (RFC 7617).
func Basic(user string, password Secret) Credential { return guard.Basic(user, password) }

// APIKey is a key that is sent where the agent's card says: in a header, the
// query or a cookie.
func APIKey(key Secret) Credential { return guard.APIKey(key) }

// APIKeyIn is a key whose place ("header", "query" or "cookie") and name the
// caller says, for agents whose cards do not. A card that says another place is
// an error.
func APIKeyIn(place, name string, key Secret) Credential { return guard.APIKeyIn(place, name, key) }

// ClientCredentials gets tokens from an issuer and keeps each until it ends.
func ClientCredentials(o OAuth) Credential { return guard.ClientCredentials(o) }

// Certificate is a client certificate, for agents that ask for one in the TLS
// handshake.
func Certificate(get func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) Credential {
	return guard.Certificate(get)
}
