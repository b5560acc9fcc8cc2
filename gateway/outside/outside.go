// Package outside is what stands between an upstream and a caller when something
// is sent outside of any call: the guards of the route that apply to answers.
package outside

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/gateway/use"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
)

// Guards are those of a route. Nil ones refuse everything.
type Guards struct {
	Route    string
	Contain  []portcullis.Container
	Inspects []portcullis.Inspector
	Privacy  *privacy.Guards
	Use      *use.Guards
}

// Welcome reports why nothing may be sent to a caller, nil if it may: the guards
// that hold callers back, asked without an address, and the consent that a
// running stream needs.
func (g *Guards) Welcome(ctx context.Context, who portcullis.Principal) error {
	if g == nil {
		return nowhere()
	}
	conn := portcullis.Conn{Route: g.Route}
	for _, guard := range g.Contain {
		if err := guard.CheckContained(ctx, &conn, who); err != nil {
			return err
		}
	}
	_, err := g.Privacy.Still(who, portcullis.Action{Route: g.Route})
	return err
}

// Review takes a message through the review of the route, as if it were an
// answer to call. It returns what may be sent, with the notes of all guards.
func (g *Guards) Review(ctx context.Context, who portcullis.Principal, call, m *portcullis.Message) (*portcullis.Message, error) {
	if g == nil {
		return nil, nowhere()
	}
	var err error
	for _, guard := range g.Inspects {
		if m, err = guard.Inspect(phi.Unasked(ctx), who, m); err != nil {
			return nil, err
		}
	}
	if _, err := g.Use.Deliver(ctx, who, call, m, len(m.Raw)); err != nil {
		return nil, err
	}
	return m, nil
}

func nowhere() error {
	return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "not_found", Detail: "no such route"}
}
