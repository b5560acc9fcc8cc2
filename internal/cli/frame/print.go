package frame

import (
	"bufio"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

// Screen is where results go.
func (c *Frame) Screen() screen.Screen { return screen.Screen{Out: c.Out, Env: c.Env} }

// JSON reports whether results are asked for as JSON.
func (c *Frame) JSON() bool { return c.Output == "json" }

// PrintJSON prints a result on one line.
func (c *Frame) PrintJSON(v any) error { return c.Screen().JSON(v) }

// Printf prints a result for people.
func (c *Frame) Printf(format string, a ...any) error { return c.Screen().Printf(format, a...) }

// Table prints rows in columns under a head.
func (c *Frame) Table(head []string, rows [][]string) error { return c.Screen().Table(head, rows) }

// Printable replaces control and invisible characters.
func Printable(s string) string { return screen.Printable(s) }

func When(t *time.Time, otherwise string) string {
	if t == nil || t.IsZero() {
		return otherwise
	}
	return t.UTC().Format(time.RFC3339)
}

// SecretLine reads the first line of standard input.
func (c *Frame) SecretLine(verb string) (string, error) {
	line, err := bufio.NewReader(c.In).ReadString('\n')
	text := strings.TrimSpace(line)
	switch {
	case text == "" && err != nil && line == "":
		return "", Usagef("%s: no key on standard input", verb)
	case text == "":
		return "", Usagef("%s: the first line of standard input is empty", verb)
	}
	return text, nil
}
