// Package tracing makes the trace of a call: one server span, a child for each
// phase it went through, and a client span for the time at the upstream.
//
// Times of phases are noted as the call goes; the spans are made of them. The
// server span begins when the message was read, with the time of arrival,
// because only then its parent is known: a message may name one in its _meta
// (SEP-414), which is nearer to who asked than that of the HTTP headers.
//
// A span holds what the gateway decided and what its configuration names. It
// never holds arguments, results, resource names, addresses, who called, or the
// text of an error: the request id leads to all that in the audit log.
package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// Call is the trace of one call, used by its goroutine only. All methods of a
// nil Call do nothing: that is a call nobody traces.
type Call struct {
	provider *trace.Provider
	conn     *portcullis.Conn
	header   trace.SpanContext // what the headers name

	inside  context.Context // holds the server span
	server  oteltrace.Span  // nil until the message is read
	client  oteltrace.Span  // nil but at the upstream
	id      string
	sampled bool

	phases   [maxPhases]phase
	passed   int
	method   string
	agent    bool // the method is one of A2A
	target   portcullis.Target
	admitted bool // what it names may be told: somebody may use it
	failed   failure
}

type phase struct {
	name  string
	began time.Time
}

type failure struct{ phase, guard, reason string }

// maxPhases bounds the phases of one call: content that is rewritten is
// authorized again, so there can be more than the pipeline has. What comes
// behind the last counts to it.
const maxPhases = 16

// Begin begins the trace of a call, nil if there is none.
func Begin(s *trace.Switch, conn *portcullis.Conn) *Call {
	p := s.Load()
	if p == nil {
		return nil
	}
	return &Call{provider: p, conn: conn, header: fromHeader(conn.HTTP.Header)}
}

// fromHeader reads the trace context of a request. Two traceparent fields are
// none (W3C Trace Context, 3.2.1: exactly one).
func fromHeader(h http.Header) trace.SpanContext {
	parent := h["Traceparent"]
	if len(parent) != 1 {
		return trace.SpanContext{}
	}
	return trace.Parse(parent[0], strings.Join(h["Tracestate"], ","))
}

// Phase notes that the call enters a phase.
func (c *Call) Phase(name string) {
	if c == nil || c.passed > 0 && c.phases[c.passed-1].name == name || c.passed == maxPhases {
		return
	}
	now := time.Now()
	if c.client != nil {
		c.client.End(oteltrace.WithTimestamp(now))
		c.client = nil
	}
	c.admitted = c.admitted || name == "record"
	c.phases[c.passed] = phase{name, now}
	c.passed++
}

// Read begins the server span, once: when the message was read, or was not and
// nothing else will tell whose child the call is. The context it returns holds
// the span.
func (c *Call) Read(ctx context.Context, m *portcullis.Message) context.Context {
	if c == nil {
		return ctx
	}
	if c.server != nil {
		return c.inside
	}
	o := trace.Origin{Header: c.header, Client: c.conn.Client}
	attrs := append(make([]attribute.KeyValue, 0, 16),
		attribute.String("portcullis.route", c.conn.Route), attribute.String("portcullis.request_id", c.conn.RequestID),
		attribute.String("network.transport", "tcp"), attribute.String("network.protocol.name", "http"),
		attribute.String("network.protocol.version", protocolVersion(c.conn.HTTP)),
	)
	if m != nil {
		o.Meta = trace.Parse(mcp.TraceContext(m.Params))
		attrs = c.describe(attrs, m)
	}
	c.inside, c.server = c.provider.Start(ctx, o, c.name(), c.conn.Received, attrs...)
	sc := c.server.SpanContext()
	c.id, c.sampled = sc.TraceID().String(), sc.IsSampled()
	return c.inside
}

// describe adds what the semantic conventions for MCP name. What a stranger
// could write into it is cut to what the protocol defines.
func (c *Call) describe(attrs []attribute.KeyValue, m *portcullis.Message) []attribute.KeyValue {
	c.method, c.target = obs.KnownMethod(m.Method), m.Target
	if slices.Contains(a2a.Methods(), m.Method) {
		return c.describeA2A(attrs, m)
	}
	attrs = c.rpcAttrs(attrs)
	if m.Version != "" {
		attrs = append(attrs, attribute.String("mcp.protocol.version", m.Version))
	}
	if m.Session != "" { // the id is a credential: it is not told
		attrs = append(attrs, attribute.String("mcp.session.id", hashed(m.Session)))
	}
	return numbered(attrs, m.ID)
}

// describeA2A does the same for messages of agents, for which the conventions
// have no names of their own yet: those of RPC and GenAI, and "a2a.".
func (c *Call) describeA2A(attrs []attribute.KeyValue, m *portcullis.Message) []attribute.KeyValue {
	c.agent = true
	attrs = append(c.rpcAttrs(attrs), attribute.String("a2a.protocol.version", m.Version), attribute.String("a2a.protocol.binding", a2a.BindingOf(m).String()))
	if a2a.BindingOf(m) == a2a.JSONRPC {
		attrs = append(attrs, attribute.String("rpc.system.name", "jsonrpc"))
	}
	if m.Session != "" { // whoever knows the id may try it
		attrs = append(attrs, attribute.String("gen_ai.conversation.id", hashed(m.Session)))
	}
	return numbered(attrs, m.ID)
}

// rpcAttrs names the method.
func (c *Call) rpcAttrs(attrs []attribute.KeyValue) []attribute.KeyValue {
	name := "mcp.method.name"
	if c.agent {
		name = "rpc.method"
	}
	if c.method != "" {
		attrs = append(attrs, attribute.String(name, c.method))
	}
	return attrs
}

// hashed stands for an id that is not told.
func hashed(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

// numbered adds the id of a request if it is a number: a text could be anything.
func numbered(attrs []attribute.KeyValue, raw []byte) []attribute.KeyValue {
	if id := string(raw); len(id) > 0 && len(id) <= 20 && strings.Trim(id, "0123456789") == "" {
		attrs = append(attrs, attribute.String("jsonrpc.request.id", id))
	}
	return attrs
}

// name names the span. Only what somebody may call is named: who is refused
// could have made the name up, and names must stay few.
func (c *Call) name() string {
	switch {
	case c.method == "":
		return "HTTP " + obs.KnownMethod(c.conn.HTTP.Method)
	case c.admitted && (c.target.Kind == portcullis.TargetTool || c.target.Kind == portcullis.TargetPrompt || c.skilled()):
		return c.method + " " + c.target.Name
	}
	return c.method
}

// skilled reports whether the call names one skill of an agent.
func (c *Call) skilled() bool { return c.target.Kind == portcullis.TargetSkill && !c.target.AnySkill() }

func protocolVersion(r *http.Request) string {
	if r.ProtoMajor == 1 {
		return "1." + strconv.Itoa(r.ProtoMinor)
	}
	return strconv.Itoa(r.ProtoMajor)
}

// ID returns the trace id for the audit log, "" while it is not known.
func (c *Call) ID() string {
	if c == nil {
		return ""
	}
	return c.id
}

// Exemplar returns the trace id if the trace is recorded, else "".
func (c *Call) Exemplar() string {
	if c == nil || !c.sampled {
		return ""
	}
	return c.id
}

// Forward begins the client span of a call that goes to the upstream and names
// it in the headers, in the place of what the caller sent. The message is not
// touched: what its _meta names stays the caller's word.
func (c *Call) Forward(ctx context.Context, call *portcullis.Call) context.Context {
	if c == nil || c.server == nil {
		return ctx
	}
	ctx, c.client = c.provider.Child(oteltrace.ContextWithSpan(ctx, c.server), oteltrace.SpanKindClient, c.name(), c.phases[c.passed-1].began, c.targetAttrs()...)
	parent, state := trace.Format(c.client.SpanContext())
	kept := call.Header[:0]
	for _, f := range call.Header {
		if f.Name != "Traceparent" && f.Name != "Tracestate" {
			kept = append(kept, f)
		}
	}
	kept = append(kept, portcullis.Field{Name: "Traceparent", Value: parent})
	if state != "" {
		kept = append(kept, portcullis.Field{Name: "Tracestate", Value: state})
	}
	call.Header = kept
	return ctx
}

func (c *Call) targetAttrs() []attribute.KeyValue {
	attrs := c.rpcAttrs(nil)
	if a2a.Sends(c.method) {
		attrs = append(attrs, attribute.String("gen_ai.operation.name", "invoke_agent"))
	}
	switch {
	case !c.admitted:
	case c.target.Kind == portcullis.TargetTool:
		attrs = append(attrs, attribute.String("gen_ai.tool.name", c.target.Name), attribute.String("gen_ai.operation.name", "execute_tool"))
	case c.target.Kind == portcullis.TargetPrompt:
		attrs = append(attrs, attribute.String("gen_ai.prompt.name", c.target.Name))
	case c.skilled():
		attrs = append(attrs, attribute.String("a2a.skill.id", c.target.Name))
	}
	return attrs
}

// Refuse notes which guard refused the call and why, in words of the program.
func (c *Call) Refuse(phase, guard, reason string) {
	if c != nil {
		c.failed = failure{phase, guard, reason}
	}
}

// End ends the trace: the status sent, the outcome, and what the answer says of
// a failure. m and answer are nil if none was read.
func (c *Call) End(ctx context.Context, m *portcullis.Message, status int, outcome obs.Outcome, answer *portcullis.Message) {
	if c == nil {
		return
	}
	c.Read(ctx, m)
	now := time.Now()
	if c.client != nil {
		c.client.End(oteltrace.WithTimestamp(now))
	}
	if !c.sampled {
		c.server.End(oteltrace.WithTimestamp(now))
		return
	}
	for i := range c.passed {
		end := now
		if i+1 < c.passed {
			end = c.phases[i+1].began
		}
		c.phaseSpan(c.phases[i], end, i+1 == c.passed)
	}
	c.server.SetName(c.name())
	c.server.SetAttributes(append(c.targetAttrs(),
		attribute.Int("http.response.status_code", status), attribute.String("portcullis.outcome", outcome.String()))...)
	switch {
	case c.failed.reason != "":
		c.server.SetAttributes(attribute.String("error.type", c.failed.reason))
		c.server.SetStatus(codes.Error, c.failed.reason)
	case answer == nil:
	case answer.ErrorCode != 0:
		text := strconv.Itoa(answer.ErrorCode) // over HTTP+JSON the one that JSON-RPC has for it
		c.server.SetAttributes(attribute.String("error.type", text), attribute.String("rpc.response.status_code", text))
		c.server.SetStatus(codes.Error, "JSON-RPC error "+text)
	case c.target.Kind == portcullis.TargetTool && answer.Shape == portcullis.ShapeResult && mcp.ToolFailed(answer.Params):
		c.server.SetAttributes(attribute.String("error.type", toolError))
		c.server.SetStatus(codes.Error, toolError)
	}
	c.server.End(oteltrace.WithTimestamp(now))
}

// toolError is what the semantic conventions for MCP call a result with isError.
const toolError = "tool_error"

// phaseSpan makes the span of a phase that is over. The time at the upstream
// has one of its own inside.
func (c *Call) phaseSpan(p phase, end time.Time, last bool) {
	_, span := c.provider.Child(c.inside, oteltrace.SpanKindInternal, p.name, p.began)
	if last && c.failed.reason != "" {
		span.SetAttributes(attribute.String("portcullis.guard", c.failed.guard), attribute.String("error.type", c.failed.reason))
		span.SetStatus(codes.Error, c.failed.reason)
	}
	span.End(oteltrace.WithTimestamp(end))
}
