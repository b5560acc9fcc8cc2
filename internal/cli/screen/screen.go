// Package screen prints results: text in columns for people, JSON for scripts,
// and nothing that could steer a terminal.
package screen

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/portcullis-dev/portcullis"
)

// Screen is where results go.
type Screen struct {
	Out io.Writer
	Env func(string) (string, bool)
}

// JSON prints v on one line.
func (c Screen) JSON(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// Printf prints text.
func (c Screen) Printf(format string, a ...any) error {
	if _, err := fmt.Fprintf(c.Out, format, a...); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// Table prints rows under a head, in columns. Cells come from callers, names
// and logs, so what could steer a terminal is taken out.
func (c Screen) Table(head []string, rows [][]string) error {
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		cells := make([]string, len(row))
		for i, s := range row {
			cells[i] = Printable(s)
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// Printable replaces control and invisible characters.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			return r
		}
		return '�'
	}, s)
}

// Paint colours a line by its severity, on a terminal whose user did not ask
// for plain text (https://no-color.org).
func (c Screen) Paint(s portcullis.Severity, line string) string {
	if plain, _ := c.Env("NO_COLOR"); plain != "" || !IsTerminal(c.Out) {
		return line
	}
	if term, _ := c.Env("TERM"); term == "" || term == "dumb" {
		return line
	}
	switch s {
	case portcullis.SeverityCritical, portcullis.SeverityError:
		return "\x1b[31m" + line + "\x1b[0m" // red
	case portcullis.SeverityWarn:
		return "\x1b[33m" + line + "\x1b[0m" // yellow
	case portcullis.SeverityInfo:
	}
	return line
}

// IsTerminal reports whether w shows its text to a person. A device that only
// swallows what it is given may count as one: nobody sees the difference.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// ShellQuote makes a text one word of a shell.
func ShellQuote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
