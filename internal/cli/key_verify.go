package cli

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

func (c *cli) keyVerify() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Say whether a key, read from standard input, would be accepted", Args: none,
		Long:    "The key is read from standard input, never from an argument: arguments end up in shell histories and process lists. Exit code 3 if it would be refused.\n\nWith --offline only the form is checked, its checksum included: whether a text is a real key, as a secret scanner asks. No gateway and no data folder are needed.",
		Example: "  portcullis key verify < key.txt\n  portcullis key verify --offline < key.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := c.secretLine("key verify")
			if err != nil {
				return err
			}
			if offline {
				return c.verifyOffline(text)
			}
			return c.withAdmin(cmd.Context(), func(a *admin.Client) error {
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

// secretLine reads the first line of standard input.
func (c *cli) secretLine(verb string) (string, error) {
	line, err := bufio.NewReader(c.in).ReadString('\n')
	text := strings.TrimSpace(line)
	switch {
	case text == "" && err != nil && line == "":
		return "", usagef("%s: no key on standard input", verb)
	case text == "":
		return "", usagef("%s: the first line of standard input is empty", verb)
	}
	return text, nil
}

func (c *cli) verifyOffline(text string) error {
	cfg, _, err := c.loadConfig()
	if err != nil {
		return err
	}
	id, ok := cfg.Identity.APIKey.Recognise(text)
	switch {
	case c.json():
		err = c.printJSON(map[string]any{"well_formed": ok, "id": id})
	case ok:
		err = c.printf("well-formed: a real key with id %s\n", id)
	default:
		err = c.printf("not a key: wrong form or checksum\n")
	}
	if err == nil && !ok {
		err = fmt.Errorf("%w: not a key", errNo)
	}
	return err
}

func (c *cli) showVerification(v apikey.Verification) error {
	var err error
	switch {
	case c.json():
		err = c.printJSON(v)
	case v.Valid:
		err = c.printf("valid: %s (%s), scopes %s\n", v.Key.ID, printable(v.Key.Name), printable(strings.Join(v.Key.Scopes, " ")))
	default:
		err = c.printf("not valid: %s\n", v.Reason)
	}
	if err != nil {
		return err
	}
	if !v.Valid {
		return fmt.Errorf("%w: %s", errNo, v.Reason)
	}
	return nil
}
