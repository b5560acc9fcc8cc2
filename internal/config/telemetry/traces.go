package telemetry

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Traces is [telemetry.traces].
type Traces struct {
	Endpoint string            `toml:"endpoint" example:"\"http://127.0.0.1:4318/v1/traces\"" doc:"Where spans are sent: the whole URL of a collector's OTLP/HTTP receiver. Empty takes OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT or JAEGER_ENDPOINT from the environment, in this order; without any, nothing is traced."`
	Protocol string            `toml:"protocol" enum:"http/protobuf" doc:"Protocol that the collector speaks."`
	Sample   float64           `toml:"sample" doc:"Share of the calls that are recorded, from 0 to 1. A caller's own trace is continued, but does not decide."`
	Trusted  []string          `toml:"trusted" list:"text" example:"[\"10.0.0.0/8\"]" doc:"Addresses and CIDR ranges of callers whose trace decides whether the call is recorded."`
	Service  string            `toml:"service" doc:"Name of this service in traces."`
	Headers  map[string]string `toml:"headers" example:"{ Authorization = \"secret://env/OTLP_AUTHORIZATION\" }" doc:"Header fields of each request to the collector. A value is a secret reference or plain text that is no secret."`
	CA       string            `toml:"ca" example:"\"/etc/portcullis/collector-ca.pem\"" doc:"PEM file of the roots that the collector's certificate has to come from. Empty takes OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE or OTEL_EXPORTER_OTLP_CERTIFICATE from the environment, else the system's."`
	Timeout  time.Duration     `toml:"timeout" doc:"How long one request to the collector may take. Calls never wait for it."`
	Queue    int               `toml:"queue" doc:"Spans that may wait for the collector, about ten for each call. More are dropped and counted."`
	Gzip     bool              `toml:"gzip" doc:"Compress what is sent."`
}

// DefaultTraces returns the defaults of [telemetry.traces].
func DefaultTraces() Traces {
	return Traces{Protocol: "http/protobuf", Sample: 1, Service: "portcullis", Timeout: 10 * time.Second, Queue: trace.DefaultQueue, Gzip: true}
}

// maxQueue keeps a collector that is away from taking all memory.
const maxQueue = 1 << 20

// Validate checks [telemetry.traces].
func (t Traces) Validate() error {
	var errs []error
	if t.Endpoint != "" {
		if err := trace.CheckEndpoint(t.Endpoint); err != nil {
			errs = append(errs, fmt.Errorf("endpoint: %w", err)) // it may hold a password: not repeated
		}
	}
	if math.IsNaN(t.Sample) || t.Sample < 0 || t.Sample > 1 {
		errs = append(errs, fmt.Errorf("sample: %v: want a share from 0 to 1", t.Sample))
	}
	if _, err := t.Prefixes(); err != nil {
		errs = append(errs, err)
	}
	if t.Service == "" || len(t.Service) > 64 || !field.IsToken(t.Service) {
		errs = append(errs, fmt.Errorf("service: %q: want 1 to 64 letters, digits, dots, dashes or underscores", t.Service))
	}
	if t.Queue < 64 || t.Queue > maxQueue {
		errs = append(errs, fmt.Errorf("queue: %d: want 64 to %d", t.Queue, maxQueue))
	}
	for _, name := range t.names() {
		if !field.IsToken(name) || strings.EqualFold(name, "Host") || strings.EqualFold(name, "Content-Type") || strings.EqualFold(name, "Content-Length") {
			errs = append(errs, fmt.Errorf("headers: %q: want the name of a header field that the protocol does not set itself", name))
			continue
		}
		at := "headers: " + name
		switch text := t.Headers[name]; {
		case source.IsRef(text):
			if _, err := source.Parse(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", at, err))
			}
		case obs.SensitiveName(name):
			errs = append(errs, fmt.Errorf(`%s: want a secret reference, such as "secret://env/OTLP_AUTHORIZATION"`, at))
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
			errs = append(errs, fmt.Errorf("%s: has characters that no header may have", at))
		}
	}
	errs = append(errs, field.Between("timeout", t.Timeout, time.Second, time.Minute))
	return errors.Join(errs...)
}

func (t Traces) names() []string {
	var out []string
	for name := range t.Headers {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// References lists the secret references of [telemetry.traces].
func (t Traces) References() []secrets.Reference {
	var out []secrets.Reference
	for _, name := range t.names() {
		if text := t.Headers[name]; source.IsRef(text) {
			out = append(out, secrets.Reference{Field: "traces.headers: " + name, Text: text})
		}
	}
	return out
}

// Prefixes returns the trusted addresses.
func (t Traces) Prefixes() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for i, text := range t.Trusted {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, fmt.Errorf(`trusted[%d]: %q: want an address or a range such as "10.0.0.0/8"`, i, text)
		}
		out = append(out, p)
	}
	return out, nil
}
