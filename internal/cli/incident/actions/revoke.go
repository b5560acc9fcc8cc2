package actions

import (
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/revoke"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) revokeSessions() *cobra.Command {
	var what revoke.Request
	cmd := &cobra.Command{
		Use: "revoke-sessions", Short: "End sessions, tokens and open streams at once: everybody's, or a principal's", Args: frame.None,
		Long: `End all sessions of this gateway with their tokens, all sessions of MCP and all
streams that are open, at once and over restarts. Who has a key, or can log in,
may come back: rotate keys and contain callers to keep them out. Tokens of other
issuers are not sessions of this gateway: their streams end, and 'portcullis
token revoke' ends the tokens.

While an incident is open of which no evidence is preserved this is refused,
unless --force is given.`,
		Example: `  portcullis incident revoke-sessions --reason "ticket 4711"
  portcullis incident revoke-sessions --principal user:alice --reason "ticket 4711"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				out, err := revoke.End(cmd.Context(), a, what)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(out)
				}
				return c.Printf("ended %d sessions with their tokens, all sessions of MCP, and %d open streams\n", out.Sessions, out.Streams)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&what.Principal, "principal", "", "`id` of the principal whose sessions end (default: everybody)")
	f.StringVar(&what.Reason, "reason", "", "why, for the audit log")
	f.BoolVar(&what.Force, "force", false, "although evidence of an open incident is not preserved")
	return cmd
}
