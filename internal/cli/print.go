package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/portcullis-dev/portcullis"
)

func (c *cli) json() bool { return c.output == "json" }

func (c *cli) printJSON(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

func (c *cli) printf(format string, a ...any) error {
	if _, err := fmt.Fprintf(c.out, format, a...); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// table prints rows under a head, in columns. Cells come from callers, names
// and logs, so what could steer a terminal is taken out.
func (c *cli) table(head []string, rows [][]string) error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		cells := make([]string, len(row))
		for i, s := range row {
			cells[i] = printable(s)
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

// printable replaces control and invisible characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			return r
		}
		return '�'
	}, s)
}

// paint colours a line by its severity, on a terminal whose user did not ask
// for plain text (https://no-color.org).
func (c *cli) paint(s portcullis.Severity, line string) string {
	if plain, _ := c.env("NO_COLOR"); plain != "" || !isTerminal(c.out) {
		return line
	}
	if term, _ := c.env("TERM"); term == "" || term == "dumb" {
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
