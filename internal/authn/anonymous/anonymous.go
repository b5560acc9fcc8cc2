// Package anonymous lets anyone be someone, on routes whose configuration says
// so in a loud voice (auth = ["none"] with insecure_no_auth = true).
package anonymous

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
)

// Method is how such callers proved who they are: not at all.
const Method = "none"

// Authenticator names callers after their address. The zero value is ready.
type Authenticator struct{}

var _ portcullis.Authenticator = Authenticator{}

// Name returns "insecure_none".
func (Authenticator) Name() string { return "insecure_none" }

// Authenticate accepts everyone who has an address, with every scope of a
// caller and none of an administrator.
func (Authenticator) Authenticate(_ context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	if !c.Client.IsValid() {
		return portcullis.Principal{}, errors.New("anonymous caller without an address")
	}
	return portcullis.Principal{
		ID: "anonymous:" + c.Client.String(), Method: Method, Scopes: []string{"tools:*", "prompts:*", "resources:*"},
	}, nil
}
