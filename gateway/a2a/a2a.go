package a2a

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// Deps is what the guards need beside the configuration.
type Deps struct {
	Owners    *ownership.Ledger // nil = each route keeps its own, in memory
	Ring      *signing.Ring     // signs cards; nil = they are not signed
	Recorder  portcullis.Recorder
	Log       *slog.Logger
	Transport func(route string) http.RoundTripper // asks the agent behind a route for its card; nil = no cards
	Room      *protobuf.Room                       // where messages of gRPC are rewritten; nil = there is no end to it
	Push      *push.Book                           // what callers registered for notifications; nil = nothing can be
	// Resolve returns the addresses of a host; nil asks the system.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Guards are what a route to an agent has beside what all routes have.
type Guards struct {
	Decode  portcullis.Decoder
	Inspect []portcullis.Inspector
	Review  []portcullis.Inspector
}

// New returns the guards of a route.
func New(rc *config.Route, d Deps, limits, replyLimits jsonrpc.Limits) Guards {
	if d.Owners == nil {
		d.Owners = ownership.NewLedger(ownership.Forgetful{}, 0, nil)
	}
	if d.Resolve == nil {
		d.Resolve = system
	}
	owner := &Owner{Route: rc.Name, Ledger: d.Owners, Limits: replyLimits, Claims: rc.A2A.CallerContexts}
	targets := NewPush(rc, d.Resolve)
	files := &Files{mode: rc.A2A.FileURIs, hosts: rc.A2A.FileHosts, resolve: d.Resolve}
	return Guards{
		Decode:  NewDecoder(rc, limits, d.Room),
		Inspect: []portcullis.Inspector{owner, targets, files},
		Review:  []portcullis.Inspector{owner, files},
	}
}

// system asks the resolver of the system.
func system(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// MediaTypes are those of bodies, besides application/json.
func MediaTypes() []string { return []string{"application/a2a+json"} }
