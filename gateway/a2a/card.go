package a2a

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/agentcard"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// Pins returns the guard of the skills and the card of a route.
func Pins(ctx context.Context, book *toolpin.Book, recorder portcullis.Recorder, rc *config.Route) (*toolpin.Guard, error) {
	var err error
	if book == nil {
		if book, err = toolpin.NewBook(ctx, nil, recorder, nil); err != nil {
			return nil, fmt.Errorf("pins: %w", err)
		}
	}
	g, err := book.Agent(rc.Name, rc.Pins)
	if err != nil {
		return nil, fmt.Errorf("pins: %w", err)
	}
	return g, nil
}

// Keeper returns what keeps the card of a route, nil where no agent can be
// asked for one. before is that of the table before, or nil.
func (d Deps) Keeper(cfg *config.Config, rc *config.Route, listen string, pins *toolpin.Guard, before *agentcard.Keeper) (*agentcard.Keeper, error) {
	if d.Transport == nil {
		return nil, nil
	}
	transport := d.Transport(rc.Name)
	if transport == nil {
		return nil, nil
	}
	names := map[string]string{"jsonrpc": a2a.JSONRPC.String(), "http+json": a2a.HTTPJSON.String()}
	var bindings []string
	for _, b := range rc.A2A.Bindings {
		if name := names[b]; name != "" {
			bindings = append(bindings, name)
		}
	}
	face := agentcard.FaceOf(cfg, rc, listen, bindings, rc.A2A.Versions)
	face.Asked, face.GRPC = rc.A2A.GRPC.Agent, rpcAddress(rc, cfg.Server.PublicBase(listen))
	face.Push = len(rc.A2A.Push.Hosts) > 0 && !rc.A2A.Push.Off()
	o := agentcard.Options{
		Route: rc.Name, Upstream: rc.Upstream, Transport: transport, Config: rc.A2A.Card, Face: face, Pins: pins,
		Recorder: d.Recorder, Log: d.Log, Before: before,
	}
	if d.Ring != nil {
		o.Sign = agentcard.Signer(d.Ring, cfg.ResourceURL(rc, listen), rc.Path)
	}
	return agentcard.New(o)
}

// rpcAddress returns host and port where callers of gRPC find a route of the
// gateway at base, "" if it takes no such calls.
func rpcAddress(rc *config.Route, base string) string {
	u, err := url.Parse(base)
	if err != nil || !rc.A2A.OffersGRPC() {
		return ""
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if len(rc.A2A.GRPC.Hosts) > 0 {
		host = rc.A2A.GRPC.Hosts[0]
	}
	return net.JoinHostPort(host, port)
}

// Extended is the guard "extended_card": the card that an agent shows to a
// caller who is known is rewritten like its public one, and holds the skills
// that the caller may use.
type Extended struct {
	Route  string
	Keeper *agentcard.Keeper // nil = there is no such card
	Authz  []portcullis.Authorizer
}

var _ portcullis.Inspector = (*Extended)(nil)

// Name returns "extended_card".
func (*Extended) Name() string { return "extended_card" }

// Inspect implements [portcullis.Inspector].
func (x *Extended) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Method != a2a.GetExtendedAgentCard || m.Shape != portcullis.ShapeResult {
		return m, nil
	}
	return x.rewrite(ctx, who, m)
}

func (x *Extended) rewrite(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if x.Keeper == nil {
		return nil, &portcullis.Error{Kind: portcullis.KindMalformed, Code: a2a.CodeExtendedCardNotConfigured, Reason: "unsupported", Detail: "no card is kept of the agent"}
	}
	raw, err := x.Keeper.Extended(m.Params, m.Version, func(skill string) bool {
		d, _, err := access.Decide(ctx, x.Authz, who, portcullis.Action{
			Route: x.Route, Method: a2a.SendMessage, Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: skill}, Listing: true,
		})
		return err == nil && d.Allowed()
	})
	if err != nil {
		return nil, err
	}
	if a2a.BindingOf(m) == a2a.HTTPJSON {
		m.Raw = raw
	} else {
		m.Raw = append(append(append(append([]byte(`{"jsonrpc":"2.0","id":`), m.ID...), `,"result":`...), raw...), '}')
	}
	restore(m)
	return m, nil
}
