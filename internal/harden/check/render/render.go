// Package render writes an outcome: as text for people at a terminal, JSON and
// SARIF for programs, JUnit for pipelines, Markdown for comments, HTML for
// readers and archives.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Formats are the names of the formats.
func Formats() []string { return []string{"text", "json", "sarif", "junit", "html", "markdown"} }

// Write writes an outcome in one of the formats. colour is for text.
func Write(w io.Writer, format string, o outcome.Outcome, colour bool) error {
	switch format {
	case "text":
		return Text(w, o, colour)
	case "json":
		return writeJSON(w, o)
	case "sarif":
		return SARIF(w, o)
	case "junit":
		return JUnit(w, o)
	case "html":
		return HTML(w, o)
	case "markdown":
		return Markdown(w, o)
	}
	return fmt.Errorf("%q: want %s", format, strings.Join(Formats(), ", "))
}

func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if _, err := io.WriteString(w, escaped(b.String())); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// escaped writes signs of JSON text that nobody sees, such as those that turn
// the direction of text, as \u escapes: the same value, told to whoever reads it.
func escaped(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		if r == '\n' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// place is where a finding is, as editors take it: "Dockerfile:3:1".
func place(f check.Finding) string {
	switch {
	case f.File == "":
		return f.Pointer
	case f.Line == 0:
		return f.File
	case f.Column == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// plain takes out of a text what could steer a terminal or break a line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			return r
		}
		if r == '\n' || r == '\t' {
			return ' '
		}
		return '\uFFFD'
	}, s)
}

// references are the rows, items and weaknesses that a rule stands for.
func references(m rule.Meta) []string {
	out := append([]string{}, m.Guides...)
	out = append(out, m.OWASP...)
	if m.CoSAI > 0 {
		out = append(out, "CoSAI "+m.CoSAI.String())
	}
	out = append(out, m.Threats...)
	return append(out, m.CWE...)
}

// many words a number of things.
func many(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// verdicts counts the verdicts of a target.
func verdicts(t check.TargetReport) map[rule.Verdict]int {
	out := map[rule.Verdict]int{}
	for _, r := range t.Results {
		out[r.Verdict]++
	}
	return out
}
