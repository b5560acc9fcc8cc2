package trace

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

// outlet is both ends of the queue of spans: it drops what the queue has no
// room for and takes what the collector would not. It counts both, which the
// queue itself does not tell.
type outlet struct {
	inner   sdk.SpanExporter
	queue   sdk.SpanProcessor
	limit   int64
	waiting atomic.Int64
	count   func(result string, spans int)
	log     *slog.Logger
	failing atomic.Bool // the last export failed, and it was said
}

// OnStart implements [sdk.SpanProcessor].
func (o *outlet) OnStart(ctx context.Context, s sdk.ReadWriteSpan) { o.queue.OnStart(ctx, s) }

// OnEnd implements [sdk.SpanProcessor]. It never waits.
func (o *outlet) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if o.waiting.Add(1) > o.limit {
		o.waiting.Add(-1)
		o.tell("dropped", 1)
		return
	}
	o.queue.OnEnd(s)
}

// Shutdown implements [sdk.SpanProcessor].
func (o *outlet) Shutdown(ctx context.Context) error { return o.queue.Shutdown(ctx) }

// ForceFlush implements [sdk.SpanProcessor].
func (o *outlet) ForceFlush(ctx context.Context) error { return o.queue.ForceFlush(ctx) }

// drain is the end of the outlet that the queue sees.
type drain struct{ *outlet }

// ExportSpans implements [sdk.SpanExporter]. It never fails: what the library
// would do with an error is to write it to standard error.
func (d drain) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := d.inner.ExportSpans(ctx, spans)
	d.waiting.Add(-int64(len(spans)))
	if err == nil {
		d.tell("exported", len(spans))
		if d.failing.CompareAndSwap(true, false) && d.log != nil {
			d.log.InfoContext(ctx, "trace collector takes spans again")
		}
		return nil
	}
	d.tell("failed", len(spans))
	if d.failing.CompareAndSwap(false, true) && d.log != nil {
		d.log.WarnContext(ctx, "trace collector does not take spans; calls go on", "error", obs.Redact(err.Error()))
	}
	return nil
}

// Shutdown implements [sdk.SpanExporter].
func (d drain) Shutdown(ctx context.Context) error { return d.inner.Shutdown(ctx) }

func (o *outlet) tell(result string, n int) {
	if o.count != nil {
		o.count(result, n)
	}
}

// client speaks to the collector. It follows no redirect: credentials are for
// the address that was configured.
func client(cfg Config) (*http.Client, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost, base.IdleConnTimeout, base.ResponseHeaderTimeout = 1, time.Minute, cfg.Timeout
	base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA != nil {
		base.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !base.TLSClientConfig.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, errors.New("ca: the file holds no certificate")
		}
	}
	return &http.Client{
		Transport: &authorized{base: base, header: cfg.Header}, Timeout: cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// authorized adds the configured headers to each request.
type authorized struct {
	base   http.RoundTripper
	header func(context.Context) (http.Header, error)
}

var errHeader = errors.New("a header of the trace collector cannot be had")

// RoundTrip implements [http.RoundTripper].
func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.header == nil {
		return a.base.RoundTrip(r)
	}
	add, err := a.header(r.Context())
	if err != nil {
		return nil, errors.Join(errHeader, err)
	}
	r = r.Clone(r.Context())
	for name, values := range add {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return a.base.RoundTrip(r)
}
