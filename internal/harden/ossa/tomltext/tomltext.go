// Package tomltext writes configuration of which parts come from strangers.
//
// Every value is quoted, a ${ in it means itself, and a comment stays on its
// line, so that nothing that a stranger wrote can become a key or read a
// variable.
package tomltext

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Writer collects the text.
type Writer struct{ text strings.Builder }

// String returns what was written.
func (w *Writer) String() string { return w.text.String() }

// Comment writes a line of its own.
func (w *Writer) Comment(format string, a ...any) {
	w.text.WriteString("# " + oneLine(fmt.Sprintf(format, a...)) + "\n")
}

// Table writes the head of a table, which is ours.
func (w *Writer) Table(head string) { w.text.WriteString("\n" + head + "\n") }

// Set writes a key, which is ours, its value, which is quoted already, and
// where it comes from.
func (w *Writer) Set(key, value, from string) {
	w.text.WriteString(key + " = " + value)
	if from != "" {
		w.text.WriteString(" # " + oneLine(from))
	}
	w.text.WriteByte('\n')
}

// oneLine keeps a comment on its line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

// Text returns a value.
func Text(s string) string { return tomlstrict.QuoteValue(s) }

// List returns a list of values.
func List(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Text(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
