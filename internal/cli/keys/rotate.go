package keys

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) keyRotate() *cobra.Command {
	var req admin.RotateKey
	var due, all bool
	cmd := &cobra.Command{
		Use: "rotate ID | --due | --all", Short: "Give a key a successor with the same rights",
		Long: `Give a key a successor with the same name, scopes, owner and schedule. The old
key goes on working for the overlap (identity.api_key.overlap, twice): callers
that use it are told by the headers Deprecation and Sunset.

With an ID the new key is shown, this once; with --claim a token is shown in its
place, with which the holder fetches the key (see "key claim"). The successors
of --due and --all are fetched by their holders, with the key they have. With
--emergency the old key ends at once; sessions of the owner go on with the new.`,
		Example: `  portcullis key rotate 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --output json
  portcullis key rotate 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --emergency --reason "key in a public repository"
  portcullis key rotate --due`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case due && all, len(args) > 1, (len(args) == 1) == (due || all):
				return frame.Usagef("key rotate: want the id of a key, --due or --all")
			case due && (req.Emergency || req.Reason != ""), req.Claim && len(args) == 0:
				return frame.Usagef("key rotate: --due takes neither --emergency nor --reason, and --claim wants the id of a key")
			}
			if len(args) == 1 {
				if err := keyID(cmd, args); err != nil {
					return err
				}
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if len(args) == 1 {
					made, err := a.RotateKey(cmd.Context(), args[0], req)
					if err != nil {
						return err
					}
					return c.showRotation(args[0], made)
				}
				which := map[bool]string{true: "due", false: "all"}
				made, err := a.RotateKeys(cmd.Context(), admin.RotateKeys{Which: which[due], Emergency: req.Emergency, Reason: req.Reason})
				if err != nil {
					return err
				}
				return c.showRotations(made)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&due, "due", false, "the keys whose schedule says so")
	f.BoolVar(&all, "all", false, "every key in use")
	f.BoolVar(&req.Emergency, "emergency", false, "end the old key now, without overlap")
	f.BoolVar(&req.Claim, "claim", false, "show a claim token in place of the new key")
	f.StringVar(&req.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) showRotation(old string, made apikey.Rotation) error {
	switch {
	case c.JSON():
		return c.PrintJSON(made)
	case made.Key != "":
		return c.showNewKey(apikey.Revealed{View: made.View, Key: made.Key})
	case made.ClaimToken != "":
		return c.Printf("%s\n\n  successor    %s\n  claim until  %s\n\nThis is the only time the token is shown. Its holder runs: portcullis key claim --url URL < token.txt\n",
			made.ClaimToken, made.ID, frame.When(made.ClaimUntil, "-"))
	}
	return c.Printf("revoked %s; its successor is %s\n", old, made.ID)
}

func (c verbs) showRotations(made []apikey.Rotation) error {
	if c.JSON() {
		return c.PrintJSON(made)
	}
	if len(made) == 0 {
		return c.Printf("nothing to rotate\n")
	}
	rows := make([][]string, len(made))
	for i, m := range made {
		secret := m.Key
		if secret == "" {
			secret = "to be claimed until " + frame.When(m.ClaimUntil, "-")
		}
		rows[i] = []string{m.Predecessor, m.ID, m.Name, secret}
	}
	return c.Table([]string{"PREDECESSOR", "SUCCESSOR", "NAME", "KEY"}, rows)
}

func (c verbs) keyClaim() *cobra.Command {
	var base string
	cmd := &cobra.Command{
		Use: "claim --url URL", Short: "Fetch the successor of a key, this once", Args: frame.None,
		Long: `Fetch the successor of a key from a running gateway. Standard input holds what
proves the right to it: a claim token, or the key that is being rotated.`,
		Example: "  portcullis key claim --url https://mcp.example.com < key.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if base == "" {
				return frame.Usagef("key claim: --url: want that of the gateway, such as https://mcp.example.com")
			}
			credential, err := c.SecretLine("key claim")
			if err != nil {
				return err
			}
			made, err := admin.FetchClaim(cmd.Context(), base, credential)
			if err != nil {
				return err
			}
			return c.showRotation("", made)
		},
	}
	cmd.Flags().StringVar(&base, "url", "", "`URL` of the gateway")
	return cmd
}

func (c verbs) keyNotifications() *cobra.Command {
	var failed bool
	cmd := &cobra.Command{
		Use: "notifications", Short: "List notices to the owners of keys that wait, or that failed", Args: frame.None,
		Example: "  portcullis key notifications --failed",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := a.KeyNotices(cmd.Context(), failed)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, m := range list {
					rows[i] = []string{m.ID, strconv.Itoa(m.Attempts), frame.When(&m.CreatedAt, "-"), frame.When(&m.NextAt, "-"), m.LastError}
				}
				return c.Table([]string{"NOTICE", "ATTEMPTS", "SINCE", "NEXT", "LAST ERROR"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "those that were given up")
	return cmd
}
