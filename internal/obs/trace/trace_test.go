package trace

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	meta   = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct{ parent, state, want, wantState string }{
		"plain":            {theirs, "", theirs, ""},
		"state":            {theirs, "a=1,b=2", theirs, "a=1,b=2"},
		"long state":       {theirs, "a=" + strings.Repeat("x", 511), theirs, ""},
		"bad state":        {theirs, "a", theirs, ""},
		"empty":            {"", "a=1", "", ""},
		"upper case":       {strings.ToUpper(theirs), "", "", ""},
		"zero trace":       {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "", "", ""},
		"zero span":        {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "", "", ""},
		"version ff":       {"ff" + theirs[2:], "", "", ""},
		"version 00, more": {theirs + "-00", "", "", ""},
		"later version":    {"cc" + theirs[2:] + "-what", "", theirs, ""},
		"long":             {"cc" + theirs[2:] + "-" + strings.Repeat("x", 200), "", "", ""},
		"not hexadecimal":  {"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", "", "", ""},
		"injected":         {theirs + "\r\nX: y", "", "", ""},
		"unknown flags":    {theirs[:53] + "f0", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			parent, state := Format(Parse(c.parent, c.state))
			if parent != c.want || state != c.wantState {
				t.Errorf("got %q %q, want %q %q", parent, state, c.want, c.wantState)
			}
		})
	}
}

// FuzzParse: what is read of a stranger is nothing, or reads the same again,
// and never grows.
func FuzzParse(f *testing.F) {
	f.Add(theirs, "a=1,b=2")
	f.Add("cc"+theirs[2:]+"-what", "tenant@system=x")
	f.Add("00--", ",,=")
	f.Fuzz(func(t *testing.T, parent, state string) {
		sc := Parse(parent, state)
		p, s := Format(sc)
		if len(p) > 55 || len(s) > maxTracestate+64 || strings.ContainsAny(p+s, "\r\n\x00") {
			t.Fatalf("%q %q became %q %q", parent, state, p, s)
		}
		if again, _ := Format(Parse(p, s)); again != p {
			t.Fatalf("%q reads as %q", p, again)
		}
	})
}

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		configured string
		env        func(string) (string, bool)
		want       string
		warn, err  string
	}{
		"nothing":               {"", nil, "", "", ""},
		"configured":            {"https://c.example/v1/traces", env("JAEGER_ENDPOINT", "http://j:14268/api/traces", "OTEL_SDK_DISABLED", "true"), "https://c.example/v1/traces", "", ""},
		"collector":             {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), "http://c:4318/v1/traces", "", ""},
		"collector with a path": {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp"), "https://c/otlp/v1/traces", "", ""},
		"traces":                {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:4318/x"), "http://t:4318/x", "", ""},
		"disabled":              {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_SDK_DISABLED", "TRUE"), "", "", ""},
		"no exporter":           {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_TRACES_EXPORTER", "none"), "", "", ""},
		"grpc asked for":        {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "http://c:4318/v1/traces", "the only protocol", ""},
		"grpc port":             {"", env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"), "", "", "OTLP over gRPC"},
		"jaeger":                {"", env("JAEGER_ENDPOINT", "http://localhost:14268/api/traces"), "http://localhost:4318/v1/traces", "gave up in 2023", ""},
		"jaeger, IPv6":          {"", env("JAEGER_ENDPOINT", "http://[::1]:14268/api/traces"), "http://[::1]:4318/v1/traces", "OTLP to http://[::1]:4318/v1/traces", ""},
		"jaeger behind a proxy": {"", env("JAEGER_ENDPOINT", "https://jaeger.example/otlp?format=x"), "https://jaeger.example/otlp", "gave up", ""},
		"jaeger, no URL":        {"", env("JAEGER_ENDPOINT", "localhost"), "", "", "JAEGER_ENDPOINT"},
		"password":              {"http://u:hunter2@c:4318/v1/traces", nil, "", "", "secret reference"},
		"no URL":                {"http://hun\x7fter2", nil, "", "", "want a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := Endpoint(c.configured, c.env)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v", got, err)
			}
			if all := strings.Join(warnings, "\n"); (all == "") != (c.warn == "") || !strings.Contains(all, c.warn) {
				t.Errorf("warnings %q", all)
			}
			if err != nil && strings.Contains(err.Error(), "hun") {
				t.Error("the error shows the URL")
			}
		})
	}
}

// kept is an exporter that keeps spans, and may fail or stand still.
type kept struct {
	mu    sync.Mutex
	spans []sdk.ReadOnlySpan
	err   error
	stuck chan struct{}
}

func (k *kept) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	if k.stuck != nil {
		<-k.stuck
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, spans...)
	return k.err
}

func (*kept) Shutdown(context.Context) error { return nil }

type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) count(result string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[result] += n
}

func TestParents(t *testing.T) {
	for name, c := range map[string]struct {
		origin       Origin
		trace        string
		parent, link string
	}{
		"none":    {Origin{}, "", "0000000000000000", ""},
		"header":  {Origin{Header: Parse(theirs, "a=1")}, theirs[3:35], theirs[36:52], ""},
		"meta":    {Origin{Meta: Parse(meta, "")}, meta[3:35], meta[36:52], ""},
		"both":    {Origin{Header: Parse(theirs, ""), Meta: Parse(meta, "")}, meta[3:35], meta[36:52], theirs[36:52]},
		"same":    {Origin{Header: Parse(theirs, ""), Meta: Parse(theirs, "")}, theirs[3:35], theirs[36:52], ""},
		"unknown": {Origin{Header: Parse("x", ""), Meta: Parse("", "a=1")}, "", "0000000000000000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out := new(kept)
			p := open(Config{Sample: 1}, out)
			_, span := p.Start(t.Context(), c.origin, "x", time.Now())
			span.End()
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := out.spans[0]
			if id := got.SpanContext().TraceID().String(); c.trace != "" && id != c.trace {
				t.Errorf("trace %s, want %s", id, c.trace)
			}
			if id := got.Parent().SpanID().String(); id != c.parent {
				t.Errorf("parent %s, want %s", id, c.parent)
			}
			var link string
			if l := got.Links(); len(l) > 0 {
				link = l[0].SpanContext.SpanID().String()
			}
			if link != c.link {
				t.Errorf("link %q, want %q", link, c.link)
			}
		})
	}
}

// TestSampling: strangers neither fill the collector nor keep out of it; whom
// the operator trusts decides.
func TestSampling(t *testing.T) {
	in := netip.MustParseAddr("10.1.2.3")
	out := netip.MustParseAddr("203.0.113.9")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	on, off := Parse(theirs, ""), Parse(theirs[:53]+"00", "")
	for name, c := range map[string]struct {
		sample float64
		origin Origin
		want   bool
	}{
		"stranger forces":      {0, Origin{Header: on, Client: out}, false},
		"stranger hides":       {1, Origin{Header: off, Client: out}, true},
		"stranger, in message": {0, Origin{Meta: on, Client: out}, false},
		"trusted on":           {0, Origin{Header: on, Client: in}, true},
		"trusted off":          {1, Origin{Header: off, Client: in}, false},
		"own":                  {1, Origin{Client: out}, true},
		"own, never":           {0, Origin{Client: in}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(Config{Sample: c.sample, Trusted: trusted}, new(kept))
			_, span := p.Start(t.Context(), c.origin, "x", time.Now())
			if got := span.SpanContext().IsSampled(); got != c.want {
				t.Errorf("sampled: %v", got)
			}
			if !span.SpanContext().IsValid() {
				t.Error("no trace id: it must be known whether or not spans are recorded")
			}
			span.End()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNeverWaits: a collector that stands still holds up nobody, what it has
// no room for is dropped, and every span is counted once.
func TestNeverWaits(t *testing.T) {
	const queue, spans = 64, 5000
	out, n := &kept{stuck: make(chan struct{})}, new(counts)
	p := open(Config{Sample: 1, Queue: queue, Count: n.count}, out)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range spans / 4 {
				_, s := p.Start(t.Context(), Origin{}, "x", time.Now())
				s.End()
			}
		})
	}
	wg.Wait() // would hang if a span waited
	close(out.stuck)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.n["exported"]+n.n["dropped"] != spans || n.n["exported"] < queue || n.n["dropped"] == 0 || n.n["failed"] != 0 {
		t.Errorf("%v", n.n)
	}
	if len(out.spans) != n.n["exported"] {
		t.Errorf("%d arrived, %v", len(out.spans), n.n)
	}
}

// TestFailureIsCounted: what a collector answers reaches the log once and
// clean, and nobody else.
func TestFailureIsCounted(t *testing.T) {
	var log strings.Builder
	out, n := &kept{err: errors.New("body: Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789")}, new(counts)
	p := open(Config{Sample: 1, Queue: 1024, Count: n.count, Log: slog.New(slog.NewTextHandler(&log, nil))}, out)
	for range 600 { // two batches
		_, s := p.Start(t.Context(), Origin{}, "x", time.Now())
		s.End()
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.n["failed"] != 600 {
		t.Errorf("%v", n.n)
	}
	if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "abcdefghijklm") {
		t.Error(log.String())
	}
}

func TestHeaders(t *testing.T) {
	var seen http.Header
	fail := errors.New("no secret")
	a := &authorized{
		base: roundTrip(func(r *http.Request) (*http.Response, error) {
			seen = r.Header
			return &http.Response{Body: io.NopCloser(strings.NewReader(""))}, nil
		}),
		header: func(context.Context) (http.Header, error) { return http.Header{"x-token": {"t"}}, nil },
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://c", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := a.RoundTrip(r)
	if err != nil || seen.Get("X-Token") != "t" || r.Header.Get("X-Token") != "" {
		t.Errorf("%v, %v", seen, err)
	}
	_ = resp.Body.Close()
	seen, a.header = nil, func(context.Context) (http.Header, error) { return nil, fail }
	if _, err := a.RoundTrip(r); !errors.Is(err, fail) || seen != nil { //nolint:bodyclose // there is none
		t.Errorf("sent without its credential: %v, %v", seen, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOpen(t *testing.T) {
	if _, err := Open(Config{Endpoint: "localhost:4318"}); err == nil {
		t.Error("no URL, no error")
	}
	var s *Switch
	if s.Load() != nil || new(Switch).Load() != nil {
		t.Error("an empty switch holds a provider")
	}
}

func BenchmarkSwitchOff(b *testing.B) {
	s := new(Switch)
	b.ReportAllocs()
	for b.Loop() {
		if s.Load() != nil {
			b.Fatal("on")
		}
	}
}

func BenchmarkSpan(b *testing.B) {
	p := open(Config{Sample: 1}, new(discarding))
	b.ReportAllocs()
	for b.Loop() {
		ctx, s := p.Start(b.Context(), Origin{}, "tools/call", time.Now())
		_, c := p.Child(ctx, trace.SpanKindInternal, "authz", time.Now())
		c.End()
		s.End()
	}
}

type discarding struct{}

func (*discarding) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return nil }
func (*discarding) Shutdown(context.Context) error                        { return nil }

// TestRoots: a collector is believed when its certificate comes from the
// configured roots, and not otherwise.
func TestRoots(t *testing.T) {
	took := make(chan struct{}, 8)
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { took <- struct{}{} }))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, ca := range [][]byte{root, nil} {
		c, err := client(Config{CA: ca, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Get(server.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != (ca != nil) {
			t.Errorf("with roots: %t, %v", ca != nil, err)
		}
	}
	if _, err := Open(Config{Endpoint: server.URL, Timeout: time.Second, CA: []byte("no certificate")}); err == nil {
		t.Error("roots that are none were taken")
	}
	env := map[string]string{envCA: "/a", envTracesCA: " /b "}
	get := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	if CA("/c", get) != "/c" || CA("", get) != "/b" || CA("", nil) != "" {
		t.Error("whose roots count")
	}
	if delete(env, envTracesCA); CA("", get) != "/a" {
		t.Error("the general variable")
	}
}
