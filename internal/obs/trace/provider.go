package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says what spans are made of and where they go.
type Config struct {
	Endpoint string        // whole URL, as [Endpoint] returns it
	Service  string        // service.name
	Version  string        // service.version
	Deployed string        // deployment.environment.name, "" for none
	Sample   float64       // share of traces that begin here and are recorded, 0 to 1
	Timeout  time.Duration // of one export
	Queue    int           // spans that wait for the collector; 0 = DefaultQueue
	Gzip     bool
	CA       []byte // PEM, roots that the collector's certificate has to come from; nil = the system's

	// Trusted are the addresses whose word on sampling counts.
	Trusted []netip.Prefix
	// Header returns what each request to the collector carries beside what the
	// protocol wants: credentials. It is asked each time, as they may rotate.
	Header func(context.Context) (http.Header, error)
	// Count is told what became of spans: "exported", "failed", "dropped".
	Count func(result string, spans int)
	Log   *slog.Logger
}

// DefaultQueue is how many spans may wait for the collector. At ten spans a
// call it holds 800 calls, in about 10 MB.
const DefaultQueue = 8192

// maxBatch is how many spans one request to the collector carries.
const maxBatch = 512

// Provider makes spans and sends them to one collector. It is safe for
// concurrent use.
type Provider struct {
	tracer  trace.Tracer
	sdk     *sdk.TracerProvider
	sample  float64
	trusted []netip.Prefix
}

// Scope is the instrumentation scope of all spans of the gateway.
const Scope = "github.com/portcullis-dev/portcullis"

// Open returns a provider. No connection is made before there are spans.
func Open(cfg Config) (*Provider, error) {
	if err := CheckEndpoint(cfg.Endpoint); err != nil {
		return nil, fmt.Errorf("trace collector: %w", err)
	}
	caller, err := client(cfg)
	if err != nil {
		return nil, err
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(cfg.Endpoint),
		otlptracehttp.WithTimeout(cfg.Timeout),
		otlptracehttp.WithMaxResponseSize(64 << 10),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 10 * time.Second, MaxElapsedTime: 30 * time.Second}),
		otlptracehttp.WithHTTPClient(caller),
	}
	if cfg.Gzip {
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	inner, err := otlptracehttp.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("trace collector: %w", err)
	}
	return open(cfg, inner), nil
}

// open builds what makes spans before an exporter.
func open(cfg Config, inner sdk.SpanExporter) *Provider {
	if cfg.Queue <= 0 {
		cfg.Queue = DefaultQueue
	}
	out := &outlet{inner: inner, limit: int64(cfg.Queue), count: cfg.Count, log: cfg.Log}
	out.queue = sdk.NewBatchSpanProcessor(drain{out}, sdk.WithMaxQueueSize(cfg.Queue), sdk.WithMaxExportBatchSize(min(maxBatch, cfg.Queue)),
		sdk.WithBatchTimeout(2*time.Second), sdk.WithExportTimeout(45*time.Second))
	limits := sdk.NewSpanLimits()
	limits.AttributeValueLengthLimit, limits.AttributeCountLimit, limits.EventCountLimit, limits.LinkCountLimit = maxValue, 64, 16, 4
	p := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(out), sdk.WithResource(describe(cfg)), sdk.WithRawSpanLimits(limits),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.Sample))), sdk.WithoutPanicRecording(),
	)
	return &Provider{
		sdk: p, sample: cfg.Sample, trusted: cfg.Trusted,
		tracer: p.Tracer(Scope, trace.WithInstrumentationVersion(cfg.Version)),
	}
}

// maxValue cuts text of an attribute, in bytes.
const maxValue = 256

func describe(cfg Config) *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version),
		attribute.String("telemetry.sdk.name", "opentelemetry"), attribute.String("telemetry.sdk.language", "go"),
	}
	if cfg.Deployed != "" {
		attrs = append(attrs, attribute.String("deployment.environment.name", cfg.Deployed))
	}
	return resource.NewSchemaless(attrs...)
}

// Close sends what waits, until ctx ends, and stops.
func (p *Provider) Close(ctx context.Context) error {
	if err := p.sdk.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("sending the last spans: %w", err)
	}
	return nil
}

// Origin is where a call comes from, as far as it says so.
type Origin struct {
	Header SpanContext // named by the HTTP headers
	Meta   SpanContext // named by the message itself: nearer to who asked
	Client netip.Addr
}

// Start begins the span of a call. Its parent is what the message names, else
// what the headers name; if both do, the headers' is linked. A stranger's trace
// is continued, but whether it is recorded is for the gateway to decide: else
// anyone could fill the collector, or keep out of it.
func (p *Provider) Start(ctx context.Context, o Origin, name string, began time.Time, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(began), trace.WithAttributes(attrs...),
	}
	parent := o.Header
	if o.Meta.IsValid() {
		if parent.IsValid() && parent.SpanID() != o.Meta.SpanID() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: parent}))
		}
		parent = o.Meta
	}
	if parent.IsValid() {
		if !p.trusts(o.Client) {
			parent = parent.WithTraceFlags(parent.TraceFlags().WithSampled(rand.Float64() < p.sample))
		}
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	} else { // a program that embeds the gateway may be in a trace of its own, which is not this one's
		ctx = trace.ContextWithSpanContext(ctx, SpanContext{})
	}
	return p.tracer.Start(ctx, name, options...)
}

// Child begins a span inside the one that ctx holds.
func (p *Provider) Child(ctx context.Context, kind trace.SpanKind, name string, began time.Time, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return p.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began), trace.WithAttributes(attrs...))
}

func (p *Provider) trusts(a netip.Addr) bool {
	for _, prefix := range p.trusted {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Switch holds the provider in force. The zero Switch and nil hold none. It is
// safe for concurrent use.
type Switch struct{ now atomic.Pointer[Provider] }

// Load returns the provider in force, nil for none.
func (s *Switch) Load() *Provider {
	if s == nil {
		return nil
	}
	return s.now.Load()
}

// Use puts a provider into force, nil for none, and returns the one before.
func (s *Switch) Use(p *Provider) *Provider { return s.now.Swap(p) }
