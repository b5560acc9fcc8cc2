package toolpin

import (
	"context"
	"log/slog"
	"strings"
	"unicode"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Guard holds one route to its pins.
type Guard struct {
	book  *Book
	track *track
	cfg   Config
}

var (
	_ portcullis.Inspector  = (*Guard)(nil)
	_ portcullis.Authorizer = (*Guard)(nil)
)

// Guard returns the guard of a route.
func (b *Book) Guard(route string, cfg Config) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.track(route)
	t.guarded = true
	return &Guard{book: b, track: t, cfg: cfg}, nil
}

// Name implements portcullis.Inspector and portcullis.Authorizer.
func (*Guard) Name() string { return "tool_pins" }

// Authorize implements portcullis.Authorizer: one look at what is known now.
func (g *Guard) Authorize(_ context.Context, _ portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	allow := portcullis.Decision{Effect: portcullis.Allow, Rule: "tool pins"}
	if a.Target.Kind != portcullis.TargetTool {
		return allow, nil
	}
	v := g.track.view.Load()
	p := v.pins[a.Target.Name]
	switch {
	case p == nil && a.Listing: // learned before lists are filtered; what could not be learned was cut
		return allow, nil
	case p == nil:
		if g.cfg.Policy == Block && (g.cfg.Unseen == "hold" || !v.route.Opened.IsZero()) {
			return portcullis.Decision{}, refused(portcullis.EventAuthzDenied, "the tool was in no list of the server yet")
		}
		return allow, nil
	case passes(g.cfg.Policy, p.State):
		return allow, nil
	case p.State == Quarantined:
		return portcullis.Decision{}, refused(portcullis.EventAuthzDenied, "an operator holds the tool")
	}
	return portcullis.Decision{}, refused(portcullis.EventToolChanged, "the tool is held: "+JoinReasons(p.Why))
}

// Inner returns the guard as it decides on tools inside tools: those need not
// stand in a list, but what is held there is held here.
func (g *Guard) Inner() portcullis.Authorizer { return inner{g} }

type inner struct{ guard *Guard }

func (i inner) Name() string { return i.guard.Name() }

func (i inner) Authorize(ctx context.Context, who portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	a.Listing = true // what was in no list is not held
	return i.guard.Authorize(ctx, who, a)
}

// refused is what a caller reads of a tool that is not there, too.
func refused(event portcullis.EventType, detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "forbidden", Public: "Insufficient permissions", Event: event, Detail: detail,
	}
}

// Inspect implements portcullis.Inspector. A result whose request is not
// known, as on a resumed stream, is read as a list if it has the shape of one.
func (g *Guard) Inspect(ctx context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction != portcullis.ToClient || m.Shape != portcullis.ShapeResult {
		return m, nil
	}
	switch m.Method {
	case "tools/list", "":
		if err := g.list(ctx, m); err != nil {
			return nil, err
		}
	}
	switch m.Method {
	case "initialize", "server/discover", "":
		if err := g.instructions(m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const listMethod = "tools/list"

// list learns from a list and cuts what is held.
func (g *Guard) list(ctx context.Context, m *portcullis.Message) error {
	var list []Listed
	_, _, err := mcp.FilterEntries(m.Raw, listMethod, func(t portcullis.Target, raw []byte) bool {
		list = append(list, Listed{t.Name, raw})
		return true
	})
	if err != nil {
		return err
	}
	l := &lesson{book: g.book, track: g.track, cfg: g.cfg, more: hasNext(m.Raw)}
	l.read(list)
	if err := l.learn(ctx); err != nil {
		return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "pinning the tools of a list", Err: err}
	}
	m.Notes = appendNotes(m.Notes, l.changes)
	i := 0
	raw, cut, err := mcp.FilterEntries(m.Raw, listMethod, func(portcullis.Target, []byte) bool {
		i++
		return l.entries[i-1].pass
	})
	if err != nil {
		return err
	}
	if cut {
		m.Raw, m.Params = raw, memberOf(raw, "result") // nobody behind learns from what is held
	}
	return nil
}

// hasNext reports whether a list names a page that follows.
func hasNext(reply []byte) bool {
	result := memberOf(reply, "result")
	next := memberOf(result, "nextCursor")
	return len(next) > 0 && next[0] == '"'
}

func memberOf(object []byte, name string) []byte {
	for it := jsonrpc.Walk(object); it.Next(); {
		if it.Name.Is(object, name) {
			return it.Value.Raw(object)
		}
	}
	return nil
}

// maxNotes bounds the events of one list; the last tells how many more.
const maxNotes = 50

func appendNotes(notes []portcullis.Note, changes []change) []portcullis.Note {
	for i, c := range changes {
		if i == maxNotes {
			return append(notes, portcullis.Note{
				Type: portcullis.EventToolChanged, Severity: portcullis.SeverityError, Reason: "more",
				Details: []slog.Attr{slog.Int("tools", len(changes)-maxNotes)},
			})
		}
		first := Altered
		if len(c.why) > 0 {
			first = c.why[0]
		}
		n := portcullis.Note{Type: portcullis.EventToolChanged, Severity: first.Severity(), Reason: string(first), Details: []slog.Attr{
			slog.String("tool", plain(c.tool)), slog.String("hash", c.hash.String()), slog.String("why", JoinReasons(c.why)), slog.Bool("held", c.held),
		}}
		if len(c.altered) > 0 {
			n.Details = append(n.Details, slog.String("changed", memberNames(c.altered)))
		}
		notes = append(notes, n)
	}
	return notes
}

// maxPlain bounds what of a name stands in an event.
const maxPlain = 128

// plain is a name as it may stand in an event.
func plain(name string) string {
	var b strings.Builder
	for _, r := range name {
		if b.Len() >= maxPlain {
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// instructions looks at what a server tells models about itself. It passes:
// what is wrong with it is noted.
func (g *Guard) instructions(m *portcullis.Message) error {
	raw := memberOf(memberOf(m.Raw, "result"), "instructions")
	text := jsonrpc.ValueOf(raw).Text(raw)
	if text == "" {
		return nil
	}
	scan, err := g.book.scan()
	if err != nil {
		return err
	}
	hidden, orders := scan.look(text)
	for _, found := range [...]struct {
		kind string
		why  Reason
	}{{hidden, HiddenText}, {orders, Instructions}} {
		if found.kind != "" {
			m.Notes = append(m.Notes, portcullis.Note{
				Type: portcullis.EventContentFlagged, Severity: portcullis.SeverityWarn, Reason: string(found.why),
				Details: []slog.Attr{slog.String("part", "server instructions"), slog.String("kind", found.kind)},
			})
		}
	}
	return nil
}
