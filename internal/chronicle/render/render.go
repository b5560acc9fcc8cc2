// Package render writes query results as Markdown and CSV. Titles and URLs were
// written by web pages: they are escaped so that they stay data in a document,
// a terminal or a spreadsheet.
package render

import (
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"
)

// untitled stands for an empty title.
const untitled = "(untitled)"

// markdownSpecial are the characters that mean something inside a line.
const markdownSpecial = "\\`*_[]<>|~&#!"

// Title escapes a title for Markdown. It holds no line break or control
// character; an empty one reads "(untitled)".
func Title(s string) string {
	if s == "" {
		return untitled
	}
	if !strings.ContainsAny(s, markdownSpecial) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := range len(s) {
		if strings.IndexByte(markdownSpecial, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// URL writes a sanitized URL for Markdown. Characters that could start a link
// or emphasis are percent-encoded, which a URL means the same by; the brackets
// of an IPv6 host stay.
func URL(u string) string {
	if !strings.ContainsAny(u, "[]()*<>`!") {
		return u
	}
	start := 0
	if i := strings.Index(u, "//["); i >= 0 && !strings.ContainsAny(u[:i], "/?#") {
		if end := strings.IndexByte(u[i:], ']'); end > 0 {
			start = i + end + 1
		}
	}
	var b strings.Builder
	b.WriteString(u[:start])
	for _, c := range []byte(u[start:]) {
		if strings.IndexByte("[]()*<>`!", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Item is one row of a Markdown list.
type Item struct {
	Title string
	URL   string   // "" leaves the line out
	Facts []string // further lines: "Timestamp: …"
}

// Markdown writes items as a list:
//
//   - **title**
//     URL: …
//     Timestamp: …
func Markdown(heading string, items []Item) string {
	var b strings.Builder
	if heading != "" {
		b.WriteString(heading)
		b.WriteString("\n\n")
	}
	for i, it := range items {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString("- **")
		b.WriteString(Title(it.Title))
		b.WriteString("**")
		if it.URL != "" {
			b.WriteString("\n  URL: ")
			b.WriteString(URL(it.URL))
		}
		for _, f := range it.Facts {
			b.WriteString("\n  ")
			b.WriteString(f)
		}
	}
	return b.String()
}

// CSV writes rows below a header (RFC 4180, CRLF). A field that a spreadsheet
// would take for a formula starts with an apostrophe.
func CSV(header []string, rows [][]string) (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.Write(header); err != nil {
		return "", fmt.Errorf("writing CSV: %w", err)
	}
	record := make([]string, len(header))
	for _, row := range rows {
		record = record[:0]
		for _, f := range row {
			record = append(record, Field(f))
		}
		if err := w.Write(record); err != nil {
			return "", fmt.Errorf("writing CSV: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return "", fmt.Errorf("writing CSV: %w", err)
	}
	return b.String(), nil
}

// Field makes one CSV field safe for spreadsheets: "=1+1" becomes "'=1+1", and
// so do fields that start with +, -, @, a tab, a line break or the full-width
// forms of those signs.
func Field(s string) string {
	switch first, _ := utf8.DecodeRuneInString(s); first {
	case '=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}
