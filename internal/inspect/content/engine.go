package content

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Options makes an engine.
type Options struct {
	Route     string
	Detectors []finding.Detector
	Arguments []Rule // for what goes to the server
	Results   []Rule // for what goes to the caller

	// Tokens makes tokens and opens them. Without, rules that tokenize redact.
	Tokens *Tokens
	// Detokenize says that tokens in arguments are swapped back on the way to
	// the server, for callers whose scopes MayDetokenize accepts.
	Detokenize    bool
	MayDetokenize func(scopes []string) bool

	// Count, which may be nil, is told what was found.
	Count func(kind string, a Action, n int)
}

// Engine is the guard "content" of a route, in both directions. It is immutable
// but for its pool, and safe for concurrent use.
type Engine struct {
	route  string
	sets   [2]*ruleSet // by direction; nil where there is nothing to do
	tokens *Tokens
	swaps  func(scopes []string) bool // nil: nobody's
	count  func(kind string, a Action, n int)
	pool   sync.Pool
}

var _ portcullis.Inspector = (*Engine)(nil)

// New returns the engine of a route, or nil if no rule asks for anything.
func New(o Options) (*Engine, error) {
	e := &Engine{route: o.Route, tokens: o.Tokens, count: o.Count}
	var err error
	if e.sets[portcullis.ToServer], err = compile(o.Arguments, o.Detectors); err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	if e.sets[portcullis.ToClient], err = compile(o.Results, o.Detectors); err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	if o.Detokenize && o.MayDetokenize != nil && o.Tokens != nil {
		if e.swaps = o.MayDetokenize; e.sets[portcullis.ToServer] == nil {
			e.sets[portcullis.ToServer] = &ruleSet{pre: newPrefilter(nil)}
		}
	}
	if e.sets == [2]*ruleSet{} {
		return nil, nil
	}
	e.pool.New = func() any { return new(scan) }
	return e, nil
}

// Name returns "content".
func (*Engine) Name() string { return "content" }

// Acts reports whether anything is done to messages of a direction.
func (e *Engine) Acts(d portcullis.Direction) bool { return e != nil && e.sets[d] != nil }

// Inspect implements [portcullis.Inspector]. The refusal of a message by a rule
// is of KindForbidden with reason "content_blocked" and makes the event
// CONTENT_BLOCKED. A message that is let pass, rewritten or with an alert,
// carries a note.
func (e *Engine) Inspect(_ context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	set := e.sets[m.Direction]
	if set == nil || len(m.Raw) == 0 {
		return m, nil
	}
	s := e.pool.Get().(*scan)
	s.begin(e, set, m, e.swaps != nil && m.Direction == portcullis.ToServer && e.swaps(who.Scopes))
	walked := s.run(m.Raw, s)
	err := s.err
	if e.count != nil {
		for _, c := range s.tally {
			e.count(c.kind, c.action, c.n)
		}
	}
	switch {
	case err != nil:
	case !walked: // a shape nobody can follow is refused, never skipped
		err = unwalkable(m.Direction)
	default:
		if len(s.tally) > 0 {
			m.Notes = append(m.Notes, s.note(m.Direction))
		}
		if s.out != nil {
			refer(m, append(s.out, m.Raw[s.from:]...))
		}
	}
	if s.end(); !s.large() {
		e.pool.Put(s)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func unwalkable(d portcullis.Direction) *portcullis.Error {
	if d == portcullis.ToServer {
		return &portcullis.Error{
			Kind: portcullis.KindMalformed, Reason: "input_rejected", Code: portcullis.CodeInvalidRequest,
			Event: portcullis.EventInputRejected, Detail: "message that content rules cannot walk",
		}
	}
	return &portcullis.Error{
		Kind: portcullis.KindUpstream, Reason: "reply_rejected", Public: "The upstream sent an invalid reply",
		Code: portcullis.CodeInternal, Detail: "reply that content rules cannot walk",
	}
}

// note tells the audit log what was done: kinds, actions and how often.
func (s *scan) note(d portcullis.Direction) portcullis.Note {
	n := portcullis.Note{Type: portcullis.EventContentFlagged, Severity: portcullis.SeverityWarn, Reason: "content_flagged"}
	var text strings.Builder
	for i, c := range s.tally {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(c.kind + ":" + c.action.String() + "=" + strconv.Itoa(c.n))
		if c.action != Alert {
			n.Type, n.Reason = portcullis.EventContentRewritten, "content_rewritten"
		}
	}
	side := "arguments"
	if d == portcullis.ToClient {
		side = "results"
	}
	n.Details = []slog.Attr{slog.String("direction", side), slog.String("findings", text.String())}
	return n
}

// refer makes raw the bytes of a message, and of what is kept of them.
func refer(m *portcullis.Message, raw []byte) {
	had := m.Arguments != nil
	m.Raw, m.Params, m.Arguments = raw, nil, nil
	for it := jsonrpc.Walk(raw); it.Next(); {
		if it.Name.Is(raw, "params") || it.Name.Is(raw, "result") || it.Name.Is(raw, "error") {
			m.Params = it.Value.Raw(raw)
		}
	}
	if !had {
		return
	}
	for it := jsonrpc.Walk(m.Params); it.Next(); {
		if it.Name.Is(m.Params, "arguments") {
			m.Arguments = it.Value.Raw(m.Params)
		}
	}
}
