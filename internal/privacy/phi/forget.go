package phi

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis"
)

// Forget ends the grant of a principal, for the caller to remove what the store
// keeps of it.
func (g *Glass) Forget(ctx context.Context, principal string, by portcullis.Actor) error {
	if _, err := g.Revoke(ctx, principal, by); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}
