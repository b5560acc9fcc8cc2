package zkp

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	enrolments "github.com/portcullis-dev/portcullis/internal/admin/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) enroll() *cobra.Command {
	var req enrolments.Enrol
	cmd := &cobra.Command{
		Use: "enroll USER --public-key KEY", Short: "Let a user log in who proves to know the private key of a public key", Args: userID,
		Long: `Let a user log in who proves to know the private key of a public key.

The public key is what "zkp keygen" prints. Without --roles and --scopes the
user may call every tool, prompt and resource. A user who is enrolled already is
enrolled anew only with --replace: the key before and its sessions end.`,
		Example: `  portcullis zkp enroll alice --public-key 17463904…20131 --scopes tools:search
  portcullis zkp enroll alice --public-key 17463904…20131 --roles editor --replace`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.UserID = args[0]
			if req.PublicKey == "" {
				return frame.Usagef("zkp enroll: --public-key is required")
			}
			if _, err := zkp.ParseElement(req.PublicKey); err != nil {
				return frame.Usagef("zkp enroll: --public-key: %v", err)
			}
			if len(req.Roles)+len(req.Scopes) == 0 {
				req.Scopes = []string{"tools:*", "prompts:*", "resources:*"}
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := enrolments.Enroll(cmd.Context(), a, req)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(made)
				}
				return c.Printf("enrolled %s as %s\n", made.UserID, made.Subject())
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.PublicKey, "public-key", "", "public `key`, a decimal number")
	f.StringSliceVar(&req.Roles, "roles", nil, "roles, repeatable or comma-separated")
	f.StringSliceVar(&req.Scopes, "scopes", nil, "what the user may do, repeatable or comma-separated: tools:NAME, tools:*, prompts:…, resources:…")
	f.BoolVar(&req.Replace, "replace", false, "the user may be enrolled: end the key before and its sessions")
	return cmd
}

// userID is the argument rule of verbs on one user.
func userID(cmd *cobra.Command, args []string) error {
	if err := frame.One("the id of a user")(cmd, args); err != nil {
		return err
	}
	if err := zkp.CheckUserID(args[0]); err != nil {
		return frame.Usagef("zkp %s: %v", cmd.Name(), err)
	}
	return nil
}

func (c verbs) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List who may log in by proof", Args: frame.None,
		Example: "  portcullis zkp list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := enrolments.List(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, e := range list {
					rows[i] = []string{e.UserID, e.PublicKey.Fingerprint(), strings.Join(e.Roles, " "), strings.Join(e.Scopes, " "), frame.When(&e.EnrolledAt, "-")}
				}
				return c.Table([]string{"USER", "FINGERPRINT OF KEY", "ROLES", "SCOPES", "ENROLLED"}, rows)
			})
		},
	}
}

func (c verbs) remove() *cobra.Command {
	return &cobra.Command{
		Use: "remove USER", Short: "Let a user no longer log in by proof, and end their sessions", Args: userID,
		Example: "  portcullis zkp remove alice",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				gone, err := enrolments.Remove(cmd.Context(), a, args[0])
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(gone)
				}
				return c.Printf("removed %s\n", gone.UserID)
			})
		},
	}
}
