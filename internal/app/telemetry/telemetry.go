// Package telemetry puts [telemetry] of a configuration into force: where traces
// go, and under which other names metrics are shown.
package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/config"
	conf "github.com/portcullis-dev/portcullis/internal/config/telemetry"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Telemetry is the part of the process that owns the provider of traces.
type Telemetry struct {
	env part.Env

	mu      sync.Mutex // guards what follows
	made    settings   // of the provider in force
	headers headers    // of the provider in force; secrets of the configuration in force
	closing sync.WaitGroup
}

// settings are what a provider is made of: another provider is made only when
// they change.
type settings struct {
	Endpoint, Environment string
	CA                    string // content of the file
	Traces                conf.Traces
}

// New returns the part.
func New(env part.Env) (part.Part, error) { return &Telemetry{env: env}, nil }

// Next implements [part.Part].
func (t *Telemetry) Next(_ context.Context, cfg *config.Config, secrets part.Secrets) (use func(), err error) {
	endpoint, warnings, err := trace.Endpoint(cfg.Telemetry.Traces.Endpoint, t.env.Getenv)
	if err != nil {
		return nil, fmt.Errorf("telemetry.traces: %w", err)
	}
	fields, err := read(cfg.Telemetry.Traces, secrets)
	if err != nil {
		return nil, fmt.Errorf("telemetry.traces: %w", err)
	}
	next := settings{Endpoint: endpoint, Environment: cfg.Server.Environment, Traces: cfg.Telemetry.Traces}
	if file := trace.CA(cfg.Telemetry.Traces.CA, t.env.Getenv); file != "" && endpoint != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("telemetry.traces: ca: %w", err)
		}
		next.CA = string(pem)
	}
	var provider *trace.Provider
	same := t.same(next)
	if !same && endpoint != "" {
		if provider, err = t.open(next); err != nil {
			return nil, fmt.Errorf("telemetry.traces: %w", err)
		}
	}
	aliases := cfg.Telemetry.Aliases
	return func() {
		t.env.Metrics.ShowAliases(aliases)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.headers = fields
		if same {
			return
		}
		for _, w := range warnings {
			t.env.Log.Warn("traces", "warning", w)
		}
		if provider != nil {
			t.env.Log.Info("calls are traced", "collector", endpoint, "sample", next.Traces.Sample)
		}
		t.made = next
		t.retire(t.env.Traces.Use(provider))
	}, nil
}

func (t *Telemetry) same(next settings) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return reflect.DeepEqual(t.made, next)
}

func (t *Telemetry) open(s settings) (*trace.Provider, error) {
	trusted, err := s.Traces.Prefixes()
	if err != nil {
		return nil, err
	}
	var roots []byte
	if s.CA != "" {
		roots = []byte(s.CA)
	}
	return trace.Open(trace.Config{
		CA:       roots,
		Endpoint: s.Endpoint, Service: s.Traces.Service, Version: t.env.Version, Deployed: s.Environment,
		Sample: s.Traces.Sample, Timeout: s.Traces.Timeout, Queue: s.Traces.Queue, Gzip: s.Traces.Gzip,
		Trusted: trusted, Header: t.header, Count: t.env.Metrics.Spans, Log: t.env.Log,
	})
}

// lastSpans is how long the end of a provider may take, at a reload and at the
// end of the process: a collector that is away does not hold it up.
const lastSpans = 3 * time.Second

// retire ends a provider that is not in force any more. Calls that still use it
// may lose their spans.
func (t *Telemetry) retire(p *trace.Provider) {
	if p == nil {
		return
	}
	t.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.env.Log.Warn("traces", "error", err)
		}
	})
}

// Run implements [part.Part]: it sends what is left when the process ends.
func (t *Telemetry) Run(ctx context.Context) {
	<-ctx.Done()
	t.mu.Lock()
	t.made = settings{}
	t.retire(t.env.Traces.Use(nil))
	t.mu.Unlock()
	t.closing.Wait()
}

// headers are the fields of each request to the collector.
type headers struct {
	plain  http.Header
	secret map[string]interface {
		Get() (text string, reading uint64, err error)
	}
}

func read(c conf.Traces, secrets part.Secrets) (headers, error) {
	h := headers{plain: http.Header{}, secret: map[string]interface {
		Get() (text string, reading uint64, err error)
	}{}}
	for name, text := range c.Headers {
		if !source.IsRef(text) {
			h.plain.Set(name, text)
			continue
		}
		s, err := secrets.Secret(text)
		if err != nil {
			return headers{}, fmt.Errorf("headers.%s: %w", name, err)
		}
		h.secret[name] = s
	}
	return h, nil
}

// header returns the fields of a request with the secrets as they are now.
func (t *Telemetry) header(context.Context) (http.Header, error) {
	t.mu.Lock()
	h := t.headers
	t.mu.Unlock()
	out := h.plain.Clone()
	for name, s := range h.secret {
		text, _, err := s.Get()
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		out.Set(name, text)
	}
	return out, nil
}
