// Package otlp sends events as OpenTelemetry log records, in protobuf over
// HTTP.
package otlp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

// Config says where records go and what they say of their origin.
type Config struct {
	URL         string // of the collector; /v1/logs is added if it has no path
	Auth        post.Auth
	Service     string
	Version     string
	Environment string
	Host        string       // left out when empty
	Encoder     sink.Encoder // of the body
	TLS         post.TLS
}

// scope is what records say of the code that made them.
const scope = "github.com/portcullis-dev/portcullis/audit"

// maxDepth bounds how deep details nest that become attributes.
const maxDepth = 8

// Sender is a connection to a collector.
type Sender struct {
	cfg    Config
	url    string
	head   []byte // resource, of every request
	scope  []byte
	client *post.Client
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It connects when it has something to send.
func New(c Config) (*Sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("url: not a URL")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/logs"
	}
	client, err := post.New(c.TLS)
	if err != nil {
		return nil, err
	}
	s := &Sender{cfg: c, url: u.String(), client: client}
	r := &resourcepb.Resource{}
	for _, a := range [...][2]string{
		{"service.name", c.Service}, {"service.version", c.Version}, {"deployment.environment.name", c.Environment}, {"host.name", c.Host},
	} {
		if a[1] != "" {
			r.Attributes = append(r.Attributes, text(a[0], a[1]))
		}
	}
	if s.head, err = proto.Marshal(r); err != nil {
		return nil, fmt.Errorf("encoding the resource: %w", err)
	}
	if s.scope, err = proto.Marshal(&commonpb.InstrumentationScope{Name: scope, Version: c.Version}); err != nil {
		return nil, fmt.Errorf("encoding the scope: %w", err)
	}
	return s, nil
}

// Append appends the record of an event, framed as it is repeated in the
// request.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	body, err := s.cfg.Encoder.Append(nil, e)
	if err != nil {
		return dst, err
	}
	number, name := severity(e.Severity)
	r := &logspb.LogRecord{
		TimeUnixNano: nanos(e.Time), ObservedTimeUnixNano: nanos(e.Time),
		SeverityNumber: number, SeverityText: name,
		Body:       &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: string(body)}},
		EventName:  "portcullis." + strings.ToLower(string(e.Type)),
		Attributes: attributes(e),
	}
	if id, err := hex.DecodeString(e.TraceID); err == nil && len(id) == 16 {
		r.TraceId = id
	}
	out, err := proto.Marshal(r)
	if err != nil {
		return dst, fmt.Errorf("encoding a record: %w", err)
	}
	return field(dst, 2, out), nil // ScopeLogs.log_records
}

func nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

func severity(s portcullis.Severity) (logspb.SeverityNumber, string) {
	switch s {
	case portcullis.SeverityInfo:
		return logspb.SeverityNumber_SEVERITY_NUMBER_INFO, "INFO"
	case portcullis.SeverityWarn:
		return logspb.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	case portcullis.SeverityCritical:
		return logspb.SeverityNumber_SEVERITY_NUMBER_FATAL, "CRITICAL"
	default:
		return logspb.SeverityNumber_SEVERITY_NUMBER_ERROR, string(s)
	}
}

func text(name, value string) *commonpb.KeyValue {
	value = strings.ToValidUTF8(value, "�")
	return &commonpb.KeyValue{Key: strings.ToValidUTF8(name, "�"), Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// attributes are what a query filters on: the fields of the event by the names
// of the semantic conventions where there is one, and its details.
func attributes(e *portcullis.Event) []*commonpb.KeyValue {
	var out []*commonpb.KeyValue
	for _, a := range [...][2]string{
		{"log.record.uid", e.ID}, {"portcullis.type", string(e.Type)}, {"portcullis.outcome", string(e.Outcome)},
		{"user.id", e.Actor.ID}, {"portcullis.auth_method", e.Actor.Method}, {"portcullis.key_id", e.Actor.KeyID},
		{"user_agent.original", e.Actor.UserAgent}, {"portcullis.route", e.Route}, {"portcullis.resource", e.Resource},
		{"portcullis.action", e.Action}, {"portcullis.reason", e.Reason}, {"portcullis.request_id", e.RequestID},
	} {
		if a[1] != "" {
			out = append(out, text(a[0], a[1]))
		}
	}
	if e.Actor.IP.IsValid() {
		out = append(out, text("client.address", e.Actor.IP.String()))
	}
	if e.RiskScore != 0 {
		out = append(out, attribute("portcullis.risk_score", slog.IntValue(e.RiskScore), 0)...)
	}
	for _, d := range e.Details {
		out = append(out, attribute("portcullis.details."+d.Key, d.Value, 0)...)
	}
	return out
}

// attribute returns what a detail becomes; a group becomes one for each member.
func attribute(name string, v slog.Value, depth int) []*commonpb.KeyValue {
	v = v.Resolve()
	kv := &commonpb.KeyValue{Key: strings.ToValidUTF8(name, "�"), Value: &commonpb.AnyValue{}}
	switch v.Kind() {
	case slog.KindGroup:
		var out []*commonpb.KeyValue
		for _, a := range v.Group() {
			if depth < maxDepth {
				out = append(out, attribute(name+"."+a.Key, a.Value, depth+1)...)
			}
		}
		return out
	case slog.KindInt64:
		kv.Value.Value = &commonpb.AnyValue_IntValue{IntValue: v.Int64()}
	case slog.KindFloat64:
		kv.Value.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: v.Float64()}
	case slog.KindDuration:
		kv.Value.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: v.Duration().Seconds()}
	case slog.KindBool:
		kv.Value.Value = &commonpb.AnyValue_BoolValue{BoolValue: v.Bool()}
	default:
		if list, ok := v.Any().([]string); ok {
			values := &commonpb.ArrayValue{}
			for _, s := range list {
				values.Values = append(values.Values, text("", s).Value)
			}
			kv.Value.Value = &commonpb.AnyValue_ArrayValue{ArrayValue: values}
			break
		}
		return []*commonpb.KeyValue{text(name, v.String())}
	}
	return []*commonpb.KeyValue{kv}
}

// field appends a length-delimited field.
func field(dst []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), value)
}

// request returns the ExportLogsServiceRequest of a batch. Its one field and
// those around the records are framed by hand: each record is encoded already.
func (s *Sender) request(items []sink.Item) []byte {
	records := field(nil, 1, s.scope) // ScopeLogs.scope
	for _, i := range items {
		records = append(records, i.Data...)
	}
	logs := field(field(nil, 1, s.head), 2, records) // ResourceLogs.resource, .scope_logs
	return field(nil, 1, logs)                       // ExportLogsServiceRequest.resource_logs
}

// Send posts a batch.
func (s *Sender) Send(ctx context.Context, items []sink.Item) error {
	h := http.Header{"Content-Type": {"application/x-protobuf"}}
	secret, err := s.cfg.Auth.Apply(h)
	if err != nil {
		return err
	}
	got, err := s.client.Do(ctx, post.Request{URL: s.url, Header: h, Body: s.request(items), Secret: secret})
	if err != nil {
		return err
	}
	n, why, err := rejected(got.Body)
	if err != nil {
		return &sink.Error{Fault: sink.Misconfigured, Err: fmt.Errorf("the answer is not that of a collector: %w", err)}
	}
	if n <= 0 {
		return nil // a message without a number is advice
	}
	return partly(len(items), n, post.Excerpt([]byte(why), secret))
}

// partly says what a partial success means. The collector tells how many
// records it rejected, not which, and the protocol forbids to send them again:
// all of the batch become dead letters, from where an operator can.
func partly(items int, n int64, why string) error {
	out := &sink.ItemsError{Refused: map[int]string{}}
	for i := range items {
		out.Refused[i] = fmt.Sprintf("the collector rejected %d of the %d events of its batch: %s", n, items, why)
	}
	return out
}

// rejected reads ExportLogsServiceResponse.partial_success.
func rejected(body []byte) (n int64, why string, err error) {
	err = fields(body, func(number protowire.Number, value []byte, _ uint64) error {
		if number != 1 {
			return nil
		}
		return fields(value, func(number protowire.Number, value []byte, v uint64) error {
			switch number {
			case 1:
				n = int64(v) //nolint:gosec // it is an int64 on the wire
			case 2:
				why = string(value)
			}
			return nil
		})
	})
	return n, why, err
}

// fields calls f for each field of a message, with its bytes or its number.
func fields(b []byte, f func(protowire.Number, []byte, uint64) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var value []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := f(number, value, v); err != nil {
			return err
		}
	}
	return nil
}

// Close ends connections.
func (s *Sender) Close() error { return s.client.Close() }
