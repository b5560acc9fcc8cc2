// Package trace makes OpenTelemetry spans and sends them over OTLP/HTTP.
//
//	p, err := trace.Open(trace.Config{Endpoint: "http://127.0.0.1:4318/v1/traces", Sample: 1})
//	defer p.Close(ctx)
//	ctx, span := p.Start(ctx, trace.Origin{Header: trace.Parse(traceparent, tracestate)}, "tools/call", began)
//
// A span never waits for the collector: spans queue up to a bound, the rest is
// dropped and counted, and what the collector answers changes no call. The
// library's own error handler, which would write to standard error, is never
// reached: the exporter counts and logs its failures itself.
//
// A [Switch] holds the provider in force. An empty one costs one load.
package trace
