// Package collector is an OTLP collector for tests: it reads what it gets as
// the protocol buffers of the specification and keeps the spans.
package collector

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Path is where spans are taken.
const Path = "/v1/traces"

// Span is a span with what its batch says of it.
type Span struct {
	*tracev1.Span
	Resource map[string]string
	Scope    string
}

// Collector keeps what it is sent.
type Collector struct {
	URL    string // where spans go
	Server *httptest.Server

	mu      sync.Mutex
	spans   []Span
	headers []http.Header
	status  int
	arrived chan struct{}
}

// Start starts a collector that ends with the test.
func Start(t testing.TB) *Collector {
	c := &Collector{status: http.StatusOK, arrived: make(chan struct{}, 1)}
	c.Server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.Server.Close)
	c.URL = c.Server.URL + Path
	return c
}

// Answer makes the collector answer with a status from now on.
func (c *Collector) Answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	data, err := io.ReadAll(io.LimitReader(body, 64<<20))
	var batch collectorv1.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(data, &batch)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != Path || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "no batch of spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header.Clone())
	if c.status != http.StatusOK {
		w.WriteHeader(c.status)
		return
	}
	for _, rs := range batch.GetResourceSpans() {
		resource := attributes(rs.GetResource().GetAttributes())
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				c.spans = append(c.spans, Span{s, resource, ss.GetScope().GetName()})
			}
		}
	}
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
}

// Spans returns the spans that came so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Headers returns the headers of each request so far.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...)
}

// Wait waits until n spans came and returns them.
func (c *Collector) Wait(t testing.TB, n int) []Span {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		if got := c.Spans(); len(got) >= n {
			return got
		}
		select {
		case <-c.arrived:
		case <-late:
			t.Fatalf("%d spans came, want %d", len(c.Spans()), n)
		}
	}
}

// Attributes returns the attributes of a span as text.
func (s Span) Attributes() map[string]string { return attributes(s.GetAttributes()) }

// Trace returns the id of the trace in hexadecimal digits.
func (s Span) Trace() string { return hex.EncodeToString(s.GetTraceId()) }

// ID returns the id of the span in hexadecimal digits.
func (s Span) ID() string { return hex.EncodeToString(s.GetSpanId()) }

// Parent returns the id of the parent in hexadecimal digits, "" for none.
func (s Span) Parent() string { return hex.EncodeToString(s.GetParentSpanId()) }

// Failed reports whether the span has the status Error, and its text.
func (s Span) Failed() (string, bool) {
	return s.GetStatus().GetMessage(), s.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR
}

func attributes(in []*commonv1.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range in {
		switch v := a.GetValue().GetValue().(type) {
		case *commonv1.AnyValue_StringValue:
			out[a.GetKey()] = v.StringValue
		default:
			out[a.GetKey()] = a.GetValue().String()
		}
	}
	return out
}
