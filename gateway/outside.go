package gateway

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// Welcome reports why nothing may be sent to a caller outside of a call, nil if
// it may: the guards that hold callers back, asked without an address.
func (g *Gateway) Welcome(ctx context.Context, name string, who portcullis.Principal) error {
	rt := g.named(name)
	if rt == nil {
		return nowhere(name)
	}
	conn := portcullis.Conn{Route: name}
	for _, guard := range rt.pipe.contain {
		if err := guard.CheckContained(ctx, &conn, who); err != nil {
			return err
		}
	}
	return nil
}

// Review takes what an upstream sends to a caller outside of a call through the
// review of its route, as if it were an answer to call. It returns what may be
// sent, with the notes of all guards.
func (g *Gateway) Review(ctx context.Context, name string, who portcullis.Principal, call, m *portcullis.Message) (*portcullis.Message, error) {
	rt := g.named(name)
	if rt == nil {
		return nil, nowhere(name)
	}
	var err error
	for _, guard := range rt.pipe.review {
		if m, err = guard.Inspect(ctx, who, m); err != nil {
			return nil, err
		}
	}
	if _, err := rt.pipe.use.Deliver(ctx, who, call, m, len(m.Raw)); err != nil {
		return nil, err
	}
	return m, nil
}

// named returns a route of the table in force.
func (g *Gateway) named(name string) *route {
	t := g.table.Load()
	if t == nil {
		return nil
	}
	for _, rt := range t.order {
		if rt.name == name {
			return rt
		}
	}
	return nil
}

func nowhere(name string) error {
	return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "not_found", Detail: "no route " + name}
}
