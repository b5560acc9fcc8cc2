package refusal

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
)

// Challenges is what a route tells callers who prove nothing, or too little.
type Challenges struct {
	Resource *challenge.Resource // for OAuth clients; nil where no tokens are taken
	Offers   []string            // further challenges of a 401
	Methods  []string            // names of the route's authenticators
}

// noCredentials tells who asks what credentials are wanted from who guesses.
var noCredentials = []slog.Attr{slog.Bool("no_credentials", true)}

// None refuses a caller without credentials.
func (c *Challenges) None() error {
	return c.Offer(&portcullis.Error{
		Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: c.wanted(),
		Event: portcullis.EventAuthFailure, Detail: "no credentials", Facts: noCredentials,
		Header: c.missing(),
	})
}

// Offer adds to a refusal of credentials what else the route takes.
func (c *Challenges) Offer(err error) error {
	for _, value := range c.Offers {
		err = challenge.Offer(err, value)
	}
	return err
}

// only reports whether a method is the only way in.
func (c *Challenges) only(method string) bool { return slices.Equal(c.Methods, []string{method}) }

func (c *Challenges) missing() http.Header {
	if c.only(mtls.Method) {
		return mtls.Challenge()
	}
	return c.Resource.Missing()
}

// wanted is the guide's text where an API key is the only way in (S4-8).
func (c *Challenges) wanted() string {
	switch {
	case c.only("api_key"):
		return "API key required"
	case c.only(mtls.Method):
		return mtls.Required
	}
	return "Authentication required"
}

// Forbidden is the same whether the thing exists or not. Scopes that would
// help are named so that a client can ask for all of them at once.
func (c *Challenges) Forbidden(d portcullis.Decision) *portcullis.Error {
	e := &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "forbidden", Public: "Insufficient permissions",
		Event: portcullis.EventAuthzDenied, Detail: d.Rule,
	}
	if len(d.Need) > 0 {
		e.Header = c.Resource.Insufficient(d.Need)
	}
	return e
}
