package obs

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// TestLinesOfCalls: a line says of which call and trace it is, once, where it or
// its context knows; and which part of the gateway speaks.
func TestLinesOfCalls(t *testing.T) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xab}, SpanID: trace.SpanID{1}})
	ctx := trace.ContextWithSpanContext(WithRequestID(t.Context(), "r1"), sc)
	id := sc.TraceID().String()
	for name, c := range map[string]struct {
		log  func(*slog.Logger)
		want map[string]string
	}{
		"nothing known":   {func(l *slog.Logger) { l.Info("m") }, map[string]string{"module": "obs", "request_id": "", "trace_id": ""}},
		"context":         {func(l *slog.Logger) { l.InfoContext(ctx, "m") }, map[string]string{"request_id": "r1", "trace_id": id}},
		"line":            {func(l *slog.Logger) { l.InfoContext(ctx, "m", "request_id", "r2", "trace_id", "t2") }, map[string]string{"request_id": "r2", "trace_id": "t2"}},
		"empty trace":     {func(l *slog.Logger) { l.Info("m", "request_id", "r2", "trace_id", "") }, map[string]string{"request_id": "r2", "trace_id": ""}},
		"logger":          {func(l *slog.Logger) { l.With("request_id", "r3").InfoContext(ctx, "m") }, map[string]string{"request_id": "r3"}},
		"module":          {func(l *slog.Logger) { Module(l, "x").Info("m") }, map[string]string{"module": "x"}},
		"module of line":  {func(l *slog.Logger) { l.Info("m", "module", "y") }, map[string]string{"module": "y"}},
		"only a request":  {func(l *slog.Logger) { l.InfoContext(WithRequestID(context.Background(), "r4"), "m") }, map[string]string{"request_id": "r4", "trace_id": ""}},
		"nobody's record": {func(l *slog.Logger) { _ = l.Handler().Handle(ctx, slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)) }, map[string]string{"module": "portcullis"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			c.log(NewLogger(&b, slog.LevelInfo, "json", LogOptions{}))
			var line map[string]any
			if err := json.Unmarshal([]byte(b.String()), &line); err != nil {
				t.Fatal(err)
			}
			for key, want := range c.want {
				if got, ok := line[key]; ok != (want != "") || ok && got != want {
					t.Errorf("%s = %v, want %q", key, got, want)
				}
				if strings.Count(b.String(), `"`+key+`"`) > 1 {
					t.Errorf("%s stands twice: %s", key, b.String())
				}
			}
		})
	}
	var b strings.Builder
	NewLogger(&b, slog.LevelInfo, "json", LogOptions{}).WithGroup("g").InfoContext(ctx, "m", "a", 1)
	if !strings.Contains(b.String(), `"g":{"a":1}`) {
		t.Errorf("inside a group: %s", b.String())
	}
}
