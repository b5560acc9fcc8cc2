// Package alert is the verb group "portcullis alert": what woke people, who
// looks after it, and whether the way to them works.
package alert

import (
	"cmp"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/alerts"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	engine "github.com/portcullis-dev/portcullis/internal/detect/alert"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	silence := frame.Group("silence", "Hold alerts back for a time", c.add(), c.silences(), c.remove())
	return frame.Group("alert", "Look at alerts, acknowledge and silence them, test the channels", c.list(), c.ack(), silence, c.channels(), c.test())
}

func (c verbs) list() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the alerts that are open", Args: frame.None,
		Example: `  portcullis alert list
  portcullis alert list --all --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := alerts.List(cmd.Context(), a, all)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				return c.show(list)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that are resolved, too")
	return cmd
}

func (c verbs) show(list []engine.View) error {
	rows := make([][]string, len(list))
	for i, v := range list {
		told := ""
		for _, t := range v.Channels {
			told += t.Channel + "=" + t.State + " "
		}
		rows[i] = []string{
			v.ID, v.Severity, v.State, strconv.Itoa(v.Count), frame.When(&v.Opened, "-"), frame.When(&v.Seen, "-"),
			frame.Printable(cmp.Or(v.Route, "-")), frame.Printable(v.Summary), cmp.Or(told, "-"),
		}
	}
	return c.Table([]string{"ALERT", "SEVERITY", "STATE", "EVENTS", "OPENED", "SEEN", "ROUTE", "SUMMARY", "CHANNELS"}, rows)
}

func (c verbs) ack() *cobra.Command {
	return &cobra.Command{
		Use: "ack ID", Short: "Say that somebody looks after an alert: it is not escalated any more", Args: frame.One("the id of an open alert, or its first characters"),
		Example: "  portcullis alert ack 4b1f09c2a8d3e715",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args[0]) < 4 {
				return frame.Usagef("alert ack: %q: give at least the first 4 characters of the id", args[0])
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := alerts.Acknowledge(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(v)
				}
				return c.Printf("acknowledged %s: %s\n", v.ID, frame.Printable(v.Summary))
			})
		},
	}
}

func (c verbs) channels() *cobra.Command {
	return &cobra.Command{
		Use: "channels", Short: "List the channels, with their last error", Args: frame.None,
		Example: "  portcullis alert channels",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := alerts.Channels(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.Name, v.Kind, v.Severity, frame.When(v.Sent, "-"), strconv.Itoa(v.Failures), strconv.Itoa(v.Held), frame.Printable(cmp.Or(v.Error, "-"))}
				}
				return c.Table([]string{"CHANNEL", "TYPE", "FROM", "LAST SENT", "FAILURES", "HELD BACK", "LAST ERROR"}, rows)
			})
		},
	}
}

func (c verbs) test() *cobra.Command {
	return &cobra.Command{
		Use: "test [CHANNEL]", Short: "Send one marked message through a channel, or through all, and report", Args: atMostOne,
		Long: `Send one marked message through a channel, or through all of them, and report
what the other side answered. It goes past routes, silences and limits and is no
alert. With a gateway that runs, the gateway sends it; else this process does.`,
		Example: `  portcullis alert test
  portcullis alert test on-call`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := alerts.Try(cmd.Context(), a, name)
				if err != nil {
					return err
				}
				return c.tested(list)
			})
		},
	}
}

func (c verbs) tested(list []engine.Tested) error {
	failed := false
	rows := make([][]string, len(list))
	for i, t := range list {
		state, code := "sent", "-"
		if !t.Sent {
			state, failed = "failed", true
		}
		if t.Code != 0 {
			code = strconv.Itoa(t.Code)
		}
		rows[i] = []string{t.Channel, t.Kind, state, code, frame.Printable(cmp.Or(t.Error, t.Said, "-"))}
	}
	var err error
	switch {
	case c.JSON():
		err = c.PrintJSON(list)
	case len(list) == 0:
		err = c.Printf("there are no channels: add one under [[detect.alerts.channel]]\n")
	default:
		err = c.Table([]string{"CHANNEL", "TYPE", "RESULT", "CODE", "ANSWER"}, rows)
	}
	if err == nil && failed {
		err = errors.New("not every channel took the message")
	}
	return err
}

func (c verbs) add() *cobra.Command {
	var s alerts.Silence
	var long time.Duration
	var until string
	cmd := &cobra.Command{
		Use: "add", Short: "Hold back alerts that match all that is given", Args: frame.None,
		Long: `Hold back alerts that match all that is given. What matches and goes on when the
silence ends is told then; the end of what was told before is told at once.`,
		Example: `  portcullis alert silence add --type ANOMALY_DETECTED --route files --for 2h --reason "load test"
  portcullis alert silence add --alert 4b1f09c2a8d3e715 --until 2026-12-01T08:00:00Z --reason "ticket 4711"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.Reason == "":
				return frame.Usagef("alert silence add: --reason: say why, for the audit log")
			case s.Type+s.Metric+s.Route+s.Resource+s.Alert == "":
				return frame.Usagef("alert silence add: say what is silenced: --type, --metric, --route, --resource or --alert")
			case (until == "") == (long == 0):
				return frame.Usagef("alert silence add: give either --for or --until")
			case long < 0:
				return frame.Usagef("alert silence add: --for: want more than 0s")
			}
			s.Until = time.Now().Add(long)
			if until != "" {
				at, err := time.Parse(time.RFC3339, until)
				if err != nil {
					return frame.Usagef("alert silence add: --until: %q: want a time such as 2026-12-01T08:00:00Z", until)
				}
				s.Until = at
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := alerts.Hush(cmd.Context(), a, s)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(made)
				}
				return c.showSilences([]engine.Silence{made})
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.Type, "type", "", "event type, such as ANOMALY_DETECTED")
	f.StringVar(&s.Metric, "metric", "", "metric of an anomaly")
	f.StringVar(&s.Route, "route", "", "route of the gateway")
	f.StringVar(&s.Resource, "resource", "", "such as tool:delete_all or sink:splunk")
	f.StringVar(&s.Alert, "alert", "", "id of an alert")
	f.StringVar(&s.Reason, "reason", "", "why, for the audit log (required)")
	f.DurationVar(&long, "for", 0, "how long")
	f.StringVar(&until, "until", "", "until when")
	return cmd
}

func (c verbs) silences() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the silences in force", Args: frame.None,
		Example: "  portcullis alert silence list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := alerts.Silences(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				return c.showSilences(list)
			})
		},
	}
}

func (c verbs) remove() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "End a silence before its time", Args: frame.One("the id of a silence"),
		Example: "  portcullis alert silence remove 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				s, err := alerts.Unhush(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(s)
				}
				return c.Printf("removed %s\n", s.ID)
			})
		},
	}
}

func (c verbs) showSilences(list []engine.Silence) error {
	rows := make([][]string, len(list))
	for i, s := range list {
		what := ""
		for _, m := range [][2]string{{"type", s.Type}, {"metric", s.Metric}, {"route", s.Route}, {"resource", s.Resource}, {"alert", s.Alert}} {
			if m[1] != "" {
				what += m[0] + "=" + frame.Printable(m[1]) + " "
			}
		}
		rows[i] = []string{s.ID, what, frame.When(&s.Until, "-"), s.By, frame.Printable(s.Reason)}
	}
	return c.Table([]string{"SILENCE", "WHAT", "UNTIL", "BY", "REASON"}, rows)
}

// atMostOne is the argument rule of test.
func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return frame.Usagef("alert test: want the name of one channel, or none for all")
	}
	return nil
}
