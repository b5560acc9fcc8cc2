package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/cli/hint"
)

// defaultScopes let a key use every tool, prompt and resource, and nothing of
// the administration.
var defaultScopes = [...]string{"tools:*", "prompts:*", "resources:*"}

func (c *cli) key() *cobra.Command {
	return group("key", "Create, list, check, rotate and revoke API keys",
		c.keyCreate(), c.keyList(), c.keyShow(), c.keyRotate(), c.keyClaim(), c.keyRevoke(), c.keyVerify(), c.keyNotifications())
}

// withAdmin runs f with a client of the admin API: that of the running gateway,
// or one served in this process while the data folder is locked.
func (c *cli) withAdmin(ctx context.Context, f func(*admin.Client) error) (err error) {
	opts, err := c.appOptions(nil)
	if err != nil {
		return err
	}
	hint.NewFolder(c.err, c.dataDir)
	client, closeAdmin, err := app.Connect(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := closeAdmin(); cerr != nil && err == nil {
			err = cerr
		}
	}()
	return f(client)
}

func (c *cli) keyCreate() *cobra.Command {
	var req admin.CreateKey
	var life time.Duration
	cmd := &cobra.Command{
		Use: "create", Short: "Create a key and show it, this once", Args: none,
		Example: `  portcullis key create --name ci --scopes tools:search,tools:read_*
  portcullis key create --name alice --expires-in 720h --output json
  portcullis key create --name ops --scopes manage`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if req.Name == "" {
				return usagef("key create: --name is required")
			}
			if len(req.Scopes) == 0 {
				req.Scopes = defaultScopes[:]
			}
			if life < 0 {
				return usagef("key create: --expires-in must be positive")
			}
			if life > 0 {
				req.Expires = time.Now().Add(life).UTC().Format(time.RFC3339)
			}
			return c.withAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := a.CreateKey(cmd.Context(), req)
				if err != nil {
					return err
				}
				return c.showNewKey(made)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Name, "name", "", "name, for people")
	f.StringSliceVar(&req.Scopes, "scopes", nil, "what it may do, repeatable or comma-separated: tools:NAME, tools:*, prompts:…, resources:…, manage (default every tool, prompt and resource)")
	f.StringSliceVar(&req.Routes, "routes", nil, "routes it is good for (default all)")
	f.StringVar(&req.Owner, "owner", "", "principal it speaks for (default its own)")
	f.StringVar(&req.Schedule, "schedule", "", "rotation: daily, weekly, monthly, quarterly or never (default from the configuration)")
	f.DurationVar(&life, "expires-in", 0, "life time, such as 720h (default from the schedule)")
	return cmd
}

func (c *cli) showNewKey(made apikey.Revealed) error {
	if c.json() {
		return c.printJSON(made)
	}
	return c.printf(`%s

  id       %s
  name     %s
  scopes   %s
  expires  %s

This is the only time the key is shown. Send it as "X-API-Key: KEY" or "Authorization: Bearer KEY".
`, made.Key, made.ID, printable(made.Name), printable(strings.Join(made.Scopes, " ")), when(made.ExpiresAt, "never"))
}

func when(t *time.Time, otherwise string) string {
	if t == nil || t.IsZero() {
		return otherwise
	}
	return t.UTC().Format(time.RFC3339)
}

func (c *cli) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List keys, oldest first", Args: none,
		Example: "  portcullis key list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withAdmin(cmd.Context(), func(a *admin.Client) error {
				keys, err := a.Keys(cmd.Context())
				if err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(keys)
				}
				rows := make([][]string, len(keys))
				for i, k := range keys {
					rows[i] = []string{k.ID, k.Name, keyStatus(k), strings.Join(k.Scopes, " "), when(k.ExpiresAt, "never"), when(k.LastUsedAt, "-")}
				}
				return c.table([]string{"ID", "NAME", "STATUS", "SCOPES", "EXPIRES", "LAST USED"}, rows)
			})
		},
	}
}

// keyID is the argument rule of verbs on one key. A whole key in its place is
// not repeated: messages end up in logs.
func keyID(cmd *cobra.Command, args []string) error {
	if err := one("the id of a key")(cmd, args); err != nil {
		return err
	}
	id := args[0]
	switch {
	case strings.ContainsAny(id, "._"):
		return usagef("%s: want the id of a key, the 32 hex digits between \"_\" and \".\", not a key", cmd.Name())
	case len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "":
		return usagef("%s %q: want the id of a key, 32 hex digits: 'portcullis key list' shows them", cmd.Name(), printable(id))
	}
	return nil
}

func keyStatus(k apikey.View) string {
	if k.Expired {
		return "expired"
	}
	if k.ClaimUntil != nil && k.Status == apikey.StatusActive {
		return "unclaimed"
	}
	return k.Status.String()
}

func (c *cli) keyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one key", Args: keyID,
		Example: "  portcullis key show 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withAdmin(cmd.Context(), func(a *admin.Client) error {
				k, err := a.Key(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.showKey(k)
			})
		},
	}
}

func (c *cli) showKey(k apikey.View) error {
	if c.json() {
		return c.printJSON(k)
	}
	rows := [][]string{
		{"name", k.Name}, {"status", keyStatus(k)}, {"scopes", strings.Join(k.Scopes, " ")},
		{"routes", cmp.Or(strings.Join(k.Routes, " "), "all")}, {"owner", k.Owner}, {"schedule", string(k.Schedule)},
		{"created", k.CreatedAt.UTC().Format(time.RFC3339)}, {"expires", when(k.ExpiresAt, "never")},
		{"predecessor", cmp.Or(k.Predecessor, "-")}, {"successor", cmp.Or(k.Successor, "-")}, {"deprecated from", when(k.DeprecateAt, "-")},
		{"revoked from", when(k.RevokeAt, "-")}, {"claim until", when(k.ClaimUntil, "-")}, {"last used", when(k.LastUsedAt, "-")}, {"revoked", when(k.RevokedAt, "-")}, {"reason", cmp.Or(k.RevokeReason, "-")},
	}
	return c.table([]string{"id", k.ID}, rows)
}

func (c *cli) keyRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a key at once and for ever", Args: keyID,
		Example: `  portcullis key revoke 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --reason "laptop lost"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withAdmin(cmd.Context(), func(a *admin.Client) error {
				k, err := a.RevokeKey(cmd.Context(), args[0], reason)
				if err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(k)
				}
				return c.printf("revoked %s (%s)\n", k.ID, printable(k.Name))
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}
