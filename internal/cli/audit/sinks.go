package audit

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/sinks"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) sinks() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sinks", Short: "List the servers and files that get the audit events, and what they lag behind", Args: frame.None,
		Long: `List the servers and files that get the audit events: how far they are behind,
what went wrong last and how many events were refused and laid aside.

waiting    nothing was sent yet
sending    the last attempt succeeded
failing    the server is away; nothing is lost, the journal keeps what waits
mistaken   address or credentials are wrong; it is tried again slowly`,
		Example: `  portcullis audit sinks
  portcullis audit sinks test splunk
  portcullis audit sinks retry splunk`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := sinks.List(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{
						v.Name, v.Kind, string(v.Status), (time.Duration(v.LagSeconds) * time.Second).String(), strconv.FormatUint(v.LagRecords, 10),
						strconv.FormatUint(v.Sent, 10), strconv.Itoa(v.DeadLetters), frame.When(v.LastSuccess, "-"), frame.Printable(cmp.Or(v.LastError, "-")),
					}
				}
				return c.Table([]string{"NAME", "TYPE", "STATUS", "LAG", "RECORDS", "SENT", "DEAD", "LAST SENT", "LAST ERROR"}, rows)
			})
		},
	}
	cmd.AddCommand(c.sinkTest(), c.sinkRetry())
	return cmd
}

// sinkName is the argument rule of verbs on one sink.
func sinkName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return frame.Usagef("audit sinks %s: want the name of a sink: 'portcullis audit sinks' lists them", cmd.Name())
	}
	return nil
}

func (c verbs) sinkTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Send one marked event through a sink and report", Args: sinkName,
		Long: `Send one marked event, SINK_TEST, through a sink, past its filter and its queue,
and report what the server said. Success ends the pause of a sink that waits to
try again. The event stands in no journal; that of the call is CALL_FINISHED.`,
		Example: "  portcullis audit sinks test splunk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				got, err := sinks.Test(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					if err := c.PrintJSON(got); err != nil {
						return err
					}
				}
				if !got.Sent {
					return fmt.Errorf("sink %q: %s", got.Sink, frame.Printable(got.Error))
				}
				if c.JSON() {
					return nil
				}
				return c.Printf("sent event %s through %s\n", got.EventID, got.Sink)
			})
		},
	}
}

func (c verbs) sinkRetry() *cobra.Command {
	return &cobra.Command{
		Use: "retry NAME", Short: "Send the dead letters of a sink again", Args: sinkName,
		Long: `Send the events again that a server refused and that were laid aside. Those that
it takes now are removed from the dead letter file, those that it refuses once
more stay, with the new reason.`,
		Example: "  portcullis audit sinks retry splunk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				got, err := sinks.Retry(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					err = c.PrintJSON(got)
				} else {
					err = c.Printf("%d sent, %d refused again, %d left\n", got.Sent, got.Refused, got.Left)
				}
				if err == nil && got.Error != "" {
					err = errors.New(frame.Printable(got.Error))
				}
				return err
			})
		},
	}
}
