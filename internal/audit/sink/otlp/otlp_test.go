package otlp_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/otlp"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

// collector decodes what it gets with the messages of OpenTelemetry. LogsData
// is on the wire what ExportLogsServiceRequest is.
func collector(t *testing.T, answer func() []byte) (*httptest.Server, *[]*logspb.LogsData) {
	var got []*logspb.LogsData
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		data := &logspb.LogsData{}
		if err != nil || r.URL.Path != "/v1/logs" || r.Header.Get("Content-Type") != "application/x-protobuf" ||
			(proto.UnmarshalOptions{DiscardUnknown: false}).Unmarshal(body, data) != nil || len(data.ProtoReflect().GetUnknown()) > 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		got = append(got, data)
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer())
	}))
	t.Cleanup(s.Close)
	return s, &got
}

func newSender(t *testing.T, url string) *otlp.Sender {
	t.Helper()
	encoder, _ := format.ByName("json", format.Info{})
	s, err := otlp.New(otlp.Config{
		URL: url, Service: "portcullis", Version: "1.2.3", Environment: "production", Host: "gw", Encoder: encoder,
		Auth: post.Auth{Scheme: "Bearer", Secret: func() (string, error) { return "a-token", nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event() *portcullis.Event {
	return &portcullis.Event{
		ID: "0199", Time: time.Date(2026, 11, 22, 6, 15, 19, 123e6, time.UTC), Type: portcullis.EventAuthzDenied,
		Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		Actor: portcullis.Actor{ID: "al\xffice", IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "curl"}, RiskScore: 42,
		Details: []slog.Attr{
			slog.Int("status", 403), slog.Float64("z", math.Inf(1)), slog.Bool("phi", true), slog.Any("scopes", []string{"a", "b"}),
			slog.Group("rule", slog.String("name", "r1")), slog.Any("none", nil),
		},
	}
}

func items(t *testing.T, s sink.Sender, n int) []sink.Item {
	t.Helper()
	var buf []byte
	var out []sink.Item
	for range n {
		start := len(buf)
		var err error
		if buf, err = s.Append(buf, event()); err != nil {
			t.Fatal(err)
		}
		out = append(out, sink.Item{Event: event(), Data: buf[start:]})
	}
	return out
}

func TestRecords(t *testing.T) {
	srv, got := collector(t, func() []byte { return nil })
	s := newSender(t, srv.URL)
	if err := s.Send(t.Context(), items(t, s, 3)); err != nil {
		t.Fatal(err)
	}
	r := (*got)[0].ResourceLogs[0]
	if len((*got)[0].ResourceLogs) != 1 || len(r.ScopeLogs) != 1 || len(r.ScopeLogs[0].LogRecords) != 3 {
		t.Fatalf("%v", (*got)[0])
	}
	res := values(r.Resource.Attributes)
	if res["service.name"] != "portcullis" || res["service.version"] != "1.2.3" || res["deployment.environment.name"] != "production" || res["host.name"] != "gw" {
		t.Errorf("resource %v", res)
	}
	rec := r.ScopeLogs[0].LogRecords[2]
	if rec.TimeUnixNano != uint64(event().Time.UnixNano()) || rec.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_WARN ||
		rec.EventName != "portcullis.authz_denied" || hex.EncodeToString(rec.TraceId) != event().TraceID {
		t.Errorf("%v", rec)
	}
	var body struct{ ID, Type string }
	if err := json.Unmarshal([]byte(rec.Body.GetStringValue()), &body); err != nil || body.ID != "0199" || body.Type != "AUTHZ_DENIED" {
		t.Errorf("body %q, %v", rec.Body, err)
	}
	a := values(rec.Attributes)
	for name, want := range map[string]string{
		"user.id": "al�ice", "client.address": "192.0.2.1", "portcullis.risk_score": "42", "portcullis.details.status": "403",
		"portcullis.details.phi": "true", "portcullis.details.rule.name": "r1", "portcullis.details.scopes": "a b", "log.record.uid": "0199",
	} {
		if a[name] != want {
			t.Errorf("%s = %q, want %q", name, a[name], want)
		}
	}
}

func values(kvs []*commonpb.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range kvs {
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			out[kv.Key] = fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_BoolValue:
			out[kv.Key] = fmt.Sprint(v.BoolValue)
		case *commonpb.AnyValue_ArrayValue:
			var all []string
			for _, x := range v.ArrayValue.Values {
				all = append(all, x.GetStringValue())
			}
			out[kv.Key] = strings.Join(all, " ")
		}
	}
	return out
}

// TestPartialSuccess: a collector tells how many it rejected, not which.
func TestPartialSuccess(t *testing.T) {
	reply := func(n int64, why string) []byte {
		p := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(n))
		p = protowire.AppendString(protowire.AppendTag(p, 2, protowire.BytesType), why)
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), p)
	}
	var answer []byte
	srv, _ := collector(t, func() []byte { return answer })
	s := newSender(t, srv.URL)
	answer = reply(2, "too old\n")
	err := s.Send(t.Context(), items(t, s, 3))
	var each *sink.ItemsError
	if !errors.As(err, &each) || len(each.Refused) != 3 || each.Rest != nil || !strings.Contains(each.Refused[0], "2 of the 3") || !strings.Contains(each.Refused[0], "too old") {
		t.Errorf("%#v", err)
	}
	answer = reply(0, "be gentle")
	if err := s.Send(t.Context(), items(t, s, 3)); err != nil {
		t.Errorf("advice is no failure: %v", err)
	}
	answer = []byte("<html>")
	var wrong *sink.Error
	if err := s.Send(t.Context(), items(t, s, 3)); !errors.As(err, &wrong) || wrong.Fault != sink.Misconfigured {
		t.Errorf("%v", err)
	}
}
