package post

import (
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/portcullis-dev/portcullis/internal/audit/sink"
)

// Auth says how a sink proves who it is.
type Auth struct {
	Header   string      // "Authorization" when empty
	Scheme   string      // in front of the secret: "Bearer"; empty = nothing
	Username string      // makes it HTTP Basic
	Secret   sink.Secret // nil = no credential
}

// Apply sets the header and returns the secret, for what must not repeat it.
func (a Auth) Apply(h http.Header) (secret string, err error) {
	if a.Secret == nil {
		return "", nil
	}
	secret, err = a.Secret()
	if err != nil {
		return "", &sink.Error{Fault: sink.Misconfigured, Err: fmt.Errorf("reading the token: %w", err)}
	}
	name := a.Header
	if name == "" {
		name = "Authorization"
	}
	switch {
	case a.Username != "":
		h.Set(name, "Basic "+base64.StdEncoding.EncodeToString([]byte(a.Username+":"+secret)))
	case a.Scheme != "":
		h.Set(name, a.Scheme+" "+secret)
	default:
		h.Set(name, secret)
	}
	return secret, nil
}
