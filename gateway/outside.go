package gateway

import "github.com/portcullis-dev/portcullis/gateway/outside"

// Outside returns the guards for what is sent to callers of a route outside of
// calls; nil, which refuses everything, if there is no such route.
func (g *Gateway) Outside(route string) *outside.Guards {
	if t := g.table.Load(); t != nil {
		for _, rt := range t.order {
			if p := rt.pipe; rt.name == route {
				return &outside.Guards{Route: route, Contain: p.contain, Inspects: p.review, Privacy: p.privacy, Use: p.use}
			}
		}
	}
	return nil
}
