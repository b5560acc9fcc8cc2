package cli

import (
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

func (c *cli) screen() screen.Screen { return screen.Screen{Out: c.out, Env: c.env} }

func (c *cli) json() bool                                 { return c.output == "json" }
func (c *cli) printJSON(v any) error                      { return c.screen().JSON(v) }
func (c *cli) printf(format string, a ...any) error       { return c.screen().Printf(format, a...) }
func (c *cli) table(head []string, rows [][]string) error { return c.screen().Table(head, rows) }

func printable(s string) string { return screen.Printable(s) }
