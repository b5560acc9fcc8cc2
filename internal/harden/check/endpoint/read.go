package endpoint

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
)

// member returns a member of a JSON object, nil without.
func member(raw []byte, name string) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o[name]
}

func hasMember(raw []byte, name string) bool { return member(raw, name) != nil }

// code is the error code of a JSON-RPC message, 0 without.
func code(message []byte) int {
	var m struct {
		Error struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(message, &m) != nil {
		return 0
	}
	return m.Error.Code
}

// message finds the JSON-RPC message in a body: the body itself, or the data of
// the first event of a stream that is an answer.
func message(contentType string, body []byte) []byte {
	if strings.HasPrefix(strings.ToLower(contentType), "text/event-stream") {
		for line := range bytes.Lines(body) {
			data, ok := bytes.CutPrefix(line, []byte("data:"))
			if !ok {
				continue
			}
			if data = bytes.TrimSpace(data); hasMember(data, "jsonrpc") && (hasMember(data, "result") || hasMember(data, "error")) {
				return data
			}
		}
		return nil
	}
	if body = bytes.TrimSpace(body); hasMember(body, "jsonrpc") {
		return body
	}
	return nil
}

// tools reads the answer to tools/list.
func tools(message []byte) []Tool {
	var m struct {
		Result struct {
			Tools []json.RawMessage `json:"tools"`
		} `json:"result"`
	}
	if json.Unmarshal(message, &m) != nil {
		return nil
	}
	var out []Tool
	for _, raw := range m.Result.Tools {
		var t struct {
			Name        string          `json:"name"`
			Schema      json.RawMessage `json:"inputSchema"`
			Annotations map[string]any  `json:"annotations"`
		}
		if json.Unmarshal(raw, &t) == nil {
			out = append(out, Tool{t.Name, raw, t.Schema, t.Annotations})
		}
	}
	return out
}

// texts returns all strings of a JSON text with where they stand, bounded.
func texts(where string, raw []byte) []Text {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	var out []Text
	walk(where, v, 0, &out)
	return out
}

const (
	maxTexts = 20_000
	maxDepth = 64
)

func walk(where string, v any, depth int, out *[]Text) {
	if depth > maxDepth || len(*out) >= maxTexts {
		return
	}
	switch v := v.(type) {
	case string:
		*out = append(*out, Text{where, v})
	case []any:
		for _, e := range v {
			walk(where, e, depth+1, out)
		}
	case map[string]any:
		for name, e := range v {
			*out = append(*out, Text{where, name})
			walk(where+"."+name, e, depth+1, out)
		}
	}
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
