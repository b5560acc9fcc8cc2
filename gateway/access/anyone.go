package access

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// AnyCaller allows whoever is known: what they get is decided behind it.
type AnyCaller struct{}

// Name returns "any_caller".
func (AnyCaller) Name() string { return "any_caller" }

// Authorize implements [portcullis.Authorizer].
func (AnyCaller) Authorize(_ context.Context, who portcullis.Principal, _ portcullis.Action) (portcullis.Decision, error) {
	if who.IsZero() {
		return portcullis.Decision{}, nil
	}
	return portcullis.Decision{Effect: portcullis.Allow, Rule: "authenticated"}, nil
}
