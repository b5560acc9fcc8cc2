package scope

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// Metrics lets its holder read /metrics of the admin API and nothing else.
const Metrics = "metrics"

// Admin is the guard of the admin API: it demands [Manage] for everything, and
// of scrapers only [Metrics] for /metrics. The zero value is ready.
type Admin struct{}

var _ portcullis.Authorizer = Admin{}

// Name returns "manage".
func (Admin) Name() string { return "manage" }

// Authorize implements [portcullis.Authorizer] for actions whose method is an
// HTTP method and a path.
func (Admin) Authorize(_ context.Context, who portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if Match(who.Scopes, Manage) {
		return portcullis.Decision{Effect: portcullis.Allow, Rule: Manage}, nil
	}
	if a.Method == "GET /metrics" && Match(who.Scopes, Metrics) {
		return portcullis.Decision{Effect: portcullis.Allow, Rule: Metrics}, nil
	}
	return portcullis.Decision{Rule: "admin API needs manage", Need: []string{Manage}}, nil
}
