// Package use makes the guards of a route that follow what its callers did
// before: whether somebody agreed to a call (approval), what they have read
// (taint), and how much they used (limits on use).
package use

import (
	"context"
	"fmt"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/quota"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// Ledgers remember, for all routes.
type Ledgers struct {
	Taints *taint.Ledger
	Usage  *quota.Ledger
}

// Guards are those of one route, in which no guard is there that it does not
// need. A nil *Guards has none.
type Guards struct {
	approval *approval.Guard
	taint    *taint.Guard
	quota    *quota.Guard
	asks     bool // a call may have to wait for somebody's word
}

// New returns the guards of a route, nil if it asks for none.
func New(rc *config.Route, l Ledgers, approvals *approval.Service) (*Guards, error) {
	g := &Guards{asks: len(rc.Approval.Tools) > 0}
	if g.asks {
		var err error
		if g.approval, err = approval.NewGuard(approvals, rc.Name, rc.Approval.Tools, rc.Tools.MetaTools(), rc.Approval.Guard()); err != nil {
			return nil, fmt.Errorf("approval: %w", err)
		}
	}
	if c := rc.Taint.Guard(); !c.Empty() {
		g.asks = g.asks || c.Action == taint.Approve
		approver, err := approver(rc, approvals)
		if err != nil {
			return nil, fmt.Errorf("taint: %w", err)
		}
		if g.taint, err = taint.NewGuard(l.Taints, rc.Name, c, rc.Tools.MetaTools(), approver); err != nil {
			return nil, fmt.Errorf("taint: %w", err)
		}
	}
	if c := rc.Use.Guard(); !c.Empty() {
		var err error
		if g.quota, err = quota.NewGuard(l.Usage, rc.Name, c, rc.Tools.MetaTools()); err != nil {
			return nil, fmt.Errorf("use: %w", err)
		}
	}
	if *g == (Guards{}) {
		return nil, nil
	}
	return g, nil
}

// approver asks for the word of another person, by the times of the route's
// approvals. Tools that need it anyway are left to the guard behind: an approval
// is good for one guard.
func approver(rc *config.Route, s *approval.Service) (portcullis.Inspector, error) {
	if rc.Taint.Guard().Action != taint.Approve {
		return nil, nil
	}
	held, err := tool.NewSet(rc.Approval.Tools)
	if err != nil {
		return nil, err
	}
	meta, err := metatool.New(rc.Tools.MetaTools(), nil)
	if err != nil {
		return nil, err
	}
	g, err := approval.NewGuard(s, rc.Name, []string{"*"}, rc.Tools.MetaTools(), rc.Approval.Guard())
	if err != nil {
		return nil, err
	}
	return unheld{g, held, meta}, nil
}

type unheld struct {
	portcullis.Inspector
	held *tool.Set
	meta *metatool.Guard
}

func (u unheld) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if u.meta.Any(m, u.held.Has) {
		return m, nil
	}
	return u.Inspector.Inspect(ctx, who, m)
}

// Inspect returns the guards of calls in their order. What would be refused
// is not asked about, and what is refused does not count.
func (g *Guards) Inspect() []portcullis.Inspector {
	var out []portcullis.Inspector
	if g == nil {
		return nil
	}
	counts := g.quota != nil && g.quota.Counts()
	if counts && g.asks {
		out = append(out, g.quota.Preview())
	}
	if g.taint != nil {
		out = append(out, g.taint)
	}
	if g.approval != nil {
		out = append(out, g.approval)
	}
	if counts {
		out = append(out, g.quota)
	}
	return out
}

// Refuses adds to the statuses that the guards of calls refuse with.
func (g *Guards) Refuses(statuses string) string {
	if g == nil || g.quota == nil || !g.quota.Counts() {
		return statuses
	}
	return statuses + " 429"
}

// Review returns the guards of replies.
func (g *Guards) Review() []portcullis.Inspector {
	if g == nil || g.quota == nil || !g.quota.Sizes() {
		return nil
	}
	return []portcullis.Inspector{g.quota}
}

// Deliver is told what is sent to a caller before it is: n bytes that hold
// reply, in answer to call. reply is nil when a stream begins, and for what of
// one is no message. What it refuses must not be sent. It returns the name of
// the guard that refused.
func (g *Guards) Deliver(ctx context.Context, who portcullis.Principal, call, reply *portcullis.Message, n int) (string, error) {
	if g == nil {
		return "", nil
	}
	if g.quota != nil {
		if err := g.quota.Deliver(ctx, who, n); err != nil {
			return g.quota.Name(), err
		}
	}
	if g.taint != nil {
		if err := g.taint.Deliver(ctx, who, call, reply); err != nil {
			return g.taint.Name(), err
		}
	}
	return "", nil
}
