package ratelimit

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// Edge counts client addresses before anyone is known. It is a
// [portcullis.EdgeGuard].
type Edge struct{ set *Set }

// Caller counts authenticated callers, their use of tools, and the route. It
// is a [portcullis.CallerGuard].
type Caller struct{ set *Set }

var (
	_ portcullis.EdgeGuard   = (*Edge)(nil)
	_ portcullis.CallerGuard = (*Caller)(nil)
)

// Edge returns the guard for the rules per address, nil if there are none.
func (s *Set) Edge() *Edge {
	if len(s.edge.limits) == 0 {
		return nil
	}
	return &Edge{set: s}
}

// Caller returns the guard for all other rules, nil if there are none.
func (s *Set) Caller() *Caller {
	if len(s.rules) == len(s.edge.limits) {
		return nil
	}
	return &Caller{set: s}
}

// Name returns "rate_address".
func (*Edge) Name() string { return "rate_address" }

// CheckConn counts the client's address and refuses with
// [portcullis.KindRateLimited].
func (e *Edge) CheckConn(_ context.Context, c *portcullis.Conn) error {
	return e.set.countAddress(c)
}

// Name returns "rate_caller".
func (*Caller) Name() string { return "rate_caller" }

// CheckCaller counts the caller and refuses with [portcullis.KindRateLimited].
func (g *Caller) CheckCaller(_ context.Context, c *portcullis.Conn, p portcullis.Principal, a portcullis.Action) error {
	s := g.set
	pl := s.plan(a.Target)
	var tool uint64
	if pl != &s.calls {
		tool = s.hashString(a.Target.Name)
	}
	return s.count(pl, s.caller(c, p), tool, c)
}
