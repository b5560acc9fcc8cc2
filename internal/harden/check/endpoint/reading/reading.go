// Package reading reads what addresses answer: messages of JSON-RPC, tools and
// Texts in them, challenges, ids of sessions, and the signs by which files and
// the insides of programs are known. All of it is bytes of strangers.
package reading

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"regexp"
	"strings"
)

// Tool is a tool as the server describes it.
type Tool struct {
	Name        string
	Raw         []byte
	Schema      []byte
	Annotations map[string]any
}

// Text is something that a model would read, and where it stands.
type Text struct{ Where, Text string }

// Member returns a member of a JSON object, nil without.
func Member(raw []byte, name string) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o[name]
}

// HasMember reports whether a JSON object has a member.
func HasMember(raw []byte, name string) bool { return Member(raw, name) != nil }

// Code is the error code of a JSON-RPC message, 0 without.
func Code(message []byte) int {
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

// Message finds the JSON-RPC message in a body: the body itself, or the data of
// the first event of a stream that is an answer.
func Message(contentType string, body []byte) []byte {
	if strings.HasPrefix(strings.ToLower(contentType), "text/event-stream") {
		for line := range bytes.Lines(body) {
			data, ok := bytes.CutPrefix(line, []byte("data:"))
			if !ok {
				continue
			}
			if data = bytes.TrimSpace(data); HasMember(data, "jsonrpc") && (HasMember(data, "result") || HasMember(data, "error")) {
				return data
			}
		}
		return nil
	}
	if body = bytes.TrimSpace(body); HasMember(body, "jsonrpc") {
		return body
	}
	return nil
}

// Tools reads the answer to tools/list.
func Tools(message []byte) []Tool {
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

// Texts returns all strings of a JSON text with where they stand, bounded.
func Texts(where string, raw []byte) []Text {
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

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Parameter reads a parameter of a challenge.
func Parameter(challenge, name string) string {
	_, rest, ok := strings.Cut(challenge, name+"=")
	if !ok {
		return ""
	}
	if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
		value, _, _ := strings.Cut(quoted, `"`)
		return value
	}
	value, _, _ := strings.Cut(rest, ",")
	return strings.TrimSpace(value)
}

// Bits estimates what an id holds from the letters that it is made of: its
// length times what one of them can say, at most.
func Bits(id string) float64 {
	count := map[rune]int{}
	n := 0
	for _, r := range id {
		count[r]++
		n++
	}
	var sum float64
	for _, c := range count {
		p := float64(c) / float64(n)
		sum -= p * math.Log2(p)
	}
	return sum * float64(n)
}

// Alike reports whether two ids differ in so few places that one tells the
// other.
func Alike(a, b string) bool {
	if len(a) != len(b) {
		return a == b
	}
	differ := 0
	for i := range len(a) {
		if a[i] != b[i] {
			differ++
		}
	}
	return differ < 8
}

// inside is what an error tells of a program.
var inside = regexp.MustCompile(`(?i)(\n\s+at [\w.$<>]+ ?\(|Traceback \(most recent call last\)|goroutine \d+ \[|panic: |node_modules[/\\]|\.(?:js|ts|py|go|java|rb|php):\d+|/(?:home|Users|usr/src|usr/lib|var/www|opt|srv)/[\w.-]+/|[A-Z]:\\\\?[\w ]+\\|SQLSTATE|ORA-\d{5}|(?:Express|nginx|Apache|Werkzeug|Django|Tomcat|Python|PHP|Node\.js)/\d)`)

// Inside returns what a text tells of the inside of a program, or nothing.
func Inside(text string) string { return inside.FindString(text) }

var (
	variable = regexp.MustCompile(`(?m)^(?:export )?[A-Z][A-Z0-9_]*=`)
	head     = regexp.MustCompile(`^(?:ref: refs/|[0-9a-f]{40}\s*$)`)
)

// EnvFile reports whether a body is a file of variables, and no page.
func EnvFile(body []byte) bool {
	return variable.Match(body) && !bytes.Contains(bytes.ToLower(body), []byte("<html"))
}

// GitHead reports whether a body is the HEAD of a repository.
func GitHead(body []byte) bool { return head.Match(body) }
