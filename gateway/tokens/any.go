package tokens

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
)

// Any takes what one of the guards takes. The refusal is that of the last.
func Any(guards []portcullis.Authenticator) portcullis.Authenticator { return anyOf(guards) }

type anyOf []portcullis.Authenticator

// Name implements [portcullis.Authenticator].
func (anyOf) Name() string { return "token" }

// Authenticate implements [portcullis.Authenticator].
func (g anyOf) Authenticate(ctx context.Context, c *portcullis.Conn) (who portcullis.Principal, err error) {
	for _, a := range g {
		if who, err = a.Authenticate(ctx, c); err == nil || errors.Is(err, portcullis.ErrNoCredentials) {
			return who, err
		}
	}
	return portcullis.Principal{}, err
}
