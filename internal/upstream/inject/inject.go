// Package inject puts the gateway's own credential on a call, at the last
// moment before it leaves: a bearer token, a name and a password, an API key in
// a header or the URL, a client certificate; and, in the packages below, a token
// fetched from an issuer and a signature.
//
// What it promises:
//
//   - The secret is looked at for each call, so that a rotated one is used by
//     the next call, without a lock and without a pause.
//   - A secret that cannot be had fails the call with 502 before anything is
//     sent. No call ever travels without the credential its route names.
//   - Errors name references, never secrets.
package inject

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
)

// Credential is what one request carries of the gateway's own.
type Credential struct {
	Fields []portcullis.Field // in place of any of the same name
	Query  string             // encoded "name=value", added to the URL; seen nowhere else
	Mark   any                // what Refused is given back
}

// String returns a mask.
func (Credential) String() string { return "[credential]" }

// GoString returns a mask.
func (Credential) GoString() string { return "[credential]" }

// Credentials give each request what its upstream asks for.
type Credentials interface {
	// Authorize returns the credential of a call. An error is what the caller
	// gets; nothing is sent then.
	Authorize(ctx context.Context, call *portcullis.Call) (Credential, error)
	// Refused is told that the upstream answered 401 to a credential. It
	// reports whether Authorize gives another one now.
	Refused(ctx context.Context, call *portcullis.Call, used Credential) bool
}

// Secret is one secret that is kept ready.
type Secret interface {
	// Get returns the secret as it is now, and a number that is another for
	// another content. It asks nobody.
	Get() (text string, reading uint64, err error)
	// Refresh asks for a newer one than the reading, because that was not
	// accepted. It reports whether there is one.
	Refresh(ctx context.Context, seen uint64) (bool, error)
}

// Unavailable is the failure of a call whose credential cannot be had. The
// error says why, for the log.
func Unavailable(err error) error {
	return &portcullis.Error{
		Kind: portcullis.KindUpstream, Reason: "upstream_unavailable", Public: "the upstream server is unavailable",
		Detail: "getting the upstream's credential", Err: err,
	}
}

// ErrUnfit says that a secret holds bytes that cannot stand where it belongs.
var ErrUnfit = errors.New("the secret holds a line break or another character that no credential has")

// fit reports whether a text can stand in a header field.
func fit(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return text != ""
}
