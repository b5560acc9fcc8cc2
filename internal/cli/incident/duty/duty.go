// Package duty holds the verbs for what people do again and again.
package duty

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/duties"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "incident duty".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("duty", "Do what comes back, and sign it off", c.list(), c.show(), c.sign())
}

func (c verbs) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List duties, and when they are due", Args: frame.None,
		Long: `List what people have to do again and again, as [[incident.duty]] of the
configuration says: when it is due, and whether that is over.`,
		Example: `  portcullis incident duty list
  portcullis incident duty list --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := api.List(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{d.Name, d.Every, d.State, frame.When(&d.Due, "-"), frame.When(d.Signed, "never"), d.What}
				}
				return c.Table([]string{"DUTY", "EVERY", "STATE", "DUE", "SIGNED", "WHAT"}, rows)
			})
		},
	}
}

func (c verbs) show() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a duty", Args: frame.One("the name of a duty"),
		Long: `Show a duty: when it is due, how many of its dates went by, and the id of the
event that tells who signed it off.`,
		Example: `  portcullis incident duty show log-review`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				d, err := api.Show(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(d)
				}
				event := d.Event
				if event == "" {
					event = "-"
				}
				return c.Table([]string{"DUTY", d.Name}, [][]string{
					{"what", d.What}, {"every", d.Every}, {"grace", (time.Duration(d.Grace) * time.Second).String()}, {"state", d.State},
					{"due", frame.When(&d.Due, "-")}, {"missed", strconv.Itoa(d.Missed)}, {"signed", frame.When(d.Signed, "never")}, {"event", event},
				})
			})
		},
	}
}

func (c verbs) sign() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: "sign NAME --note TEXT", Short: "Sign a duty off: it is done until its next date", Args: frame.One("the name of a duty"),
		Long: `Sign a duty off. Who signs, when, and the note are in the audit log: the note as
it is written, so name no person in it. A duty that is signed late is due again
at its next date, not later; one that is signed before its date still comes.`,
		Example: `  portcullis incident duty sign log-review --note "12 refusals, all from the scanner; nothing odd"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(note) == "" {
				return frame.Usagef("incident duty sign: want --note: what was done")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				d, err := api.Sign(cmd.Context(), a, args[0], note)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(d)
				}
				return c.Printf("signed %s off; it is due again on %s\n", d.Name, d.Due.Format(time.DateOnly))
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what was done, for the audit log")
	return cmd
}
