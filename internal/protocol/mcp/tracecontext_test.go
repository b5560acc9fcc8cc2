package mcp

import (
	"bytes"
	"testing"
)

func TestTraceContext(t *testing.T) {
	for params, want := range map[string][2]string{
		``:   {},
		`{}`: {},
		`{"_meta":{"traceparent":"a","tracestate":"b","baggage":"c"}}`:                    {"a", "b"},
		`{"name":"x","_meta":{"tracestate":"b","traceparent":"a"},"arguments":{}}`:        {"a", "b"},
		`{"_meta":{"traceparent":"a"}}`:                                                   {"a", ""},
		`{"_meta":{"traceparent":"a","tracestate":5}}`:                                    {"a", ""},
		`{"_meta":{"traceparent":5,"tracestate":"b"}}`:                                    {},
		`{"_meta":{"tracestate":"b"}}`:                                                    {},
		`{"_meta":{"Traceparent":"a"}}`:                                                   {},
		`{"_meta":{"x/traceparent":"a","y":"\"traceparent\""}}`:                           {},
		`{"_meta":"traceparent"}`:                                                         {},
		`["traceparent"]`:                                                                 {},
		`{"traceparent":"a"}`:                                                             {},
		`{"arguments":{"_meta":{"traceparent":"a"}}}`:                                     {},
		`{"arguments":{"traceparent":"x"},"_meta":{"deep":{"traceparent":"y"}}}`:          {},
		`{"arguments":{"_meta":{"traceparent":"x"}},"_meta":{"traceparent":"\u0061"}}`:    {"a", ""},
		`{"_meta":{"traceparent":null,"tracestate":null}}`:                                {},
		`{"_meta":{"traceparent":"a","traceparent":"b"}}`:                                 {}, // the gateway refuses it anyway
		`{"_meta":{"traceparent":"a"}`:                                                    {},
		`{"_meta":{"progressToken":1,"traceparent":"a","io.modelcontextprotocol/x":[1]}}`: {"a", ""},
	} {
		if parent, state := TraceContext([]byte(params)); parent != want[0] || state != want[1] {
			t.Errorf("%s: %q %q, want %q", params, parent, state, want)
		}
	}
}

// FuzzTraceContext: whatever params are, reading them changes and breaks
// nothing, and what is found stood there.
func FuzzTraceContext(f *testing.F) {
	f.Add([]byte(`{"_meta":{"traceparent":"a","tracestate":"b"}}`))
	f.Add([]byte(`{"_meta":{"traceparent":{}}}`))
	f.Add([]byte(`"traceparent"`))
	f.Fuzz(func(t *testing.T, params []byte) {
		before := bytes.Clone(params)
		parent, state := TraceContext(params)
		if !bytes.Equal(before, params) {
			t.Fatal("params changed")
		}
		if (parent != "" || state != "") && !bytes.Contains(params, []byte(`"traceparent"`)) || len(parent)+len(state) > 3*len(params) {
			t.Fatalf("%q: found %q %q", params, parent, state)
		}
	})
}

func BenchmarkTraceContext(b *testing.B) {
	params := []byte(`{"name":"echo","arguments":{"text":"hello"},"_meta":{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}`)
	b.ReportAllocs()
	for b.Loop() {
		TraceContext(params)
	}
}

func TestToolFailed(t *testing.T) {
	for text, want := range map[string]bool{
		`{"content":[],"isError":true}`: true, `{"isError": false}`: false, `{"content":[]}`: false, `{"isError":"true"}`: false,
		`{"content":[{"type":"text","text":"\"isError\":true"}]}`: false, `{"structuredContent":{"isError":true}}`: false,
		`[{"isError":true}]`: false, `{"isError":true`: false, ``: false,
	} {
		if got := ToolFailed([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
