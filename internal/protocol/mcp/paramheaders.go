package mcp

import (
	"maps"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Bounds of [NewParamHeaders] for a route, and on the path to a parameter.
const (
	DefaultParamTools   = 4096
	DefaultParamHeaders = 32
	maxParamPath        = 16
	maxHeaderName       = 128
)

// ParamHeaders knows which arguments of a route's tools clients mirror into
// Mcp-Param-… headers. It learns them from the x-mcp-header annotations in the
// answers to tools/list (2026-07-28, Custom Headers from Tool Parameters) and
// is safe for concurrent use.
//
// What a list says of a tool replaces what was known of that tool. Other tools
// stay as they were, because lists come in pages and show each caller only what
// the caller may use.
type ParamHeaders struct {
	maxTools, maxHeaders int
	mu                   sync.Mutex // held by Learn
	tools                atomic.Pointer[map[string][]paramHeader]
}

// paramHeader is an annotated parameter.
type paramHeader struct {
	field string   // canonical name of the header
	path  []string // names of the members that lead to the argument
}

// NewParamHeaders returns an empty table of at most maxTools tools that have
// at most maxHeaders annotated parameters each; 0 means the default. Beyond the
// first bound a tool is not learned; beyond the second it counts as invalid.
func NewParamHeaders(maxTools, maxHeaders int) *ParamHeaders {
	if maxTools <= 0 {
		maxTools = DefaultParamTools
	}
	if maxHeaders <= 0 {
		maxHeaders = DefaultParamHeaders
	}
	p := &ParamHeaders{maxTools: maxTools, maxHeaders: maxHeaders}
	p.tools.Store(&map[string][]paramHeader{})
	return p
}

// Learn takes in the answer to tools/list, a message that [Parse] accepted. A
// tool whose annotations break the rules of the specification is one that
// clients must not show, so nothing of it is recognized.
func (p *ParamHeaders) Learn(reply []byte) {
	l := lists["tools/list"]
	at, err := l.find(reply)
	if err != nil || at.Kind == jsonrpc.Absent {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.tools.Load()
	next := make(map[string][]paramHeader, len(old))
	maps.Copy(next, old)
	changed := false
	array := reply[at.Start:at.End]
	for it := jsonrpc.Walk(array); it.Next(); {
		entry := it.Value.Raw(array)
		name, ok := l.nameOf(entry)
		if !ok || len(name) > maxName {
			continue
		}
		headers := p.annotations(entry)
		if len(headers) == 0 {
			if _, had := next[name]; had {
				delete(next, name)
				changed = true
			}
			continue
		}
		if _, had := next[name]; had || len(next) < p.maxTools {
			next[name] = headers
			changed = true
		}
	}
	if changed {
		p.tools.Store(&next)
	}
}

// annotations returns the annotated parameters of a tool, none if one of the
// annotations is invalid.
func (p *ParamHeaders) annotations(tool []byte) []paramHeader {
	c := collector{most: p.maxHeaders}
	for it := jsonrpc.Walk(tool); it.Next(); {
		if it.Name.Is(tool, "inputSchema") {
			c.schema(it.Value.Raw(tool), 0)
		}
	}
	if c.invalid {
		return nil
	}
	return c.found
}

// collector walks the chain of properties of an input schema: annotations count
// only where they are "statically reachable" through properties alone.
type collector struct {
	path    []string
	found   []paramHeader
	most    int
	invalid bool
}

func (c *collector) schema(raw []byte, depth int) {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if !it.Name.Is(raw, "properties") || it.Value.Kind != jsonrpc.Object {
			continue
		}
		if depth == maxParamPath {
			return
		}
		properties := it.Value.Raw(raw)
		for sub := jsonrpc.Walk(properties); sub.Next(); {
			if sub.Value.Kind != jsonrpc.Object {
				continue
			}
			c.path = append(c.path, sub.Name.Text(properties))
			property := sub.Value.Raw(properties)
			c.property(property)
			c.schema(property, depth+1)
			c.path = c.path[:depth]
		}
	}
}

func (c *collector) property(raw []byte) {
	var kind, name string
	annotated := false
	for it := jsonrpc.Walk(raw); it.Next(); {
		switch {
		case it.Name.Is(raw, "type"):
			kind = it.Value.Text(raw)
		case it.Name.Is(raw, "x-mcp-header"):
			annotated, name = true, it.Value.Text(raw)
		}
	}
	if !annotated {
		return
	}
	primitive := kind == "string" || kind == "integer" || kind == "boolean"
	if !token(name) || !primitive || len(c.found) == c.most {
		c.invalid = true
		return
	}
	field := textproto.CanonicalMIMEHeaderKey(HeaderParamPrefix + name)
	for _, other := range c.found {
		c.invalid = c.invalid || other.field == field
	}
	path := append([]string(nil), c.path...)
	c.found = append(c.found, paramHeader{field: field, path: path})
}

// token reports whether s is a token of RFC 9110, section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxHeaderName
}

// Check holds the Mcp-Param-… headers that the route's tools are known to have
// to the arguments of a tools/call, after [CheckHeaders] found its revision.
// Of a modern request a header must be there for each annotated argument that
// is there and not null; of any request a header that is there must say what
// the argument says, integers compared as numbers, and there must be none for
// an argument that is absent or null. Headers that no annotation names pass,
// as RFC 9110 and the specification demand.
//
// The error is a *portcullis.Error with status 400, code -32020 and reason
// "header_mismatch".
func (p *ParamHeaders) Check(h http.Header, m *Parsed) error {
	if m.Method != "tools/call" {
		return nil
	}
	for _, header := range (*p.tools.Load())[m.Target.Name] {
		value, ok := single(h, header.field)
		if ok {
			value, ok = DecodeHeader(value)
		}
		if !ok {
			return mismatch("repeated or malformed Mcp-Param header")
		}
		argument := lookupArgument(m.Arguments, header.path)
		there := present(h, header.field)
		switch missing := argument == nil || string(argument) == "null"; {
		case missing && there:
			return mismatch("Mcp-Param header for an absent argument")
		case missing:
		case !there && Modern(m.Version):
			return mismatch("missing Mcp-Param header")
		case there && !says(value, argument):
			return mismatch("Mcp-Param header differs from the body")
		}
	}
	return nil
}

// Value returns what a Mcp-Param-… header of a tool must say of these
// arguments; ok is false if the header mirrors none that is there. It is for
// arguments that the gateway rewrote.
func (p *ParamHeaders) Value(tool, field string, arguments []byte) (value string, ok bool) {
	for _, header := range (*p.tools.Load())[tool] {
		if header.field != field {
			continue
		}
		switch argument := lookupArgument(arguments, header.path); {
		case len(argument) == 0 || string(argument) == "null" || argument[0] == '{' || argument[0] == '[':
			return "", false
		case argument[0] == '"':
			return EncodeHeader(jsonrpc.ValueOf(argument).Text(argument)), true
		default:
			return string(argument), true
		}
	}
	return "", false
}

// lookupArgument returns the raw value at a path of member names, nil if
// there is none.
func lookupArgument(raw []byte, path []string) []byte {
	for _, name := range path {
		it := jsonrpc.Walk(raw)
		var inner []byte
		if len(raw) > 0 && raw[0] == '{' {
			for it.Next() {
				if it.Name.Is(raw, name) {
					inner = it.Value.Raw(raw)
					break
				}
			}
		}
		if inner == nil {
			return nil
		}
		raw = inner
	}
	return raw
}

// says reports whether a header value and an argument say the same.
func says(value string, argument []byte) bool {
	switch argument[0] {
	case '"':
		return jsonrpc.ValueOf(argument).Is(argument, value)
	case 't', 'f':
		return value == string(argument)
	case '{', '[':
		return false
	}
	if value == string(argument) && strings.Trim(value, "0123456789") == "" && len(value) < 16 {
		return true
	}
	a, okA := safeInteger(value)
	b, okB := safeInteger(string(argument))
	return okA && okB && a == b
}

// safeInteger reads a number that is an integer "within the safe range for
// JavaScript", however it is written: 42, 42.0 and 4.2e1 are equal.
func safeInteger(s string) (int64, bool) {
	const most = 1<<53 - 1
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false // what ParseFloat reads beyond JSON: Inf, 0x1p4, 1_000
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != float64(int64(f)) || f > most || f < -most {
		return 0, false
	}
	return int64(f), true
}
