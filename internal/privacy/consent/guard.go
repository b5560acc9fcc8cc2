package consent

import (
	"context"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Reason is what callers read who did not agree.
const Reason = "consent_required"

// Needs says which purposes an action serves. Of an action that names nothing
// it says which the route serves as a whole.
type Needs func(portcullis.Action) []string

// Guard holds the callers of one route to what they agreed to.
type Guard struct {
	book  *Book
	needs Needs
	all   []string // every purpose of the route
}

var (
	_ portcullis.CallerGuard = (*Guard)(nil)
	_ portcullis.Inspector   = (*Guard)(nil)
)

// NewGuard returns the guard of a route. all are the purposes that anything on
// the route serves.
func NewGuard(b *Book, needs Needs, all []string) *Guard {
	return &Guard{book: b, needs: needs, all: all}
}

// Name returns "consent".
func (*Guard) Name() string { return "consent" }

// closing is what a caller may always do: end a session.
const closing = "session/close"

// CheckCaller implements [portcullis.CallerGuard].
func (g *Guard) CheckCaller(_ context.Context, _ *portcullis.Conn, who portcullis.Principal, a portcullis.Action) error {
	if a.Method == closing {
		return nil
	}
	return g.check(who, g.Purposes(a))
}

// Purposes returns those whose consents an action needs. What comes of a task
// is about something that nobody names: that needs all of the route.
func (g *Guard) Purposes(a portcullis.Action) []string {
	switch a.Method {
	case "tasks/get", "tasks/result", "tasks/update":
		return g.all
	}
	return g.needs(a)
}

// Inspect implements [portcullis.Inspector]: an answer that comes when its
// consent is gone is not delivered, and one to a question that is not known
// needs every consent of the route.
func (g *Guard) Inspect(_ context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction != portcullis.ToClient || m.Shape != portcullis.ShapeResult {
		return m, nil
	}
	purposes := g.all
	if m.Method != "" {
		purposes = g.Purposes(portcullis.Action{Method: m.Method, Target: m.Target, Arguments: mcp.ArgumentsOf(m.Request)})
	}
	if err := g.check(who, purposes); err != nil {
		return nil, err
	}
	return m, nil
}

// Still refuses to go on with a stream whose consents are gone.
func (g *Guard) Still(who portcullis.Principal, a portcullis.Action) error {
	return g.check(who, g.Purposes(a))
}

// Watch ends a stream when its consents are gone; see [Book.Watch].
func (g *Guard) Watch(who portcullis.Principal, a portcullis.Action, end func()) (stop func()) {
	purposes := g.Purposes(a)
	if len(purposes) == 0 {
		return func() {}
	}
	return g.book.Watch(who.ID, purposes, end)
}

func (g *Guard) check(who portcullis.Principal, purposes []string) error {
	for _, name := range purposes {
		if state, p := g.book.Check(who.ID, name); state != Given {
			return refusal(state, p)
		}
	}
	return nil
}

// refusal tells a program what to ask its user for.
func refusal(s State, p Purpose) *portcullis.Error {
	data := map[string]any{"purpose": p.Name, "policyVersion": p.Version, "consent": string(s)}
	if p.URL != "" {
		data["policyUrl"] = p.URL
	}
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: Reason, Public: "User has not consented to " + p.Name,
		Event: portcullis.EventAuthzDenied, Detail: "consent " + string(s), Data: data,
		Facts: []slog.Attr{slog.String("purpose", p.Name), slog.String("policy_version", p.Version)},
	}
}
