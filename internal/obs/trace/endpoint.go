package trace

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// tracesPath is where OTLP/HTTP collectors take spans.
const tracesPath = "/v1/traces"

// Places where a collector may be named, first that counts most.
const (
	envTraces    = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" // as it is
	envCollector = "OTEL_EXPORTER_OTLP_ENDPOINT"        // /v1/traces is added
	envJaeger    = "JAEGER_ENDPOINT"                    // of the exporter that OpenTelemetry gave up in 2023
	envDisabled  = "OTEL_SDK_DISABLED"
	envExporter  = "OTEL_TRACES_EXPORTER"
	envProtocol  = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTracesPro = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	envCA        = "OTEL_EXPORTER_OTLP_CERTIFICATE"
	envTracesCA  = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"
)

// Endpoint decides where spans go: to what is configured, else to what the
// environment names. "" means nowhere: tracing is off. A warning says what was
// taken otherwise than it was written.
func Endpoint(configured string, getenv func(string) (string, bool)) (endpoint string, warnings []string, err error) {
	get := func(name string) string {
		if getenv == nil {
			return ""
		}
		v, _ := getenv(name)
		return strings.TrimSpace(v)
	}
	if configured != "" {
		if err := CheckEndpoint(configured); err != nil {
			return "", nil, err
		}
		return configured, nil, nil
	}
	if strings.EqualFold(get(envDisabled), "true") || get(envExporter) == "none" {
		return "", nil, nil
	}
	from, text, path := envTraces, get(envTraces), ""
	if text == "" {
		from, text, path = envCollector, get(envCollector), tracesPath
	}
	if text == "" {
		return fromJaeger(get(envJaeger))
	}
	for _, name := range [...]string{envProtocol, envTracesPro} {
		if p := get(name); p != "" && p != "http/protobuf" {
			warnings = append(warnings, fmt.Sprintf("%s=%q: spans are sent as http/protobuf, the only protocol there is", name, p))
		}
	}
	if err := CheckEndpoint(text); err != nil {
		return "", nil, fmt.Errorf("%s: %w", from, err)
	}
	return strings.TrimRight(text, "/") + path, warnings, nil
}

// CA decides which file holds the roots that the collector's certificate has to
// come from: what is configured, else what the environment names. "" means those
// of the system.
func CA(configured string, getenv func(string) (string, bool)) string {
	if configured != "" || getenv == nil {
		return configured
	}
	for _, name := range [...]string{envTracesCA, envCA} {
		if path, _ := getenv(name); strings.TrimSpace(path) != "" {
			return strings.TrimSpace(path)
		}
	}
	return ""
}

// CheckEndpoint says what is wrong with the address of a collector.
func CheckEndpoint(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New(`want a URL such as "http://127.0.0.1:4318/v1/traces"`) // the error of url.Parse repeats what may hold a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New(`want a URL such as "http://127.0.0.1:4318/v1/traces"`)
	case u.User != nil:
		return errors.New("credentials belong into headers, as a secret reference")
	case u.Port() == "4317":
		return errors.New("port 4317 is that of OTLP over gRPC: want OTLP over HTTP, which collectors take on port 4318")
	}
	return nil
}

// fromJaeger turns the address of a Jaeger collector's own protocol, which no
// OpenTelemetry library speaks any more, into that of its OTLP receiver.
func fromJaeger(text string) (endpoint string, warnings []string, err error) {
	if text == "" {
		return "", nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", nil, fmt.Errorf(`%s: want a URL such as "http://127.0.0.1:14268/api/traces"`, envJaeger)
	}
	u.RawQuery, u.Fragment = "", ""
	if u.Port() == "14268" {
		u.Host = strings.TrimSuffix(u.Host, ":14268") + ":4318"
	}
	if path := strings.TrimRight(u.Path, "/"); path == "" || path == "/api/traces" {
		u.Path = tracesPath
	}
	endpoint = u.String()
	return endpoint, []string{fmt.Sprintf("%s is of a protocol that OpenTelemetry gave up in 2023: spans are sent over OTLP to %s instead. Set telemetry.traces.endpoint or %s.", envJaeger, endpoint, envCollector)}, nil
}
