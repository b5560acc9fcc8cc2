// Package incident holds the verbs for a bad day.
package incident

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/incident/actions"
	"github.com/portcullis-dev/portcullis/internal/cli/incident/duty"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "incident".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("incident", "Work off a bad day", append([]*cobra.Command{
		c.open(), c.status(), c.list(), c.show(), c.timeline(), c.note(), c.assign(), c.severity(), c.phase(), c.close(),
		c.contain(), c.release(), c.maintenance(), c.scaleDown(), c.hook(), c.notify(), c.playbook(), c.report(), c.drill(), duty.Command(f),
	}, actions.Commands(f)...)...)
}

func (c verbs) maintenance() *cobra.Command {
	var m admin.Maintenance
	var retry time.Duration
	cmd := &cobra.Command{
		Use: "maintenance on|off|status", Short: "Refuse all calls with 503, or take them again",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != "on" && args[0] != "off" && args[0] != "status" {
				return frame.Usagef("incident maintenance: want on, off or status")
			}
			return nil
		},
		Example: `  portcullis incident maintenance on --reason "database move" --retry-after 10m
  portcullis incident maintenance off`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if m.On = args[0] == "on"; m.On {
					m.RetryAfter = int(retry / time.Second)
				}
				if args[0] != "status" {
					if _, err := a.SetMaintenance(cmd.Context(), m); err != nil {
						return err
					}
				}
				state, err := a.Maintenance(cmd.Context())
				if err != nil {
					return err
				}
				return c.showMaintenance(state)
			})
		},
	}
	cmd.Flags().StringVar(&m.Reason, "reason", "", "why, for the audit log")
	cmd.Flags().DurationVar(&retry, "retry-after", 5*time.Minute, "when callers may come back")
	return cmd
}

func (c verbs) showMaintenance(m admin.Maintenance) error {
	if c.JSON() {
		return c.PrintJSON(m)
	}
	if !m.On {
		return c.Printf("maintenance is off: calls are taken\n")
	}
	return c.Printf("maintenance is on: all calls are refused with 503 (retry after %s)\n", time.Duration(m.RetryAfter)*time.Second)
}
