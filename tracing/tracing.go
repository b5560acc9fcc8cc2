// Package tracing records what a Go program does inside a trace:
//
//	prices, err := tracing.Trace(ctx, "crypto.prices.fetch", func(ctx context.Context) (Prices, error) {
//		return client.Fetch(ctx, coins)
//	}, attribute.Int("coins.count", len(coins)))
//
// In a handler that the gateway runs in this process, the context of the
// request holds the span of the call, and what Trace records stands inside it.
// Elsewhere the span of ctx counts, whoever made it; without one, OpenTelemetry's
// global provider is asked, which records nothing unless the program set one.
package tracing

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

// scope names the maker of the spans.
const scope = "github.com/portcullis-dev/portcullis/tracing"

// Trace runs fn inside a span of that name and returns what fn returns. The
// span gets the attributes, the status OK, or the status Error with the text of
// the error, from which credentials are taken out first. A panic is recorded
// and goes on. It is safe for concurrent use.
func Trace[T any](ctx context.Context, name string, fn func(context.Context) (T, error), attrs ...attribute.KeyValue) (result T, err error) {
	ctx, span := tracer(ctx).Start(ctx, name, trace.WithAttributes(attrs...))
	done := false
	defer func() {
		switch {
		case !done:
			fail(span, "panic", "panic")
		case err != nil:
			fail(span, fmt.Sprintf("%T", err), obs.Redact(err.Error()))
		default:
			span.SetStatus(codes.Ok, "")
		}
		span.End()
	}()
	result, err = fn(ctx)
	done = true
	return result, err
}

// Do is [Trace] for what has no result.
func Do(ctx context.Context, name string, fn func(context.Context) error, attrs ...attribute.KeyValue) error {
	_, err := Trace(ctx, name, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) }, attrs...)
	return err
}

// ID returns the trace id of ctx in 32 hexadecimal digits, "" if there is no
// trace: for log lines that should be found by it.
func ID(ctx context.Context) string { return obs.TraceID(ctx) }

func tracer(ctx context.Context) trace.Tracer {
	if span := trace.SpanFromContext(ctx); span.SpanContext().IsValid() {
		return span.TracerProvider().Tracer(scope)
	}
	return otel.GetTracerProvider().Tracer(scope)
}

func fail(span trace.Span, kind, text string) {
	span.SetAttributes(attribute.String("error.type", kind))
	span.AddEvent("exception", trace.WithAttributes(
		attribute.String("exception.type", kind), attribute.String("exception.message", text)))
	span.SetStatus(codes.Error, text)
}
