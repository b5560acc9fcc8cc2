// Package approvals is the verb group "portcullis approval": people agree to
// calls of others, or do not.
package approvals

import (
	"cmp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/approvals"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("approval", "Agree to calls that need the word of another person, or do not",
		c.list(), c.show(), c.decide("approve", "Let a call that waits happen, once", true), c.decide("deny", "Refuse a call that waits", false))
}

func (c verbs) list() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List calls that wait, oldest first", Args: frame.None,
		Example: "  portcullis approval list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := approvals.List(cmd.Context(), a, all)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				if len(list) == 0 {
					return c.Printf("nothing waits for approval\n")
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.ID, v.State, v.Principal, v.Route, v.Tool, frame.When(&v.ExpiresAt, "-"), cmp.Or(v.DecidedBy, "-")}
				}
				return c.Table([]string{"ID", "STATE", "CALLER", "ROUTE", "TOOL", "UNTIL", "DECIDED BY"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that were decided or are over, too")
	return cmd
}

// requestID is the argument rule of verbs on one request.
func requestID(cmd *cobra.Command, args []string) error {
	if err := frame.One("the id of a request")(cmd, args); err != nil {
		return err
	}
	if len(args[0]) != 32 || strings.Trim(args[0], "0123456789abcdef") != "" {
		return frame.Usagef("approval %s %q: want the id of a request, 32 hex digits: 'portcullis approval list' shows them", cmd.Name(), frame.Printable(args[0]))
	}
	return nil
}

func (c verbs) show() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a call that waits, with its parameters", Args: requestID,
		Example: "  portcullis approval show 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := approvals.Show(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				return c.print(v)
			})
		},
	}
}

func (c verbs) decide(verb, short string, approve bool) *cobra.Command {
	verdict := approvals.Verdict{Approve: approve}
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: requestID,
		Example: "  portcullis approval " + verb + ` 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --reason "ticket 4711"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := approvals.Decide(cmd.Context(), a, args[0], verdict)
				if err != nil {
					return err
				}
				return c.print(v)
			})
		},
	}
	cmd.Flags().StringVar(&verdict.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) print(v approval.View) error {
	if c.JSON() {
		return c.PrintJSON(v)
	}
	text := []string{
		"id      " + v.ID, "state   " + v.State, "caller  " + v.Principal, "route   " + v.Route, "tool    " + v.Tool,
		"since   " + v.CreatedAt.UTC().Format(time.RFC3339), "until   " + v.ExpiresAt.UTC().Format(time.RFC3339),
	}
	if v.DecidedBy != "" {
		text = append(text, "by      "+v.DecidedBy)
	}
	if v.Reason != "" {
		text = append(text, "reason  "+v.Reason)
	}
	if len(v.Parameters) > 0 {
		text = append(text, "params  "+string(v.Parameters))
	}
	for i := range text {
		text[i] = frame.Printable(text[i])
	}
	return c.Printf("%s\n", strings.Join(text, "\n"))
}
