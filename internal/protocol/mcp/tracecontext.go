package mcp

import (
	"bytes"

	"github.com/go-json-experiment/json"
)

// TraceContext returns the W3C trace context that the params of a request or
// notification carry in _meta (SEP-414), as written, and "" for what is not
// there or is no text. Their baggage is nobody's business here: it is not read,
// and travels on with the message like everything else.
func TraceContext(params []byte) (traceparent, tracestate string) {
	if !bytes.Contains(params, []byte(`"traceparent"`)) { // nearly always, and cheap
		return "", ""
	}
	var p struct {
		Meta struct {
			Traceparent any `json:"traceparent"`
			Tracestate  any `json:"tracestate"`
		} `json:"_meta"`
	}
	if err := json.Unmarshal(params, &p); err != nil { // params that are no object, or a _meta that is none
		return "", ""
	}
	traceparent, ok := p.Meta.Traceparent.(string)
	if !ok {
		return "", ""
	}
	tracestate, ok = p.Meta.Tracestate.(string)
	if !ok {
		return traceparent, ""
	}
	return traceparent, tracestate
}

// ToolFailed reports whether the result of a tools/call says of itself that the
// tool failed.
func ToolFailed(result []byte) bool {
	if !bytes.Contains(result, []byte(`"isError"`)) { // nearly always, and cheap
		return false
	}
	var r struct {
		IsError any `json:"isError"`
	}
	if err := json.Unmarshal(result, &r); err != nil { // no object
		return false
	}
	failed, _ := r.IsError.(bool)
	return failed
}
