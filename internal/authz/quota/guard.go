package quota

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// Guard holds the callers of one route to its limits. It counts a call when it
// stands behind all other guards, so what they refuse costs nothing.
type Guard struct {
	ledger  *Ledger
	route   string
	limits  Limits
	meta    *metatool.Guard // which tools call others, whose costs count too
	costs   []rule          // of a call, the most exact pattern first
	results []rule          // bytes of a result
}

// rule is a number for the tools that a pattern means.
type rule struct {
	pattern string
	set     *tool.Set
	n       int64
}

var _ portcullis.Inspector = (*Guard)(nil)

// NewGuard returns the guard of a route. meta says which tools call others.
func NewGuard(l *Ledger, route string, cfg Config, meta []metatool.Tool) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Guard{ledger: l, route: route, limits: cfg.Limits()}
	costs := map[string]int64{}
	for pattern, cost := range cfg.Costs {
		costs[pattern] = millionths(cost)
	}
	var err error
	if g.meta, err = metatool.New(meta, nil); err != nil {
		return nil, err
	}
	if g.costs, err = rules(costs); err != nil {
		return nil, err
	}
	g.results, err = rules(cfg.ResultBytes)
	return g, err
}

// rules orders patterns: whole names first, then the longest pattern.
func rules(of map[string]int64) ([]rule, error) {
	var out []rule
	for pattern, n := range of {
		set, err := tool.NewSet([]string{pattern})
		if err != nil {
			return nil, err
		}
		out = append(out, rule{pattern, set, n})
	}
	slices.SortFunc(out, func(a, b rule) int {
		return cmp.Or(cmp.Compare(stars(a.pattern), stars(b.pattern)), cmp.Compare(len(b.pattern), len(a.pattern)), cmp.Compare(a.pattern, b.pattern))
	})
	return out, nil
}

// stars is 0 for a whole name and 1 for a pattern.
func stars(pattern string) int {
	if slices.Contains([]byte(pattern), '*') {
		return 1
	}
	return 0
}

// first returns the number of the first rule that means a tool.
func first(rules []rule, t portcullis.Target) (int64, bool) {
	for i := range rules {
		if rules[i].set.Has(t) {
			return rules[i].n, true
		}
	}
	return 0, false
}

// cost is what a call costs: of a tool that calls another, the dearer one; of a
// message that may use any skill, the dearest.
func (g *Guard) cost(m *portcullis.Message) (cost int64) {
	if m.Target.AnySkill() {
		for _, r := range g.costs {
			cost = max(cost, r.n)
		}
		return cost
	}
	g.meta.Any(m, func(t portcullis.Target) bool {
		n, _ := first(g.costs, t)
		cost = max(cost, n)
		return false
	})
	return cost
}

// Name implements portcullis.Inspector.
func (*Guard) Name() string { return "use_limits" }

// Inspect implements portcullis.Inspector. To the server it admits and counts
// calls of tools and messages to agents, and refuses callers that have had their bytes; from the
// server it holds back results that are larger than their tool may give.
func (g *Guard) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction == portcullis.ToClient {
		return m, g.size(m)
	}
	if err := g.admit(ctx, who, m, false); err != nil {
		return nil, err
	}
	return m, nil
}

// Counts reports whether there is a limit on use, so that calls need the guard.
func (g *Guard) Counts() bool { return g.limits != (Limits{}) }

// Sizes reports whether there is a limit on results, so that replies need the
// guard.
func (g *Guard) Sizes() bool { return len(g.results) > 0 }

func (g *Guard) size(m *portcullis.Message) error {
	if m.Shape != portcullis.ShapeResult || m.Target.Kind != portcullis.TargetTool && m.Target.Kind != portcullis.TargetSkill {
		return nil
	}
	limit, ok := first(g.results, m.Target)
	if m.Target.AnySkill() {
		for _, r := range g.results {
			limit = min(limit, r.n)
		}
	}
	if !ok || int64(len(m.Raw)) <= limit {
		return nil
	}
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "result_too_large", Public: "The result is larger than this tool may give",
		Event: portcullis.EventContentBlocked, Detail: "a result over result_bytes",
		Facts: []slog.Attr{slog.Int64("limit", limit), slog.Int("bytes", len(m.Raw))},
	}
}

func (g *Guard) admit(ctx context.Context, who portcullis.Principal, m *portcullis.Message, dry bool) error {
	if m.Shape == portcullis.ShapeClose { // it uses nothing, and frees something
		return nil
	}
	k, lim, cost := g.key(who), g.limits, int64(0)
	switch {
	case m.Method == "tools/call":
		if m.Session != "" && lim.Calls > 0 {
			sum := sha256.Sum256([]byte(m.Session))
			k.Session = hex.EncodeToString(sum[:16])
		}
		if lim.Budget > 0 {
			cost = g.cost(m)
		}
	case a2a.Sends(m.Method): // contexts are no sessions: callers begin as many as they like
		if lim.Budget > 0 {
			cost = g.cost(m)
		}
	default:
		lim.Calls, lim.Budget, dry = 0, 0, true // only the bytes
	}
	if lim == (Limits{}) {
		return nil
	}
	return g.refuse(g.ledger.Admit(ctx, k, lim, cost, dry))
}

func (g *Guard) key(who portcullis.Principal) Key { return Key{Route: g.route, Principal: who.ID} }

// Deliver counts n bytes that are about to be sent. What it refuses must not be
// sent.
func (g *Guard) Deliver(ctx context.Context, who portcullis.Principal, n int) error {
	if g.limits.Bytes == 0 || n == 0 {
		return nil
	}
	return g.refuse(g.ledger.Deliver(ctx, g.key(who), g.limits.Bytes, int64(n)))
}

func (g *Guard) refuse(err error) error {
	var over *Exceeded
	switch {
	case err == nil:
		return nil
	case errors.As(err, &over):
		return &portcullis.Error{
			Kind: portcullis.KindRateLimited, Reason: "quota_exceeded", Public: "The limit on use is reached",
			RetryAfter: max(time.Second, over.Until.Sub(g.ledger.now())), Event: portcullis.EventRateLimitExceeded,
			Detail: over.Error(), Facts: []slog.Attr{slog.String("limit", over.Limit)},
		}
	}
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "counting what a caller uses", Err: err}
}

// Preview is the guard without its counting. It stands where a call may have to
// wait for somebody's word, so that nobody is asked about a call that would be
// refused.
type Preview struct{ guard *Guard }

var _ portcullis.Inspector = Preview{}

// Preview returns the guard that only looks.
func (g *Guard) Preview() Preview { return Preview{g} }

// Name implements portcullis.Inspector.
func (Preview) Name() string { return "use_left" }

// Inspect implements portcullis.Inspector.
func (p Preview) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction == portcullis.ToClient {
		return m, nil
	}
	if err := p.guard.admit(ctx, who, m, true); err != nil {
		return nil, err
	}
	return m, nil
}
