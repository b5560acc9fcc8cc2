package phi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// PurposeHeader and PurposeMeta are where callers say what they read for: a
// header, or a member of params._meta.
const (
	PurposeHeader = "X-Purpose-Of-Use"
	PurposeMeta   = "portcullis.dev/purpose-of-use"
)

// Reasons that callers read.
const (
	ReasonForbidden = "forbidden"
	ReasonPurpose   = "purpose_required"
)

// Mark is one thing that a route marks: calls that are protected as a whole, or
// fields of what they carry.
type Mark struct {
	// Means says whether a call is meant. It is not asked about a message of
	// which nobody knows what it is about: every mark means that.
	Means  func(a portcullis.Action) bool
	Fields []Field  // empty = all of it
	Roles  []string // that may read it; empty = the role of the configuration
}

// Guard is the guard of one route.
type Guard struct {
	cfg   Config
	glass *Glass
	marks []Mark
}

var (
	_ portcullis.CallerGuard = (*Guard)(nil)
	_ portcullis.Authorizer  = (*Guard)(nil)
	_ portcullis.Inspector   = (*Guard)(nil)
)

// NewGuard returns the guard of a route.
func NewGuard(cfg Config, glass *Glass, marks []Mark) (*Guard, error) {
	for i, m := range marks {
		if len(m.Fields) > maxFields {
			return nil, fmt.Errorf("phi[%d]: fields: want at most %d", i, maxFields)
		}
		if len(m.Roles) == 0 {
			marks[i].Roles = []string{cfg.Role}
		}
	}
	return &Guard{cfg: cfg, glass: glass, marks: marks}, nil
}

// Name returns "phi".
func (*Guard) Name() string { return "phi" }

// verdict is what the marks say of a caller and a call.
type verdict struct {
	refused bool    // something of it is only for others
	reads   bool    // the caller gets something that is marked
	cut     []Field // what has to be taken out
	glass   *Grant  // the emergency that lets the caller read, if no role does
}

// judge asks every mark. unknown says that nobody knows what a message is
// about: then all marks mean it.
func (g *Guard) judge(who portcullis.Principal, a portcullis.Action, unknown bool) verdict {
	var v verdict
	grant, broken := g.glass.Of(who.ID)
	for _, m := range g.marks {
		if !unknown && !m.Means(a) {
			continue
		}
		switch {
		case slices.ContainsFunc(m.Roles, func(r string) bool { return slices.Contains(who.Roles, r) }):
			v.reads = true
		case broken:
			v.reads, v.glass = true, &grant
		case len(m.Fields) == 0:
			v.refused = true
		default:
			v.cut = append(v.cut, m.Fields...)
		}
	}
	return v
}

// ends reports whether a method only ends a task.
func ends(method string) bool { return method == "tasks/cancel" || method == "CancelTask" }

// tellsNothing reports whether what a method is answered with holds nothing of
// anybody.
func tellsNothing(method string) bool {
	return slices.Contains(lists[:], method) || strings.HasPrefix(method, "notifications/") || method == "session/close" || method == "response" || ends(method)
}

// task reports whether a message is about a task: what comes of it is about
// something that nobody names.
func task(method string) bool {
	switch method {
	case a2a.GetTask, a2a.ListTasks, a2a.SubscribeToTask:
		return true
	}
	return strings.HasPrefix(method, "tasks/") && method != "tasks/list" && !ends(method)
}

// CheckCaller implements [portcullis.CallerGuard]. The gateway calls
// [Guard.CheckMessage], which reads more.
func (g *Guard) CheckCaller(ctx context.Context, c *portcullis.Conn, who portcullis.Principal, a portcullis.Action) error {
	return g.CheckMessage(ctx, c, who, &portcullis.Message{Target: a.Target, Method: a.Method, Arguments: a.Arguments}, a)
}

// CheckMessage refuses callers who may not read what a call is about. To the
// message of one who may, it adds the note that says who reads, and for what.
func (g *Guard) CheckMessage(_ context.Context, c *portcullis.Conn, who portcullis.Principal, m *portcullis.Message, a portcullis.Action) error {
	v := g.judge(who, a, task(a.Method) || m.TaskID != "" && !ends(a.Method) || a2a.Sends(a.Method) && m.Session != "")
	if v.refused {
		return denied("the caller has no role that may read it")
	}
	carried := m.Params
	if carried == nil {
		carried = a.Arguments
	}
	if Holds(carried, v.cut) {
		return denied("the arguments hold a field that the caller's roles do not have")
	}
	if !v.reads || tellsNothing(a.Method) {
		return nil
	}
	purpose, err := g.purpose(c, m)
	if err != nil {
		return err
	}
	note := portcullis.Note{Type: portcullis.EventDataAccessed, Severity: portcullis.SeverityInfo, Reason: "phi"}
	note.Details = []slog.Attr{slog.String("purpose", purpose)}
	if v.glass != nil {
		note.Severity = portcullis.SeverityWarn
		note.Details = append(note.Details, slog.String("break_glass", v.glass.ID), slog.String("break_glass_reason", v.glass.Reason))
	}
	m.Notes = append(m.Notes, note)
	return nil
}

// denied is what anyone reads who may not: the same as of all that is not
// allowed.
func denied(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: ReasonForbidden, Public: "Insufficient permissions",
		Event: portcullis.EventUnauthorizedAccess, Detail: detail, Facts: []slog.Attr{slog.Bool("phi", true)},
	}
}

// Still refuses to go on with a stream whose caller has no role for it any
// more, and no emergency.
func (g *Guard) Still(who portcullis.Principal, a portcullis.Action) error {
	if a.Method == "" || !g.judge(who, a, task(a.Method)).refused {
		return nil
	}
	return denied("the role or the emergency ended while the stream ran")
}

// purpose returns what the caller reads for. The header and the message must
// not differ.
func (g *Guard) purpose(c *portcullis.Conn, m *portcullis.Message) (string, error) {
	said := ""
	if c != nil && c.HTTP != nil {
		values := c.HTTP.Header.Values(PurposeHeader)
		if len(values) > 1 {
			return "", g.unclear("the purpose is named twice")
		}
		if len(values) == 1 {
			said = strings.TrimSpace(values[0])
		}
	}
	if meta := purposeOf(m.Params); meta != "" {
		if said != "" && !strings.EqualFold(said, meta) {
			return "", g.unclear("header and message name different purposes")
		}
		said = meta
	}
	if said == "" {
		if g.cfg.PurposeRequired {
			return "", g.unclear("no purpose is named")
		}
		return "", nil
	}
	i := slices.IndexFunc(g.cfg.Purposes, func(p string) bool { return strings.EqualFold(p, said) })
	if i < 0 {
		return "", g.unclear("a purpose that is not in the list")
	}
	return g.cfg.Purposes[i], nil
}

// unclear tells the caller which purposes there are.
func (g *Guard) unclear(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: ReasonPurpose, Public: "A purpose of use is required",
		Event: portcullis.EventUnauthorizedAccess, Detail: detail, Facts: []slog.Attr{slog.Bool("phi", true)},
		Data: map[string]any{"header": http.CanonicalHeaderKey(PurposeHeader), "meta": PurposeMeta, "purposes": g.cfg.Purposes},
	}
}

func purposeOf(params []byte) string {
	for it := jsonrpc.Walk(params); it.Next(); {
		if !it.Name.Is(params, "_meta") {
			continue
		}
		meta := it.Value.Raw(params)
		for in := jsonrpc.Walk(meta); in.Next(); {
			if in.Name.Is(meta, PurposeMeta) {
				return in.Value.Text(meta)
			}
		}
	}
	return ""
}

// Authorize implements [portcullis.Authorizer], so that lists show nobody what
// they may not call.
func (g *Guard) Authorize(_ context.Context, who portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if who.IsZero() {
		return portcullis.Decision{Rule: "no principal"}, nil
	}
	if g.judge(who, a, task(a.Method)).refused {
		return portcullis.Decision{Rule: "protected health information"}, nil
	}
	return portcullis.Decision{Effect: portcullis.Allow, Rule: "not for others only"}, nil
}

// lists are answers that describe what there is and hold nothing of anybody:
// to take a field out of the schema of a tool would break it.
var lists = [...]string{
	"initialize", "server/discover", "ping", "logging/setLevel",
	"tools/list", "prompts/list", "resources/list", "resources/templates/list",
}

type unasked struct{}

// Unasked marks what is sent outside of any call. Nobody names a purpose for it
// and nothing records a read: no emergency lets it pass.
func Unasked(ctx context.Context) context.Context {
	return context.WithValue(ctx, unasked{}, true)
}

// Inspect implements [portcullis.Inspector]: it takes out of a message to the
// caller what the caller's roles do not have.
func (g *Guard) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction != portcullis.ToClient || len(m.Raw) == 0 || slices.Contains(lists[:], m.Method) {
		return m, nil
	}
	answer := m.Shape == portcullis.ShapeResult
	unknown := !answer || m.Method == "" || task(m.Method) || a2a.Sends(m.Method) && goesOn(m.Request)
	a := portcullis.Action{Method: m.Method, Target: m.Target, Arguments: mcp.ArgumentsOf(m.Request)}
	if ctx.Value(unasked{}) != nil {
		g = &Guard{cfg: g.cfg, marks: g.marks} // without the glass
	}
	v := g.judge(who, a, unknown)
	if (m.Shape == portcullis.ShapeNotification || m.Shape == portcullis.ShapeRequest) && g.withholds(ctx, who, m) {
		return nil, denied("it may be about what the caller has no role for")
	}
	if v.refused && answer { // a role that ended meanwhile, or the answer to what is not known
		return nil, denied("the answer is about what the caller has no role for")
	}
	if len(v.cut) == 0 {
		return m, nil
	}
	return cutMessage(m, v.cut)
}

// cutMessage takes fields out of what a message carries.
func cutMessage(m *portcullis.Message, fields []Field) (*portcullis.Message, error) {
	out, cut, held, err := cutCarried(m.Raw, fields)
	if err != nil {
		return nil, &portcullis.Error{
			Kind: portcullis.KindUpstream, Reason: "reply_rejected", Public: "The upstream sent an invalid reply",
			Code: portcullis.CodeInternal, Detail: "reply that fields cannot be taken out of", Err: err,
		}
	}
	if cut+held == 0 {
		return m, nil
	}
	m.Raw, m.Params, m.Arguments = out, nil, nil
	for it := jsonrpc.Walk(m.Raw); it.Next(); {
		if it.Name.Is(m.Raw, "result") || it.Name.Is(m.Raw, "params") {
			m.Params = it.Value.Raw(m.Raw)
		}
	}
	m.Notes = append(m.Notes, portcullis.Note{
		Type: portcullis.EventContentRewritten, Severity: portcullis.SeverityInfo, Reason: "phi_withheld",
		Details: []slog.Attr{slog.Int("fields", cut), slog.Int("texts", held)},
	})
	return m, nil
}

// cutCarried cuts what the envelope of a message holds.
func cutCarried(raw []byte, fields []Field) (out []byte, cut, held int, err error) {
	if !rpc(raw) {
		return Cut(raw, fields)
	}
	var edits []jsonrpc.Edit
	it := jsonrpc.Walk(raw)
	for it.Next() {
		if !it.Name.Is(raw, "result") && !it.Name.Is(raw, "params") && !it.Name.Is(raw, "error") {
			continue
		}
		part, c, h, err := Cut(it.Value.Raw(raw), fields)
		if err != nil {
			return nil, 0, 0, err
		}
		if cut, held = cut+c, held+h; c+h > 0 {
			edits = append(edits, jsonrpc.Edit{Start: it.Value.Start, End: it.Value.End, Text: part})
		}
	}
	if it.Bad {
		return nil, 0, 0, errUnwalkable
	}
	return jsonrpc.Splice(raw, edits), cut, held, nil
}

// rpc reports whether a message is one of JSON-RPC. Some bindings of agents
// send what it carries alone.
func rpc(raw []byte) bool {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if it.Name.Is(raw, "jsonrpc") {
			return true
		}
	}
	return false
}

// goesOn reports whether a message to an agent is about tasks that are there
// already: the answer holds what came of them, whatever skill made them.
func goesOn(request []byte) bool {
	for it := jsonrpc.Walk(request); it.Next(); {
		switch {
		case it.Name.Is(request, "params"):
			if goesOn(it.Value.Raw(request)) {
				return true
			}
		case it.Name.Is(request, "message"):
			message := it.Value.Raw(request)
			for in := jsonrpc.Walk(message); in.Next(); {
				switch in.Name.Text(message) {
				case "taskId", "task_id", "referenceTaskIds", "reference_task_ids", "contextId", "context_id":
					if v := string(in.Value.Raw(message)); v != `""` && v != "[]" && v != "null" {
						return true
					}
				}
			}
		}
	}
	return false
}
