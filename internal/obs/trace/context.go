package trace

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// SpanContext names a span of anyone: trace, span, flags and state.
type SpanContext = trace.SpanContext

// Bounds of what is read of strangers: W3C Trace Context, section 3.3.1.5,
// wants at least 512 characters of tracestate to travel; that is all there is.
const (
	maxTraceparent = 128 // version 00 has 55; later ones may be longer
	maxTracestate  = 512
)

// w3c is the one propagator in use. There is none for baggage: it is what
// strangers want to be stored.
var w3c = propagation.TraceContext{}

// pair is a carrier of the two fields.
type pair struct{ parent, state string }

// Get implements [propagation.TextMapCarrier].
func (p *pair) Get(key string) string {
	switch key {
	case "traceparent":
		return p.parent
	case "tracestate":
		return p.state
	}
	return ""
}

// Set implements [propagation.TextMapCarrier].
func (p *pair) Set(key, value string) {
	switch key {
	case "traceparent":
		p.parent = value
	case "tracestate":
		p.state = value
	}
}

// Keys implements [propagation.TextMapCarrier].
func (*pair) Keys() []string { return []string{"traceparent", "tracestate"} }

// Parse reads what a stranger sent. What is malformed is no context, and the
// zero SpanContext is returned; a state that is too long or malformed is
// dropped and the rest kept.
func Parse(traceparent, tracestate string) SpanContext {
	if traceparent == "" || len(traceparent) > maxTraceparent {
		return SpanContext{}
	}
	if len(tracestate) > maxTracestate {
		tracestate = ""
	}
	return trace.SpanContextFromContext(w3c.Extract(context.Background(), &pair{traceparent, tracestate}))
}

// Format returns the two fields that name sc, "" for what there is not.
func Format(sc SpanContext) (traceparent, tracestate string) {
	var p pair
	w3c.Inject(trace.ContextWithSpanContext(context.Background(), sc), &p)
	return p.parent, p.state
}
