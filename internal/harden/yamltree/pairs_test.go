package yamltree

import (
	"encoding/json"
	"testing"
)

// What JSON writes in two halves is read as JSON means it.
func TestPairs(t *testing.T) {
	for _, text := range []string{
		`{"a": "\ud83d\ude00"}`, `{"a": "x\udb40\udc49y"}`, ` {"a": "\\ud83d\\ude00"}`, `{"a": "\\\ud83d\ude00\n"}`, `{"a": "\u00e9"}`, `{"a": "\uD83D\uDE00\uD83D\uDE00"}`,
	} {
		var want map[string]string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		n, err := Parse("m", []byte(text))
		if err != nil || n.Get("a").Raw() != want["a"] {
			t.Errorf("%s: %q %v, want %q", text, n.Get("a").Raw(), err, want["a"])
		}
		docs, err := Stream("m", []byte(text))
		if err != nil || len(docs) != 1 || docs[0].Get("a").Raw() != want["a"] {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, wrong := range []string{`{"a": "\ud83d"}`, `{"a": "\ude00\ud83d"}`, `{"a": "\ud83d\u0041"}`, `{"a": "\ud83d\ude0"}`, `{"a": "\ud83d\`} {
		if n, err := Parse("m", []byte(wrong)); err == nil {
			t.Errorf("%s: %v", wrong, n.Plain())
		}
	}
}
