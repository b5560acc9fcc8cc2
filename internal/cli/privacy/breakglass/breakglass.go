// Package breakglass holds the verbs for emergencies: who may read protected
// health information without the role for it.
package breakglass

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/consents"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "privacy break-glass".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("break-glass", "Who reads protected health information in an emergency", c.list(), c.grant(), c.revoke())
}

func (c verbs) list() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show who reads in an emergency", Args: frame.None,
		Example: `  portcullis privacy break-glass list
  portcullis privacy break-glass list --all --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := consents.Grants(cmd.Context(), a, all)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				return c.table(list)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that are over, too")
	return cmd
}

func (c verbs) grant() *cobra.Command {
	var x consents.Break
	var long time.Duration
	cmd := &cobra.Command{
		Use: "grant PRINCIPAL", Short: "Let a principal read in an emergency, for a time", Args: frame.One("the id of a principal, such as user:alice"),
		Long: `Let a principal read in an emergency what only the role of [privacy.phi] reads.

The grant ends by itself, at the latest after privacy.phi.break_glass_max. It
makes the critical event BREAK_GLASS_GRANTED, which wakes whoever alerts go to,
and every read under it is in the audit log with the reason. Nobody grants it
to themselves.`,
		Example: `  portcullis privacy break-glass grant user:alice --reason "unconscious patient, ward 4" --for 30m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			x.Principal, x.Seconds = args[0], int64(long/time.Second)
			if x.Reason == "" {
				return frame.Usagef("privacy break-glass grant: --reason: say why, for the audit log")
			}
			if long < time.Minute {
				return frame.Usagef("privacy break-glass grant: --for: want at least 1m")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := consents.BreakGlass(cmd.Context(), a, x)
				if err != nil {
					return err
				}
				return c.show(made)
			})
		},
	}
	cmd.Flags().StringVar(&x.Reason, "reason", "", "why, for the audit log (required)")
	cmd.Flags().DurationVar(&long, "for", 30*time.Minute, "how long")
	return cmd
}

func (c verbs) revoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID|PRINCIPAL", Short: "End a grant before its time", Args: frame.One("the id of a grant, or its principal"),
		Example: `  portcullis privacy break-glass revoke user:alice`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				ended, err := consents.EndBreakGlass(cmd.Context(), a, consents.Revoke{Which: args[0]})
				if err != nil {
					return err
				}
				return c.show(ended)
			})
		},
	}
}

func (c verbs) show(g consents.Grant) error {
	if c.JSON() {
		return c.PrintJSON(g)
	}
	return c.table([]consents.Grant{g})
}

func (c verbs) table(list []consents.Grant) error {
	rows := make([][]string, len(list))
	for i, g := range list {
		rows[i] = []string{frame.Printable(g.Principal), g.Until.UTC().Format(time.RFC3339), frame.When(g.EndedAt, "-"), frame.Printable(g.By), frame.Printable(g.Reason), g.ID}
	}
	return c.Table([]string{"PRINCIPAL", "UNTIL", "ENDED", "BY", "REASON", "ID"}, rows)
}
