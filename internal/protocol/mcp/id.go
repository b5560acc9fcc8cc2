package mcp

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// SameID reports whether two raw ids, as [Parse] returns them, are the same id.
// Strings are compared by what they say: a server may escape them otherwise
// than its client did. No id equals nothing, not even no id.
func SameID(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	if a[0] != '"' || b[0] != '"' {
		return false
	}
	x, err := jsontext.AppendUnquote(nil, a)
	if err != nil {
		return false
	}
	y, err := jsontext.AppendUnquote(nil, b)
	return err == nil && bytes.Equal(x, y)
}
