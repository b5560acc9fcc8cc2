package schema

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Mode says what comes of a failure.
type Mode string

// The modes. The zero Mode is no mode: a [Config] must name one.
const (
	Block Mode = "block" // the message goes no further
	Warn  Mode = "warn"  // an event is written, the message passes
	Off   Mode = "off"   // nothing is checked
)

// What happens to calls of a tool whose schema is not known, or not usable.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Config is what a route wants checked.
type Config struct {
	Arguments Mode   // of tools/call, against inputSchema
	Results   Mode   // structuredContent of their results, against outputSchema
	Unknown   string // calls of tools that no list has named: allow or deny
	Unusable  string // calls of tools whose schema cannot be used: allow or deny
}

// Default checks everything. What no list has named passes, because a caller
// may call without having asked for the list; a schema that cannot be used
// stops the calls of its tool.
func Default() Config {
	return Config{Arguments: Block, Results: Block, Unknown: Allow, Unusable: Deny}
}

// Inspector checks the messages of one route. It must see replies before
// anything is cut from them or changed, and calls as they are sent on. It is
// safe for concurrent use.
type Inspector struct {
	c     Config
	rules []Rule
	calls func(portcullis.Action) []portcullis.Action // a call and those inside it; nil = no tool calls others
	tools *tools
	heavy chan struct{} // taken while a heavy check runs
}

// maxHeavy is the number of heavy checks that run at the same time on a route.
// Others wait.
const maxHeavy = 4

var _ portcullis.Inspector = (*Inspector)(nil)

// New returns the inspector of a route; nil if it would check nothing.
func New(c Config, rules []Rule) *Inspector {
	if c.Arguments == Off && c.Results == Off && len(rules) == 0 {
		return nil
	}
	return &Inspector{c: c, rules: rules, tools: newTools(), heavy: make(chan struct{}, maxHeavy)}
}

// check holds a value to a schema; heavy checks wait for their turn.
func (i *Inspector) check(ctx context.Context, s *Schema, raw []byte, prefix string) *Failure {
	taken := false
	defer func() {
		if taken {
			<-i.heavy
		}
	}()
	return s.check(raw, prefix, func() bool {
		select {
		case i.heavy <- struct{}{}:
			taken = true
		case <-ctx.Done():
		}
		return taken
	})
}

// LookInside makes the inspector check the calls inside a call too. calls
// returns a call and, behind it, those that it leads to.
func (i *Inspector) LookInside(calls func(portcullis.Action) []portcullis.Action) { i.calls = calls }

// Follow takes over what another inspector of the same server has learnt, so
// that a new configuration does not begin without any schema.
func (i *Inspector) Follow(old *Inspector) {
	if old != nil {
		i.tools = old.tools
	}
}

// Name implements portcullis.Inspector.
func (*Inspector) Name() string { return "schema" }

// Inspect implements portcullis.Inspector. It changes no message.
func (i *Inspector) Inspect(ctx context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	var err error
	switch {
	case m.Direction == portcullis.ToServer && m.Method == "tools/call":
		return i.inspectCall(ctx, m)
	case m.Direction == portcullis.ToClient && m.Shape == portcullis.ShapeResult && m.Method == "tools/call":
		err = i.result(ctx, m)
	case m.Direction == portcullis.ToClient && m.Shape == portcullis.ShapeResult && m.Method == "tools/list":
		i.tools.learn(m.Params, !paged(m.Request))
	}
	if err == nil && m.Direction == portcullis.ToClient {
		err = i.questions(m)
	}
	if err == nil {
		err = i.own(ctx, m, call{m.Target.Name, m.Arguments, ""})
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// call is a call of a tool: that of a message, or one inside it.
type call struct {
	tool      string
	arguments []byte // nil = there are none
	inside    string // how the path of a failure begins; "" of the message's own
}

// inspectCall checks a call and those inside it.
func (i *Inspector) inspectCall(ctx context.Context, m *portcullis.Message) (*portcullis.Message, error) {
	calls := []portcullis.Action{{Target: m.Target, Arguments: m.Arguments}}
	if i.calls != nil {
		calls = i.calls(calls[0])
	}
	for n, a := range calls {
		c := call{tool: a.Target.Name, arguments: a.Arguments}
		if n > 0 {
			if a.Arguments == nil {
				continue // nobody said where they are
			}
			c.inside = "/inner"
		}
		if err := i.call(ctx, m, c); err != nil {
			return nil, err
		}
		if err := i.own(ctx, m, c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// own checks a message against the operator's schemas; of a call inside it
// only its arguments.
func (i *Inspector) own(ctx context.Context, m *portcullis.Message, c call) error {
	for n := range i.rules {
		r := &i.rules[n]
		if !r.applies(m, c.tool) || c.inside != "" && r.Part != Arguments {
			continue
		}
		value := m.Params
		if r.Part == Arguments {
			value = c.arguments
		}
		if f := i.check(ctx, r.Schema, orEmpty(value), c.inside+"/"+string(r.Part)); f != nil {
			if err := refuse(m, f, r.Warn); err != nil {
				return err
			}
		}
	}
	return nil
}

// orEmpty is a value, or an empty object where there is none.
func orEmpty(value []byte) []byte {
	if len(value) == 0 {
		return []byte("{}")
	}
	return value
}

// call checks the arguments of a call against the schema of its tool. A tool
// inside another is often one that no list names: it is checked if one does.
func (i *Inspector) call(ctx context.Context, m *portcullis.Message, c call) error {
	if i.c.Arguments == Off {
		return nil
	}
	t, listed, full := i.tools.find(c.tool)
	switch {
	case t.input == nil && c.inside != "":
		return nil
	case !listed && full:
		return i.unusable(m, errTooLarge)
	case t.input == nil:
		return i.unknown(m)
	}
	s, err := t.input.schema()
	if err != nil {
		return i.unusable(m, err)
	}
	f := i.check(ctx, s, orEmpty(c.arguments), c.inside+"/arguments")
	if f == nil {
		return nil
	}
	if rest, ok := s.withoutNulls(c.arguments); ok && i.check(ctx, s, rest, c.inside+"/arguments") == nil {
		return nil
	}
	return refuse(m, f, i.c.Arguments == Warn)
}

func (i *Inspector) unknown(m *portcullis.Message) error {
	if i.c.Unknown != Deny {
		return nil
	}
	const detail = "no list of the server has named a schema for the tool"
	if i.c.Arguments == Warn {
		m.Notes = append(m.Notes, note("schema_unknown", slog.String("detail", detail)))
		return nil
	}
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "schema_unknown", Event: portcullis.EventInputRejected,
		Public: "The schema of the tool is not known yet: ask for tools/list first", Detail: detail,
	}
}

func (i *Inspector) unusable(m *portcullis.Message, why error) error {
	detail := "the inputSchema of the tool " + why.Error()
	if i.c.Unusable == Allow || i.c.Arguments == Warn {
		m.Notes = append(m.Notes, note("schema_unusable", slog.String("detail", detail)))
		return nil
	}
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "schema_unusable", Event: portcullis.EventInputRejected,
		Public: "The tool cannot be called: its schema is not usable", Detail: detail,
	}
}

// result checks the structured content of a result. One that says it is an
// error, and one without structured content, has nothing to check.
func (i *Inspector) result(ctx context.Context, m *portcullis.Message) error {
	if i.c.Results == Off {
		return nil
	}
	t, _, _ := i.tools.find(m.Target.Name)
	if t.output == nil {
		return nil
	}
	var structured []byte
	for it := jsonrpc.Walk(m.Params); it.Next(); {
		switch {
		case it.Name.Is(m.Params, "structuredContent"):
			structured = it.Value.Raw(m.Params)
		case it.Name.Is(m.Params, "isError") && bytes.Equal(it.Value.Raw(m.Params), []byte("true")):
			return nil
		}
	}
	if structured == nil {
		return nil
	}
	s, err := t.output.schema()
	if err != nil {
		return i.unusableReply(m, "the outputSchema of the tool "+err.Error())
	}
	if f := i.check(ctx, s, structured, "/structuredContent"); f != nil {
		return refuse(m, f, i.c.Results == Warn)
	}
	return nil
}

// unusableReply is about a message of the server with a schema that cannot be
// used.
func (i *Inspector) unusableReply(m *portcullis.Message, detail string) error {
	if i.c.Unusable == Allow || i.c.Results == Warn {
		m.Notes = append(m.Notes, note("schema_unusable", slog.String("detail", detail)))
		return nil
	}
	return rejected(detail)
}

// paged reports whether a request asks for a later page of a list.
func paged(request []byte) bool {
	for it := jsonrpc.Walk(request); it.Next(); {
		if !it.Name.Is(request, "params") {
			continue
		}
		params := it.Value.Raw(request)
		for sub := jsonrpc.Walk(params); sub.Next(); {
			if sub.Name.Is(params, "cursor") && sub.Value.Kind == jsonrpc.String {
				return true
			}
		}
	}
	return request == nil // who asked what is not known: it may be a page
}

// refuse turns a failure into an error, or into a note where it is only told.
func refuse(m *portcullis.Message, f *Failure, warn bool) error {
	if warn {
		m.Notes = append(m.Notes, note("schema_mismatch", slog.String("path", f.Path), slog.String("rule", f.Rule)))
		return nil
	}
	detail := fmt.Sprintf("breaks its schema: path %s, rule %s", f.Path, f.Rule)
	if m.Direction == portcullis.ToClient {
		return rejected(detail)
	}
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidParams, Reason: "input_rejected", Event: portcullis.EventInputRejected,
		Data: map[string]any{"path": f.Path, "rule": f.Rule}, Detail: detail,
	}
}

func rejected(detail string) error {
	return &portcullis.Error{
		Kind: portcullis.KindUpstream, Code: portcullis.CodeInternal, Reason: "reply_rejected",
		Public: "The upstream sent an invalid reply", Detail: detail,
	}
}

// note is an event about a message that passes all the same.
func note(reason string, details ...slog.Attr) portcullis.Note {
	return portcullis.Note{
		Type: portcullis.EventInputRejected, Severity: portcullis.SeverityWarn, Reason: reason,
		Details: append(details, slog.String("action", "warn")),
	}
}
