// Package consent holds the verbs for what people agreed to.
package consent

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/consents"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the verbs below "privacy consent".
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("consent", "What people agreed to", c.list(), c.grant(), c.withdraw(), c.history())
}

const principal = "the id of a principal, such as user:alice"

func (c verbs) list() *cobra.Command {
	return &cobra.Command{
		Use: "list PRINCIPAL", Short: "Show how a principal stands to each purpose", Args: frame.One(principal),
		Example: `  portcullis privacy consent list user:alice`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := consents.List(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, s := range list {
					rows[i] = []string{s.Purpose, s.State, s.Version, "-", "-"}
					if s.Consent != nil {
						rows[i][3], rows[i][4] = s.Consent.Version, s.Consent.GrantedAt.UTC().Format(time.RFC3339)
					}
				}
				return c.Table([]string{"PURPOSE", "STATE", "POLICY", "AGREED TO", "AT"}, rows)
			})
		},
	}
}

// two takes a principal and a purpose.
func two(verb string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return frame.Usagef("privacy consent %s: want %s, and a purpose", verb, principal)
		}
		return nil
	}
}

func (c verbs) grant() *cobra.Command {
	var x consents.Change
	cmd := &cobra.Command{
		Use: "grant PRINCIPAL PURPOSE", Short: "Note that somebody agreed, outside of the gateway", Args: two("grant"),
		Long: `Note that somebody agreed, outside of the gateway: on paper, by telephone.

The consent is to the version of the policy that is in force. Say with
--evidence what shows it. Callers agree for themselves with
PUT /api/v1/user/consents/PURPOSE.`,
		Example: `  portcullis privacy consent grant user:alice research --evidence "form 4711, signed 2026-01-31"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			x.Principal, x.Purpose = args[0], args[1]
			if x.Evidence == "" {
				return frame.Usagef("privacy consent grant: --evidence: say what shows it")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := consents.Give(cmd.Context(), a, x)
				if err != nil {
					return err
				}
				return c.show([]consents.Consent{made})
			})
		},
	}
	cmd.Flags().StringVar(&x.Evidence, "evidence", "", "what shows it: the reference of a form, a ticket (required)")
	cmd.Flags().StringVar(&x.Version, "policy-version", "", "refuse if another version of the policy is in force")
	return cmd
}

func (c verbs) withdraw() *cobra.Command {
	return &cobra.Command{
		Use: "withdraw PRINCIPAL PURPOSE", Short: "End a consent, at once and in running streams too", Args: two("withdraw"),
		Example: `  portcullis privacy consent withdraw user:alice research`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				ended, err := consents.Withdraw(cmd.Context(), a, consents.Change{Principal: args[0], Purpose: args[1]})
				if err != nil {
					return err
				}
				return c.show([]consents.Consent{ended})
			})
		},
	}
}

func (c verbs) history() *cobra.Command {
	return &cobra.Command{
		Use: "history PRINCIPAL", Short: "Show everything that a principal agreed to", Args: frame.One(principal),
		Example: `  portcullis privacy consent history user:alice --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := consents.History(cmd.Context(), a, args[0])
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
}

// show prints what one verb changed.
func (c verbs) show(list []consents.Consent) error {
	if c.JSON() {
		return c.PrintJSON(list[0])
	}
	return c.table(list)
}

func (c verbs) table(list []consents.Consent) error {
	rows := make([][]string, len(list))
	for i, x := range list {
		ended := frame.When(x.WithdrawnAt, "-")
		if x.Replaced {
			ended += " (renewed)"
		}
		rows[i] = []string{x.Purpose, x.Version, x.GrantedAt.UTC().Format(time.RFC3339), frame.Printable(x.GrantedBy), ended, frame.Printable(x.Evidence)}
	}
	return c.Table([]string{"PURPOSE", "AGREED TO", "AT", "BY", "ENDED", "EVIDENCE"}, rows)
}
