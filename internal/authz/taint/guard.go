package taint

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
)

// Guard holds the calls of one route to its rule and marks callers by what
// they are sent. It stands behind the guards that rewrite.
type Guard struct {
	ledger   *Ledger
	route    string
	cfg      Config
	sets     [3]*tool.Set         // by label, less one (Outbound: the last)
	all      Label                // marks that anything of this route can make
	meta     *metatool.Guard      // which tools call others, whose labels count too
	approver portcullis.Inspector // of what the rule forbids; nil = nobody
}

var _ portcullis.Inspector = (*Guard)(nil)

// NewGuard returns the guard of a route. meta says which tools call others;
// approver holds calls of tools until
// another person agrees to them; it is needed for the action Approve.
func NewGuard(l *Ledger, route string, cfg Config, meta []metatool.Tool, approver portcullis.Inspector) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Action == Approve && approver == nil {
		return nil, errors.New("taint: nobody can approve")
	}
	inside, err := metatool.New(meta, nil)
	if err != nil {
		return nil, err
	}
	g := &Guard{ledger: l, route: route, cfg: cfg, meta: inside, approver: approver}
	for i, list := range [...][]string{cfg.Confidential, cfg.Untrusted, cfg.Outbound} {
		set, err := tool.NewSet(list)
		if err != nil {
			return nil, err
		}
		g.sets[i] = set
	}
	for _, l := range [...]Label{Confidential, Untrusted} {
		if !g.sets[l-1].Empty() {
			g.all |= l
		}
	}
	return g, nil
}

// Name implements portcullis.Inspector.
func (*Guard) Name() string { return "taint" }

// Inspect implements portcullis.Inspector: it decides on calls that lead out.
func (g *Guard) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction != portcullis.ToServer || !g.meta.Any(m, g.sets[2].Has) {
		return m, nil
	}
	borne, err := g.ledger.Of(ctx, who.ID)
	if err != nil {
		return nil, unavailable(err)
	}
	forbidden := borne.Confidential.Label != 0
	if g.cfg.Rule == RuleTrifecta {
		forbidden = forbidden && borne.Untrusted.Label != 0
	}
	switch {
	case !forbidden:
		return m, nil
	case g.cfg.Action == Alert:
		m.Notes = append(m.Notes, portcullis.Note{Type: portcullis.EventContentFlagged, Severity: portcullis.SeverityWarn, Reason: reason, Details: g.facts(borne)})
		return m, nil
	case g.cfg.Action == Approve && (m.Target.Kind == portcullis.TargetTool || m.Target.Kind == portcullis.TargetSkill):
		return g.approver.Inspect(ctx, who, m)
	}
	return nil, &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: reason, Public: "Not after what was read before", Event: portcullis.EventAuthzDenied,
		Detail: "the caller bears marks, and the call leads out", Facts: g.facts(borne),
	}
}

const reason = "tainted"

// facts say which marks decided, and nothing of what was read.
func (g *Guard) facts(b Borne) []slog.Attr {
	labels, routes := []string{b.Confidential.Label.String()}, []string{b.Confidential.Route}
	if g.cfg.Rule == RuleTrifecta {
		labels, routes = append(labels, b.Untrusted.Label.String()), append(routes, b.Untrusted.Route)
	}
	return []slog.Attr{
		slog.String("rule", string(g.cfg.Rule)), slog.String("labels", strings.Join(labels, " ")),
		slog.String("label_routes", strings.Join(routes, " ")), slog.Time("until", b.Confidential.Until),
	}
}

// Deliver marks the caller by what it is about to be sent: reply in answer to
// call, or, when reply is nil, a stream of which nothing is known yet. What it
// refuses must not be sent. An error holds nothing that the thing keeps (the
// gateway writes it anew), but may hold a sentence that anybody chose.
func (g *Guard) Deliver(ctx context.Context, who portcullis.Principal, call, reply *portcullis.Message) error {
	labels := g.labels(call, reply)
	if reply != nil && reply.Shape == portcullis.ShapeError {
		labels &^= Confidential
	}
	if labels == 0 {
		return nil
	}
	if err := g.ledger.Mark(ctx, who.ID, g.route, labels, g.cfg.Window); err != nil {
		return unavailable(err)
	}
	return nil
}

// labels says what a reply does to its caller. A call names what it is about.
// What comes of a task, and what a server says on a stream that only listens
// (results that a caller lost and resumes for among it), is about something
// that nobody names here: that bears every label of the route.
func (g *Guard) labels(call, reply *portcullis.Message) Label {
	switch {
	case call.Target.Kind != portcullis.TargetNone:
		var out Label
		for _, l := range [...]Label{Confidential, Untrusted} {
			if g.meta.Any(call, g.sets[l-1].Has) {
				out |= l
			}
		}
		return out
	case call.TaskID != "":
		return g.all
	case reply != nil && (call.Shape == portcullis.ShapeStream || call.Method == "subscriptions/listen") && tells(reply):
		return g.all
	}
	return 0
}

// tells reports whether a message of a listening stream can carry what a thing
// returned. A change of a list or of a resource says only that it happened.
func tells(m *portcullis.Message) bool {
	return m.Shape != portcullis.ShapeNotification ||
		!strings.HasSuffix(m.Method, "/list_changed") && m.Method != "notifications/resources/updated"
}

// unavailable denies: a guard that cannot ask does not let anyone through.
func unavailable(err error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "asking for the marks of a caller", Err: err}
}
