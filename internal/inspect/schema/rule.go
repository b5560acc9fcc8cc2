package schema

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Part is what of a message a rule is about.
type Part string

// The parts.
const (
	Arguments Part = "arguments" // of a call, params.arguments; absent counts as {}
	Params    Part = "params"    // of what a caller sends; absent counts as {}
	Result    Part = "result"    // of what the server answers
	Event     Part = "event"     // params of what the server sends unasked, as in a stream
)

// Parts returns the words for the parts.
func Parts() []string {
	return []string{string(Arguments), string(Params), string(Result), string(Event)}
}

// Rule holds a part of messages to a schema that an operator gave.
type Rule struct {
	Part   Part
	Method string   // of the request, or of the notification
	Tools  []string // patterns; empty = any target
	Warn   bool     // note a failure and let the message pass
	Schema *Schema
}

// applies reports whether a rule is about a message, and a tool or other target
// that the message names.
func (r *Rule) applies(m *portcullis.Message, target string) bool {
	toServer := r.Part == Arguments || r.Part == Params
	if toServer != (m.Direction == portcullis.ToServer) || r.Method != m.Method {
		return false
	}
	switch m.Shape {
	case portcullis.ShapeRequest, portcullis.ShapeNotification:
		if r.Part == Result {
			return false
		}
	case portcullis.ShapeResult:
		if r.Part != Result {
			return false
		}
	default:
		return false
	}
	if len(r.Tools) == 0 {
		return true
	}
	for _, pattern := range r.Tools {
		if fits(pattern, target) {
			return true
		}
	}
	return false
}

// fits matches a name with a pattern in which * stands for any text.
func fits(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	if !ok {
		return false
	}
	pieces := strings.Split(rest, "*")
	last := pieces[len(pieces)-1]
	for _, piece := range pieces[:len(pieces)-1] {
		_, after, ok := strings.Cut(name, piece)
		if !ok {
			return false
		}
		name = after
	}
	return strings.HasSuffix(name, last)
}

// Load compiles the schema of a file.
func Load(path string) (*Schema, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("reading the schema: is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSchemaBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	s, err := Compile(raw, Options{Trusted: true})
	if err != nil {
		return nil, fmt.Errorf("the schema %w", err)
	}
	return s, nil
}
