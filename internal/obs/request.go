package obs

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

type requestID struct{}

// WithRequestID returns a context of work that is done for a call, so that
// whatever is recorded meanwhile can be found by the id that the caller got.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestID{}, id)
}

// RequestID returns the id of the call that a context works for, or "".
func RequestID(ctx context.Context) string {
	id, ok := ctx.Value(requestID{}).(string)
	if !ok {
		return ""
	}
	return id
}

// TraceID returns the id of the trace that a context works in, or "".
func TraceID(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.HasTraceID() {
		return ""
	}
	return sc.TraceID().String()
}
