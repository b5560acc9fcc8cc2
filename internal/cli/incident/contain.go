package incident

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// state is what `incident status` prints.
type state struct {
	Incidents    []incidents.Incident    `json:"incidents"`
	Containments []incidents.Containment `json:"containments"`
}

func (c verbs) status() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show which incidents are open and who is contained", Args: frame.None,
		Example: `  portcullis incident status
  portcullis incident status --all --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) (err error) {
				var s state
				if s.Incidents, err = incidents.Incidents(cmd.Context(), a, all); err != nil {
					return err
				}
				if s.Containments, err = incidents.Containments(cmd.Context(), a, all); err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(s)
				}
				if err := c.showIncidents(s.Incidents); err != nil {
					return err
				}
				if err := c.Printf("\n"); err != nil {
					return err
				}
				return c.showContainments(s.Containments)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that are over, too")
	return cmd
}

func (c verbs) contain() *cobra.Command {
	var what incidents.Contain
	var long time.Duration
	cmd := &cobra.Command{
		Use: "contain SUBJECT", Short: "Hold callers, tools, routes or everything back for a time", Args: frame.One("the id of a principal, key:ID, session:ID, ip:CIDR, tool:ROUTE/NAME, route:NAME, upstream:NAME or everything"),
		Long: `Hold a caller or a tool back for a time.

A block refuses every call with 403 and ends streams that are open. A throttle
lets so many calls pass in an hour. A step-up refuses calls until the principal
has logged in anew at /auth/login; a key or a certificate stays refused until it
is released. A tool is held like one that changed: nobody sees or calls it.
route:NAME and upstream:NAME (host and port, or the name of a program) hold all
callers there, everything all callers; the admin listener stays open.

Containments end by themselves, survive restarts and are in the audit log. The
admin listener is left out unless --admin is given; the command line on this
machine always works.`,
		Example: `  portcullis incident contain key:3f9a1c5e7b2d4806a1c3e5f7092b4d6e --for 1h --reason "leaked in a ticket"
  portcullis incident contain ip:203.0.113.0/24 --for 24h --reason "guessing passwords"
  portcullis incident contain user:alice --measure throttle --per-hour 60 --reason "looking into it"
  portcullis incident contain tool:files/delete_all --for 2h --reason "ticket 4711"
  portcullis incident contain upstream:mcp.example.com --for 72h --reason "taken over"
  portcullis incident contain everything --for 15m --reason "until we know more"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			what.Subject, what.Seconds = args[0], int64(long/time.Second)
			if what.Seconds < 1 {
				return frame.Usagef("incident contain: --for: want at least 1s")
			}
			if what.Reason == "" {
				return frame.Usagef("incident contain: --reason: say why, for the audit log")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := incidents.Hold(cmd.Context(), a, what)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(made)
				}
				return c.showContainments([]incidents.Containment{made})
			})
		},
	}
	f := cmd.Flags()
	f.DurationVar(&long, "for", time.Hour, "how long")
	f.StringVar(&what.Reason, "reason", "", "why, for the audit log (required)")
	f.StringVar(&what.Measure, "measure", "block", "block, throttle or step_up")
	f.IntVar(&what.PerHour, "per-hour", 0, "calls in an hour that a throttle lets pass")
	incidentFlag(cmd, &what.Incident)
	f.BoolVar(&what.Admin, "admin", false, "hold on the admin listener too")
	return cmd
}

func (c verbs) release() *cobra.Command {
	var what incidents.Release
	cmd := &cobra.Command{
		Use: "release ID|SUBJECT", Short: "End a containment before its time", Args: frame.One("the id of a containment, or its subject"),
		Example: `  portcullis incident release ip:203.0.113.0/24 --reason "false alarm"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			what.Which = args[0]
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := incidents.LetGo(cmd.Context(), a, what)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				for _, v := range list {
					text := "released %s (%s)\n"
					if v.StillHeld {
						text = "released %s (%s), but it stays held until 'portcullis tools approve' names a version\n"
					}
					if err := c.Printf(text, v.Subject, v.Measure); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&what.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) close() *cobra.Command {
	var what incidents.Close
	cmd := &cobra.Command{
		Use: "close [ID]", Short: "Close an incident; what it contained stays contained", Args: maybeID("close"),
		Example: `  portcullis incident close 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f --reason "password was forgotten"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			what.ID = first(args)
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				closed, err := incidents.CloseIncident(cmd.Context(), a, what)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(closed)
				}
				return c.Printf("closed %s\n", closed.ID)
			})
		},
	}
	cmd.Flags().StringVar(&what.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) showIncidents(list []incidents.Incident) error {
	rows := make([][]string, len(list))
	for i, v := range list {
		subject := v.Subject
		if subject == "" {
			subject = "many"
		}
		rows[i] = []string{v.ID, subject, v.Rule, strconv.Itoa(v.Score), strconv.Itoa(v.Count), frame.When(&v.Opened, "-"), frame.When(&v.Seen, "-"), frame.When(v.Closed, "open")}
	}
	return c.Table([]string{"INCIDENT", "SUBJECT", "RULE", "SCORE", "COUNT", "OPENED", "SEEN", "CLOSED"}, rows)
}

func (c verbs) showContainments(list []incidents.Containment) error {
	rows := make([][]string, len(list))
	for i, v := range list {
		rows[i] = []string{v.ID, v.Subject, v.Measure, v.By, frame.When(&v.Until, "-"), frame.When(v.Ended, "in force"), v.Reason}
	}
	return c.Table([]string{"CONTAINMENT", "SUBJECT", "MEASURE", "BY", "UNTIL", "ENDED", "REASON"}, rows)
}
