package guard

import (
	"bytes"
	"encoding/json"
	"strings"
)

// camel rewrites member names from snake_case: that is how version 0.3 is
// written over HTTP+JSON by some SDKs, the official one among them. Two names
// that become one are refused: readers would not agree on which counts.
func camel(data []byte) ([]byte, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, false
	}
	v, ok := camelValue(v)
	if !ok {
		return nil, false
	}
	out, err := json.Marshal(v)
	return out, err == nil
}

func camelValue(v any) (any, bool) {
	ok := true
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			name = camelName(name)
			if _, twice := out[name]; twice {
				return nil, false
			}
			if out[name], ok = camelValue(inner); !ok {
				return nil, false
			}
		}
		return out, true
	case []any:
		for i := range v {
			if v[i], ok = camelValue(v[i]); !ok {
				return nil, false
			}
		}
	}
	return v, true
}

// camelName does what the SDK does.
func camelName(s string) string {
	first, rest, found := strings.Cut(s, "_")
	if !found {
		return s
	}
	var b strings.Builder
	b.WriteString(first)
	for part := range strings.SplitSeq(rest, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
