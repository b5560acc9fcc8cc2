package check

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/attest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

func (c verbs) explain() *cobra.Command {
	return &cobra.Command{
		Use: "explain RULE", Short: "Say why a rule is there, how to see it and how to mend it", Args: frame.One("the id of a rule"),
		Example: "  portcullis check explain config-tls-missing",
		RunE: func(_ *cobra.Command, args []string) error {
			all := check.Rules()
			i := slices.IndexFunc(all, func(m rule.Meta) bool { return m.ID == args[0] })
			if i < 0 {
				return frame.Usagef("there is no rule %q: 'portcullis check rules' lists them", args[0])
			}
			if c.JSON() {
				return c.PrintJSON(all[i])
			}
			return render.Explain(c.Out, all[i])
		},
	}
}

func (c verbs) schema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the report in JSON", Args: frame.None,
		Example: "  portcullis check schema > check-report.schema.json",
		RunE: func(*cobra.Command, []string) error {
			if _, err := c.Out.Write(render.Schema()); err != nil {
				return fmt.Errorf("writing the schema: %w", err)
			}
			return nil
		},
	}
}

func (c verbs) rules() *cobra.Command {
	var format string
	var kinds []string
	cmd := &cobra.Command{
		Use: "rules", Short: "List the rules", Args: frame.None,
		Example: "  portcullis check rules --kind config\n  portcullis check rules --format markdown",
		RunE: func(*cobra.Command, []string) error {
			list := check.Rules()
			for _, k := range kinds {
				if !slices.Contains(rule.Kinds(), rule.Kind(k)) {
					return frame.Usagef("--kind %q: want %s", k, words(rule.Kinds()))
				}
			}
			if len(kinds) > 0 {
				list = slices.DeleteFunc(list, func(m rule.Meta) bool { return !slices.Contains(kinds, string(m.Kind)) })
			}
			if format == "" {
				format = c.Output
			}
			switch format {
			case "json":
				return c.PrintJSON(list)
			case "markdown":
				return render.Reference(c.Out, list)
			case "text":
				rows := make([][]string, len(list))
				for i, m := range list {
					rows[i] = []string{m.ID, m.Severity.String(), mark(m), m.Title}
				}
				return c.Table([]string{"RULE", "SEVERITY", "", "WHAT MUST HOLD"}, rows)
			}
			return frame.Usagef("--format %q: want text, json or markdown", format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "`format` of the list: text, json or markdown")
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "only rules for targets of these `kinds`")
	return cmd
}

// mark tells rules apart that can be mended or that are active.
func mark(m rule.Meta) string {
	switch {
	case m.Fixable:
		return "fix"
	case m.Active:
		return "active"
	}
	return ""
}

func words(kinds []rule.Kind) string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return strings.Join(out, ", ")
}

func (c verbs) attest() *cobra.Command {
	var owner, until, note, file string
	cmd := &cobra.Command{
		Use: "attest RULE", Short: "Say that a line of the checklists holds that no program can observe", Args: frame.One("the id of a rule that is attested"),
		Long: `The statement is written to ` + attest.FileName + `, with a name and an end. It
replaces an earlier one on the same rule. Behind its end the rule fails.`,
		Example: "  portcullis check attest attestation-restore-tested --owner ops@example.com --until 2026-12-31 --note \"ticket 812\"\n  portcullis check rules --kind attestation",
		RunE: func(_ *cobra.Command, args []string) error {
			days, ok := attest.Longest(args[0])
			if !ok {
				return frame.Usagef("%q is no line that is attested: 'portcullis check rules --kind attestation' lists them", args[0])
			}
			if owner == "" {
				return frame.Usagef("--owner: say who attests it")
			}
			name := cmp.Or(file, attest.FileName)
			book, err := c.book(name)
			if err != nil {
				return err
			}
			today := c.now().UTC()
			if until == "" {
				until = today.AddDate(0, 0, days).Format("2006-01-02")
			}
			text, err := book.Add(attest.Statement{Rule: args[0], Owner: owner, On: today.Format("2006-01-02"), Until: until, Note: note})
			if err != nil {
				return frame.UsageError{Err: err}
			}
			if err := replace(name, text, 0o644); err != nil {
				return fmt.Errorf("writing what is attested: %w", err)
			}
			if c.JSON() {
				return c.PrintJSON(map[string]string{"rule": args[0], "owner": owner, "until": until, "file": name})
			}
			return c.Printf("%s attests %s until %s\n", frame.Printable(owner), args[0], until)
		},
	}
	cmd.Flags().StringVar(&owner, "owner", "", "who attests it: a `name`")
	cmd.Flags().StringVar(&until, "until", "", "last `day`, such as 2026-12-31 (default as long as a statement counts)")
	cmd.Flags().StringVar(&note, "note", "", "what it rests on: a `text`, such as a ticket")
	cmd.Flags().StringVar(&file, "attestations", "", "`file` of what people attest (default ./"+attest.FileName+")")
	return cmd
}

// book reads what was attested before. A file that is not there holds nothing.
func (c verbs) book(name string) (*attest.Book, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return attest.Empty(name, c.now()), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is attested: %w", err)
	}
	book, err := attest.Parse(name, data, c.now())
	if err != nil {
		return nil, frame.UsageError{Err: err}
	}
	return book, nil
}
