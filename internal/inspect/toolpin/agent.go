package toolpin

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis"
)

// Agent returns the guard of a route to an agent: what is pinned there is the
// agent's card, as entries that [Guard.Learn] is shown. The skills of agents
// have names of their own: those of other routes are not compared with them,
// nor they with the tools of other routes.
func (b *Book) Agent(route string, cfg Config) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.OtherRoutes = false
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Guard{book: b, track: b.track(route), cfg: cfg}, nil
}

// Learn learns from a whole list of entries. It returns which of them may be
// shown and used, and what there is to record of it. With an error, none may.
func (g *Guard) Learn(ctx context.Context, list []Listed) (pass []bool, notes []portcullis.Note, err error) {
	l := &lesson{book: g.book, track: g.track, cfg: g.cfg}
	l.read(list)
	if err := l.learn(ctx); err != nil {
		return nil, nil, fmt.Errorf("pinning: %w", err)
	}
	for _, e := range l.entries {
		pass = append(pass, e.pass)
	}
	return pass, appendNotes(nil, l.changes), nil
}

// Approved returns the approved version of an entry in its one form, or
// ErrNotFound if there is none.
func (g *Guard) Approved(ctx context.Context, name string) ([]byte, error) {
	p := g.track.view.Load().pins[name]
	if p == nil || p.Approved.IsZero() || p.State == Quarantined {
		return nil, ErrNotFound
	}
	text, err := g.book.store.PinnedText(ctx, g.track.name, name, p.Approved)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("reading the approved version: %w", err)
	}
	return text, err
}

// Holds reports whether an entry is known and held.
func (g *Guard) Holds(name string) bool {
	p := g.track.view.Load().pins[name]
	return p != nil && !passes(g.cfg.Policy, p.State)
}

// Flaws says what is wrong with the texts of an entry that is not pinned. Under
// a policy that holds nothing, nothing is.
func (g *Guard) Flaws(raw []byte) ([]Reason, error) {
	if g.cfg.Policy != Block {
		return nil, nil
	}
	scan, err := g.book.scan()
	if err != nil {
		return nil, err
	}
	text, err := Canonical(raw)
	if err != nil {
		return []Reason{Unreadable}, nil //nolint:nilerr // it is why
	}
	return normal((&lesson{scan: scan}).flaws(&listed{text: text})), nil
}

// Revision changes with each change of what is known of the route.
func (g *Guard) Revision() int64 {
	var sum int64
	for _, e := range g.track.view.Load().pins {
		sum += e.Revision
	}
	return sum
}

// Skills returns the guard as it decides on calls that name a skill. One that is
// in no card is not held, unlike a tool that is in no list: extended cards, which
// differ between callers, name more. none is what calls are for that name no
// skill: those are let through.
func (g *Guard) Skills(none string) portcullis.Authorizer { return skills{g, none} }

type skills struct {
	guard *Guard
	none  string
}

func (skills) Name() string { return "skill_pins" }

func (s skills) Authorize(ctx context.Context, who portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if a.Target.Kind != portcullis.TargetSkill || a.Target.Name == s.none {
		return portcullis.Decision{Effect: portcullis.Allow, Rule: "skill pins"}, nil
	}
	a.Target.Kind, a.Listing = portcullis.TargetTool, true
	return s.guard.Authorize(ctx, who, a)
}
