// Package push is the verb group "portcullis push": notifications of agents
// that could not be delivered, and sending them again.
package push

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/push"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("push", "Show notifications of agents that could not be delivered, and send them again", c.dead(), c.replay())
}

func (c verbs) dead() *cobra.Command {
	return &cobra.Command{
		Use: "dead", Short: "List the notifications that could not be delivered", Args: frame.None,
		Example: "  portcullis push dead --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := push.Dead(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.ID, v.Route, v.Target, v.Reason, strconv.Itoa(v.Attempts), frame.When(&v.CreatedAt, "-"), frame.When(&v.FailedAt, "-")}
				}
				return c.Table([]string{"DELIVERY", "ROUTE", "TARGET", "REASON", "ATTEMPTS", "SINCE", "DEAD"}, rows)
			})
		},
	}
}

func (c verbs) replay() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "replay [DELIVERY]", Short: "Send notifications again that could not be delivered", Args: cobra.MaximumNArgs(1),
		Example: "  portcullis push replay 0Zt5hPq3yQm8v1bK\n  portcullis push replay --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return frame.Usagef("give the id of a delivery, or --all")
			}
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				done, err := push.Replay(cmd.Context(), a, id)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(done)
				}
				return c.Printf("%d on their way again\n", done.Replayed)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return cmd
}
