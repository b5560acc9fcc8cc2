package keys

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) keyVerify() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Say whether a key, read from standard input, would be accepted", Args: frame.None,
		Long:    "The key is read from standard input, never from an argument: arguments end up in shell histories and process lists. Exit code 3 if it would be refused.\n\nWith --offline only the form is checked, its checksum included: whether a text is a real key, as a secret scanner asks. No gateway and no data folder are needed.",
		Example: "  portcullis key verify < key.txt\n  portcullis key verify --offline < key.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := c.SecretLine("key verify")
			if err != nil {
				return err
			}
			if offline {
				return c.verifyOffline(text)
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				v, err := a.VerifyKey(cmd.Context(), text)
				if err != nil {
					return err
				}
				return c.showVerification(v)
			})
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "check the form and the checksum only")
	return cmd
}

func (c verbs) verifyOffline(text string) error {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return err
	}
	id, ok := cfg.Identity.APIKey.Recognise(text)
	switch {
	case c.JSON():
		err = c.PrintJSON(map[string]any{"well_formed": ok, "id": id})
	case ok:
		err = c.Printf("well-formed: a real key with id %s\n", id)
	default:
		err = c.Printf("not a key: wrong form or checksum\n")
	}
	if err == nil && !ok {
		err = fmt.Errorf("%w: not a key", frame.ErrNo)
	}
	return err
}

func (c verbs) showVerification(v apikey.Verification) error {
	var err error
	switch {
	case c.JSON():
		err = c.PrintJSON(v)
	case v.Valid:
		err = c.Printf("valid: %s (%s), scopes %s\n", v.Key.ID, frame.Printable(v.Key.Name), frame.Printable(strings.Join(v.Key.Scopes, " ")))
	default:
		err = c.Printf("not valid: %s\n", v.Reason)
	}
	if err != nil {
		return err
	}
	if !v.Valid {
		return fmt.Errorf("%w: %s", frame.ErrNo, v.Reason)
	}
	return nil
}
