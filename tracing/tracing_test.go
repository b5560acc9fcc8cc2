package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/portcullis-dev/portcullis/tracing"
)

// inside returns a context that works in a recorded trace, and what is recorded.
func inside(t *testing.T) (context.Context, *tracetest.SpanRecorder) {
	seen := tracetest.NewSpanRecorder()
	p := sdk.NewTracerProvider(sdk.WithSpanProcessor(seen))
	ctx, span := p.Tracer("test").Start(t.Context(), "call")
	t.Cleanup(func() { span.End() })
	return ctx, seen
}

func TestTrace(t *testing.T) {
	ctx, seen := inside(t)
	n, err := tracing.Trace(ctx, "crypto.prices.fetch", func(ctx context.Context) (int, error) {
		if tracing.ID(ctx) != trace.SpanContextFromContext(ctx).TraceID().String() {
			t.Error("the function works in another trace")
		}
		return 3, nil
	}, attribute.Int("coins.count", 2), attribute.StringSlice("coins.list", []string{"btc", "eth"}))
	if n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	got := seen.Ended()[0]
	if got.Name() != "crypto.prices.fetch" || got.Status().Code != codes.Ok || len(got.Attributes()) != 2 ||
		got.Parent().SpanID() != trace.SpanContextFromContext(ctx).SpanID() {
		t.Errorf("%v", got)
	}
}

func TestTraceOfAnError(t *testing.T) {
	ctx, seen := inside(t)
	cause := errors.New("GET https://u:hunter2@api.example/?token=hunter2secretvalue: Authorization: Bearer abcdefghijklmnopqrstuvwxyz")
	if err := tracing.Do(ctx, "fetch", func(context.Context) error { return cause }); !errors.Is(err, cause) {
		t.Errorf("the error became %v", err)
	}
	got := seen.Ended()[0]
	text := fmt.Sprint(got.Status(), got.Events(), got.Attributes())
	if got.Status().Code != codes.Error || len(got.Events()) != 1 || strings.Contains(text, "hunter2") || strings.Contains(text, "abcdefghij") {
		t.Error(text)
	}
}

func TestTraceOfAPanic(t *testing.T) {
	ctx, seen := inside(t)
	defer func() {
		if v := recover(); v != "hunter2" {
			t.Errorf("the panic became %v", v)
		}
		if got := seen.Ended()[0]; got.Status().Code != codes.Error || strings.Contains(fmt.Sprint(got.Events()), "hunter2") {
			t.Errorf("%v %v", got.Status(), got.Events())
		}
	}()
	_ = tracing.Do(ctx, "fetch", func(context.Context) error { panic("hunter2") })
}

// TestNoTrace: without a trace, the function just runs.
func TestNoTrace(t *testing.T) {
	n, err := tracing.Trace(t.Context(), "x", func(ctx context.Context) (int, error) {
		if tracing.ID(ctx) != "" {
			t.Error("a trace out of nothing")
		}
		return 1, nil
	})
	if n != 1 || err != nil {
		t.Error(n, err)
	}
}

func ExampleTrace() {
	type Price struct{ USD float64 }
	prices, err := tracing.Trace(context.Background(), "crypto.prices.fetch", func(context.Context) (map[string]Price, error) {
		return map[string]Price{"bitcoin": {USD: 97000}}, nil // in a real program: ask the service, with the context given
	}, attribute.Int("coins.count", 1))
	fmt.Println(prices["bitcoin"].USD, err)
	// Output: 97000 <nil>
}
