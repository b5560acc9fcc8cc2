// Package taints is the verb group "portcullis taint": which callers bear marks
// for what they have read, and taking the marks from them.
package taints

import (
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/taints"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("taint", "Show which callers have read what keeps them from channels that lead out, and lift it", c.list(), c.lift())
}

func (c verbs) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the marks that callers bear", Args: frame.None,
		Example: "  portcullis taint list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := taints.List(cmd.Context(), a)
				if err != nil {
					return err
				}
				return c.print(list)
			})
		},
	}
}

func (c verbs) lift() *cobra.Command {
	var l taints.Lift
	cmd := &cobra.Command{
		Use: "lift PRINCIPAL", Short: "Take all marks from a caller", Args: frame.One("the id of a caller"),
		Example: `  portcullis taint lift key:3f9a1c5e7b2d4806a1c3e5f7092b4d6e --reason "report was public, ticket 4711"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l.Principal = args[0]
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				lifted, err := taints.LiftOf(cmd.Context(), a, l)
				if err != nil {
					return err
				}
				return c.print(lifted)
			})
		},
	}
	cmd.Flags().StringVar(&l.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) print(list []taints.View) error {
	if c.JSON() {
		return c.PrintJSON(list)
	}
	rows := make([][]string, len(list))
	for i, v := range list {
		rows[i] = []string{v.Principal, v.Label, v.Route, frame.When(&v.At, "-"), frame.When(&v.Until, "-")}
	}
	return c.Table([]string{"CALLER", "LABEL", "ROUTE", "SINCE", "UNTIL"}, rows)
}
