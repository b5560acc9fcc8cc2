// Package privacy makes the guards of a route for personal data: whether its
// callers agreed to what it is used for, and who reads protected health
// information.
package privacy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
)

// Deps is what the guards of all routes share.
type Deps struct {
	Consents *consent.Book
	Glass    *phi.Glass
	Names    []byte // key of what stands for the names of marked resources in records
}

// Guards are those of one route, in which no guard is there that it does not
// need. A nil *Guards has none.
type Guards struct {
	consent *consent.Guard
	phi     *phi.Guard
	marked  *tool.Set // resources whose names are protected, too
	names   []byte
}

// MessageGuard is a guard of callers that reads the whole message.
type MessageGuard interface {
	CheckMessage(ctx context.Context, c *portcullis.Conn, who portcullis.Principal, m *portcullis.Message, a portcullis.Action) error
}

// New returns the guards of a route, nil if it asks for none.
func New(cfg *config.Config, rc *config.Route, d Deps) (*Guards, error) {
	meta, err := metatool.New(rc.Tools.MetaTools(), nil)
	if err != nil {
		return nil, err
	}
	g := &Guards{names: d.Names}
	if err := g.agreed(rc, d.Consents, meta); err != nil {
		return nil, fmt.Errorf("consent: %w", err)
	}
	if err := g.protected(cfg, rc, d.Glass, meta); err != nil {
		return nil, fmt.Errorf("phi: %w", err)
	}
	if g.consent == nil && g.phi == nil {
		return nil, nil
	}
	return g, nil
}

// agreed makes the guard of consents.
func (g *Guards) agreed(rc *config.Route, book *consent.Book, meta *metatool.Guard) error {
	type rule struct {
		set     *tool.Set
		purpose string
	}
	var rules []rule
	var always, all []string
	if rc.Consent != "" {
		always = []string{rc.Consent}
	}
	all = always
	for _, pattern := range sortedKeys(rc.Tools.Consent) {
		set, err := tool.NewSet([]string{pattern})
		if err != nil {
			return err
		}
		purpose := rc.Tools.Consent[pattern]
		rules = append(rules, rule{set, purpose})
		if !slices.Contains(all, purpose) {
			all = append(slices.Clip(all), purpose)
		}
	}
	if len(all) == 0 {
		return nil
	}
	g.consent = consent.NewGuard(book, func(a portcullis.Action) []string {
		if len(rules) == 0 || a.Target.Kind != portcullis.TargetTool {
			return always
		}
		out := always
		for _, r := range rules {
			if !slices.Contains(out, r.purpose) && about(meta, a, r.set.Has) {
				out = append(slices.Clip(out), r.purpose)
			}
		}
		return out
	}, all)
	return nil
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// about reports whether has is true of what an action names, or of a tool
// inside that.
func about(meta *metatool.Guard, a portcullis.Action, has func(portcullis.Target) bool) bool {
	return meta.Any(&portcullis.Message{Target: a.Target, Arguments: a.Arguments}, has)
}

// protected makes the guard of protected health information.
func (g *Guards) protected(cfg *config.Config, rc *config.Route, glass *phi.Glass, meta *metatool.Guard) error {
	var marks []phi.Mark
	var names []string
	if len(rc.Tools.PHI) > 0 {
		set, err := tool.NewSet(rc.Tools.PHI)
		if err != nil {
			return err
		}
		names = append(names, rc.Tools.PHI...)
		marks = append(marks, phi.Mark{Means: func(a portcullis.Action) bool { return about(meta, a, set.Has) }})
	}
	for i, p := range rc.PHI {
		m := phi.Mark{Roles: p.Roles}
		for _, text := range p.Fields {
			f, err := phi.ParseField(text)
			if err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
			m.Fields = append(m.Fields, f)
		}
		set, err := tool.NewSet(p.Tools)
		if err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
		m.Means = func(a portcullis.Action) bool { return about(meta, a, set.Has) }
		if set.Empty() {
			whole := len(p.Fields) == 0
			m.Means = func(a portcullis.Action) bool {
				return whole || a.Target.Kind != portcullis.TargetNone || rc.SpeaksA2A()
			}
			names = append(names, "*")
		}
		names = append(names, p.Tools...)
		marks = append(marks, m)
	}
	if len(marks) == 0 {
		return nil
	}
	var err error
	if g.marked, err = tool.NewSet(names); err != nil {
		return err
	}
	g.phi, err = phi.NewGuard(cfg.Privacy.PHI.Guard(), glass, marks)
	return err
}

// Admit returns the guards of callers in their order: who may not read it
// anyway is not asked to agree.
func (g *Guards) Admit() []portcullis.CallerGuard {
	var out []portcullis.CallerGuard
	if g != nil && g.phi != nil {
		out = append(out, g.phi)
	}
	if g != nil && g.consent != nil {
		out = append(out, g.consent)
	}
	return out
}

// Authz returns the guards that say what lists show.
func (g *Guards) Authz() []portcullis.Authorizer {
	if g == nil || g.phi == nil {
		return nil
	}
	return []portcullis.Authorizer{g.phi}
}

// Review returns the guards of replies.
func (g *Guards) Review() []portcullis.Inspector {
	var out []portcullis.Inspector
	if g != nil && g.consent != nil {
		out = append(out, g.consent)
	}
	if g != nil && g.phi != nil {
		out = append(out, g.phi)
	}
	return out
}

// Check asks one guard of callers, with the whole message if it reads that.
func Check(ctx context.Context, g portcullis.CallerGuard, c *portcullis.Conn, who portcullis.Principal, m *portcullis.Message, a portcullis.Action) error {
	if reads, ok := g.(MessageGuard); ok {
		return reads.CheckMessage(ctx, c, who, m, a)
	}
	return g.CheckCaller(ctx, c, who, a)
}

// Refuses adds to the statuses that the guards of callers refuse with.
func (g *Guards) Refuses(statuses string) string {
	if g == nil {
		return statuses
	}
	return "403 " + statuses
}

// Still refuses to go on with a stream whose caller took a consent back or may
// not read it any more, and names the guard.
func (g *Guards) Still(who portcullis.Principal, a portcullis.Action) (string, error) {
	if g == nil {
		return "", nil
	}
	if g.phi != nil {
		if err := g.phi.Still(who, a); err != nil {
			return g.phi.Name(), err
		}
	}
	if g.consent == nil {
		return "", nil
	}
	return g.consent.Name(), g.consent.Still(who, a)
}

// Watch returns what watches over a stream of a caller; nil if nothing does.
func (g *Guards) Watch(who portcullis.Principal, a portcullis.Action) func(end func()) (stop func()) {
	if g == nil || g.consent == nil {
		return nil
	}
	return func(end func()) func() { return g.consent.Watch(who, a, end) }
}

// About tells those who review a stream which call it belongs to.
func (g *Guards) About(ctx context.Context, a portcullis.Action) context.Context {
	if g == nil || g.phi == nil {
		return ctx
	}
	return phi.About(ctx, a)
}

// Parts reports whether a refusal is one that ends a running stream politely:
// with an answer that says why.
func Parts(reason string) bool { return reason == consent.Reason }

// Named is what records call a target. The name of a marked resource may itself
// say whom it is about: a keyed hash stands for it, the same for the same one.
func (g *Guards) Named(t portcullis.Target) string {
	if g == nil || t.Kind != portcullis.TargetResource || g.marked == nil || !g.marked.Has(t) {
		return t.String()
	}
	mac := hmac.New(sha256.New, g.names)
	mac.Write([]byte(t.Name))
	return t.Kind.String() + ":[phi:" + hex.EncodeToString(mac.Sum(nil)[:16]) + "]"
}
