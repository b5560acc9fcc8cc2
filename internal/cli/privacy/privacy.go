// Package privacy holds the verbs for personal data.
package privacy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/privacy"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy/breakglass"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/cli/privacy/report"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
	"github.com/portcullis-dev/portcullis/internal/privacy/receipt"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

type verbs struct{ *frame.Frame }

const whom = "the id of a principal, or the name of an account"

// Command returns the verbs below "privacy".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("privacy", "Rights of persons, consents, protected health information and reports", c.access(), c.export(), c.erase(), c.status(), c.restrict(), c.rectify(), c.dataMap(),
		consent.Command(f), breakglass.Command(f), report.Command(f),
		frame.Group("receipt", "Check receipts of erasures", c.verify(), c.key()))
}

func (c verbs) access() *cobra.Command {
	return &cobra.Command{
		Use: "access SUBJECT", Short: "Show what is held about a person", Args: frame.One(whom),
		Example: `  portcullis privacy access alice
  portcullis privacy access user:3f9a1c5e7b2d4806 --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				e, err := privacy.Show(cmd.Context(), a, privacy.Access{Subject: args[0]})
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(e)
				}
				rows := make([][]string, len(e.Holdings))
				for i, h := range e.Holdings {
					rows[i] = []string{h.Name, strconv.Itoa(len(h.Items)), h.Purpose, h.Retention}
				}
				restricted := ""
				if e.Restricted {
					restricted = ", processing restricted"
				}
				if err := c.Printf("%s (%s)%s\n\n", frame.Printable(e.Subject.ID), frame.Printable(strings.Join(e.Subject.Names, ", ")), restricted); err != nil {
					return err
				}
				return c.Table([]string{"PLACE", "ITEMS", "PURPOSE", "KEPT"}, rows)
			})
		},
	}
}

func (c verbs) export() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export SUBJECT", Short: "Write what is held about a person as JSON, for the person", Args: frame.One(whom),
		Example: `  portcullis privacy export alice --out user-data.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				e, err := privacy.Show(cmd.Context(), a, privacy.Access{Subject: args[0], Export: true})
				if err != nil {
					return err
				}
				if out == "" {
					return c.PrintJSON(e)
				}
				text, err := json.MarshalIndent(e, "", "  ")
				if err != nil {
					return err
				}
				return os.WriteFile(out, append(text, '\n'), 0o600)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` to write, with mode 0600; default standard output")
	return cmd
}

func (c verbs) erase() *cobra.Command {
	var dry, yes bool
	cmd := &cobra.Command{
		Use: "erase SUBJECT", Short: "Erase a person everywhere, for ever", Args: frame.One(whom),
		Long: `Erase a person everywhere, for ever.

Keys, sessions and accounts end first. Then the key is destroyed under which the
audit log holds what it says of the person: not a byte of the log changes, it
still verifies, and nobody can read who it was, in no copy. What a legal hold
keeps, and upstreams that have not answered, are named; the erasure goes on by
itself when they allow it, also after a crash.`,
		Example: `  portcullis privacy erase alice --dry-run
  portcullis privacy erase user:3f9a1c5e7b2d4806 --yes --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !dry && !yes {
				if err := c.confirm(args[0]); err != nil {
					return err
				}
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				e, err := privacy.Remove(cmd.Context(), a, privacy.Erase{Subject: args[0], DryRun: dry})
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(e)
				}
				return c.show(e.Status)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count what would be removed")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirm asks a person at a terminal; a script has to say --yes.
func (c verbs) confirm(who string) error {
	if !screen.IsTerminal(c.Err) {
		return frame.Usagef("privacy erase: this cannot be undone: say --yes, or --dry-run to look first")
	}
	fmt.Fprintf(c.Err, "Erase %s everywhere, for ever? Type the name again: ", frame.Printable(who))
	line, err := bufio.NewReader(c.In).ReadString('\n')
	if err != nil && line == "" || strings.TrimSpace(line) != who {
		return errors.New("nothing was erased")
	}
	return nil
}

func (c verbs) show(s subject.Status) error {
	if err := c.Printf("erasure %s: %s\n\n", s.ID, s.State); err != nil {
		return err
	}
	rows := make([][]string, len(s.Steps))
	for i, p := range s.Steps {
		rows[i] = []string{p.Place, strconv.Itoa(p.Count), strings.Join(append(p.Kept, said(p)...), "; ")}
	}
	return c.Table([]string{"PLACE", "REMOVED", "KEPT"}, rows)
}

// said is what an upstream answered that has not erased, for people.
func said(p subject.Step) []string {
	switch p.Outcome {
	case subject.ToldFailed:
		return []string{fmt.Sprintf("it refused %d times; it is asked again", p.Attempts)}
	case subject.ToldRetry:
		return []string{fmt.Sprintf("it was not reached %d times; it is tried again", p.Attempts)}
	}
	return nil
}

func (c verbs) status() *cobra.Command {
	var asReceipt bool
	cmd := &cobra.Command{
		Use: "status [ID]", Short: "Show erasures, or one with its receipt",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || asReceipt && len(args) == 0 {
				return frame.Usagef("privacy status: want the id of an erasure")
			}
			return nil
		},
		Example: `  portcullis privacy status
  portcullis privacy status 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f --receipt > receipt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if len(args) == 1 {
					return c.one(cmd, a, args[0], asReceipt)
				}
				list, err := privacy.List(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, s := range list {
					rows[i] = []string{s.ID, s.State, s.By, frame.When(&s.Asked, "-"), frame.When(s.Ended, "-")}
				}
				return c.Table([]string{"ERASURE", "STATE", "ASKED BY", "ASKED", "ERASED"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asReceipt, "receipt", false, "print the receipt alone, for a file")
	return cmd
}

func (c verbs) one(cmd *cobra.Command, a *admin.Client, id string, asReceipt bool) error {
	s, err := privacy.One(cmd.Context(), a, id)
	switch {
	case err != nil:
		return err
	case asReceipt:
		return c.Printf("%s", s.Receipt)
	case c.JSON():
		return c.PrintJSON(s)
	}
	return c.show(s)
}

func (c verbs) restrict() *cobra.Command {
	what := privacy.Restrict{Restricted: true}
	var lift bool
	cmd := &cobra.Command{
		Use: "restrict SUBJECT", Short: "Refuse the calls of a person, but for their rights, or take them again", Args: frame.One(whom),
		Example: `  portcullis privacy restrict alice --reason "disputes the data"
  portcullis privacy restrict alice --lift`,
		RunE: func(cmd *cobra.Command, args []string) error {
			what.Subject, what.Restricted = args[0], !lift
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if err := privacy.SetRestricted(cmd.Context(), a, what); err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(map[string]any{"subject": what.Subject, "restricted": what.Restricted})
				}
				if lift {
					return c.Printf("calls of %s are taken again\n", frame.Printable(what.Subject))
				}
				return c.Printf("calls of %s are refused, but for their rights\n", frame.Printable(what.Subject))
			})
		},
	}
	cmd.Flags().StringVar(&what.Reason, "reason", "", "why; kept encrypted, and shown to the person")
	cmd.Flags().BoolVar(&lift, "lift", false, "take the calls again")
	return cmd
}

func (c verbs) rectify() *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use: "rectify SUBJECT", Short: "Keep what a person has put right, such as a name or an address", Args: frame.One(whom),
		Example: `  portcullis privacy rectify alice --set display_name=Alice --set email=alice@example.org
  portcullis privacy rectify alice --set email=`,
		RunE: func(cmd *cobra.Command, args []string) error {
			what := privacy.Rectify{Subject: args[0], Attributes: map[string]string{}}
			for _, s := range set {
				k, v, ok := strings.Cut(s, "=")
				if !ok || k == "" {
					return frame.Usagef("privacy rectify: --set %q: want NAME=VALUE", s)
				}
				what.Attributes[k] = v
			}
			if len(what.Attributes) == 0 {
				return frame.Usagef("privacy rectify: say what with --set NAME=VALUE")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if err := privacy.PutRight(cmd.Context(), a, what); err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(map[string]any{"subject": what.Subject, "attributes": len(what.Attributes)})
				}
				return c.Printf("kept for %s\n", frame.Printable(what.Subject))
			})
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "`NAME=VALUE`; an empty value removes it")
	return cmd
}

func (c verbs) dataMap() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use: "map", Short: "List what is stored about persons: where, why, how long", Args: frame.None,
		Example: `  portcullis privacy map
  portcullis privacy map --markdown`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := privacy.DataMap(cmd.Context(), a)
				switch {
				case err != nil:
					return err
				case c.JSON():
					return c.PrintJSON(list)
				case markdown:
					return c.Printf("%s", subject.Markdown(list))
				}
				rows := make([][]string, len(list))
				for i, p := range list {
					rows[i] = []string{p.Name, p.Where, strings.Join(p.Data, ", "), p.Purpose, p.Retention}
				}
				return c.Table([]string{"PLACE", "WHERE", "DATA", "PURPOSE", "KEPT"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "as a table in Markdown")
	return cmd
}

func (c verbs) verify() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Verify a receipt with the public key alone, offline", Args: frame.One("a file with a receipt"),
		Example: `  portcullis privacy receipt verify receipt --key portcullis/1a2b3c4d/receipts+5e6f7081+AV…`,
		RunE: func(_ *cobra.Command, args []string) error {
			if key == "" {
				return frame.Usagef("privacy receipt verify: --key: give the public key that 'portcullis privacy receipt key' prints")
			}
			by, err := receipt.ParseKey(key)
			if err != nil {
				return frame.UsageError{Err: err}
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			r, err := receipt.Verify(text, by)
			if err != nil {
				fmt.Fprintln(c.Err, err)
				return frame.ErrNo
			}
			if c.JSON() {
				return c.PrintJSON(r)
			}
			return c.Printf("the receipt of erasure %s is good: %s\n", frame.Printable(r.ID), frame.Printable(r.State))
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "public `key`")
	return cmd
}

func (c verbs) key() *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "Print the public key of receipts; it is no secret", Args: frame.None,
		Example: `  portcullis privacy receipt key`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				key, err := privacy.ReceiptKey(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(map[string]string{"key": key})
				}
				return c.Printf("%s\n", key)
			})
		},
	}
}
