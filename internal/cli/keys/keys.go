// Package keys is the verb group "portcullis key".
package keys

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("key", "Create, list, check, rotate and revoke API keys",
		c.keyCreate(), c.keyList(), c.keyShow(), c.keyRotate(), c.keyClaim(), c.keyRevoke(), c.keyVerify(), c.keyNotifications())
}

func (c verbs) keyCreate() *cobra.Command {
	var req admin.CreateKey
	var life time.Duration
	cmd := &cobra.Command{
		Use: "create", Short: "Create a key and show it, this once", Args: frame.None,
		Example: `  portcullis key create --name ci --scopes tools:search,tools:read_*
  portcullis key create --name alice --expires-in 720h --output json
  portcullis key create --name bob --roles viewer
  portcullis key create --name ops --scopes manage`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if req.Name == "" {
				return frame.Usagef("key create: --name is required")
			}
			if len(req.Scopes)+len(req.Roles) == 0 {
				req.Scopes = DefaultScopes()
			}
			if life < 0 {
				return frame.Usagef("key create: --expires-in must be positive")
			}
			if life > 0 {
				req.Expires = time.Now().Add(life).UTC().Format(time.RFC3339)
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
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
	f.StringSliceVar(&req.Scopes, "scopes", nil, "what it may do, repeatable or comma-separated: tools:NAME, tools:*, prompts:…, resources:…, manage (default every tool, prompt and resource, or nothing beside --roles)")
	f.StringSliceVar(&req.Roles, "roles", nil, "roles of access.roles, repeatable or comma-separated; the key may do what its scopes or its roles say")
	f.StringSliceVar(&req.Routes, "routes", nil, "routes it is good for (default all)")
	f.StringVar(&req.Owner, "owner", "", "principal it speaks for (default its own)")
	f.StringVar(&req.Schedule, "schedule", "", "rotation: daily, weekly, monthly, quarterly or never (default from the configuration)")
	f.DurationVar(&life, "expires-in", 0, "life time, such as 720h (default from the schedule)")
	return cmd
}

func (c verbs) showNewKey(made apikey.Revealed) error {
	if c.JSON() {
		return c.PrintJSON(made)
	}
	return c.Printf(`%s

  id       %s
  name     %s
  scopes   %s
  expires  %s

This is the only time the key is shown. Send it as "X-API-Key: KEY" or "Authorization: Bearer KEY".
`, made.Key, made.ID, frame.Printable(made.Name), frame.Printable(grants(made.View)), frame.When(made.ExpiresAt, "never"))
}

func (c verbs) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List keys, oldest first", Args: frame.None,
		Example: "  portcullis key list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				keys, err := a.Keys(cmd.Context())
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(keys)
				}
				rows := make([][]string, len(keys))
				for i, k := range keys {
					rows[i] = []string{k.ID, k.Name, keyStatus(k), grants(k), frame.When(k.ExpiresAt, "never"), frame.When(k.LastUsedAt, "-")}
				}
				return c.Table([]string{"ID", "NAME", "STATUS", "SCOPES", "EXPIRES", "LAST USED"}, rows)
			})
		},
	}
}

// keyID is the argument rule of verbs on one key. A whole key in its place is
// not repeated: messages end up in logs.
func keyID(cmd *cobra.Command, args []string) error {
	if err := frame.One("the id of a key")(cmd, args); err != nil {
		return err
	}
	id := args[0]
	switch {
	case strings.ContainsAny(id, "._"):
		return frame.Usagef("%s: want the id of a key, the 32 hex digits between \"_\" and \".\", not a key", cmd.Name())
	case len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "":
		return frame.Usagef("%s %q: want the id of a key, 32 hex digits: 'portcullis key list' shows them", cmd.Name(), frame.Printable(id))
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

func (c verbs) keyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one key", Args: keyID,
		Example: "  portcullis key show 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				k, err := a.Key(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.showKey(k)
			})
		},
	}
}

// grants lists what a key carries: its scopes, and its roles marked as such.
func grants(k apikey.View) string {
	words := slices.Clone(k.Scopes)
	for _, r := range k.Roles {
		words = append(words, "role:"+r)
	}
	return strings.Join(words, " ")
}

func (c verbs) showKey(k apikey.View) error {
	if c.JSON() {
		return c.PrintJSON(k)
	}
	rows := [][]string{
		{"name", k.Name}, {"status", keyStatus(k)}, {"scopes", cmp.Or(strings.Join(k.Scopes, " "), "-")}, {"roles", cmp.Or(strings.Join(k.Roles, " "), "-")},
		{"routes", cmp.Or(strings.Join(k.Routes, " "), "all")}, {"owner", k.Owner}, {"schedule", string(k.Schedule)},
		{"created", k.CreatedAt.UTC().Format(time.RFC3339)}, {"expires", frame.When(k.ExpiresAt, "never")},
		{"predecessor", cmp.Or(k.Predecessor, "-")}, {"successor", cmp.Or(k.Successor, "-")}, {"deprecated from", frame.When(k.DeprecateAt, "-")},
		{"revoked from", frame.When(k.RevokeAt, "-")}, {"claim until", frame.When(k.ClaimUntil, "-")}, {"last used", frame.When(k.LastUsedAt, "-")}, {"revoked", frame.When(k.RevokedAt, "-")}, {"reason", cmp.Or(k.RevokeReason, "-")},
	}
	return c.Table([]string{"id", k.ID}, rows)
}

func (c verbs) keyRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a key at once and for ever", Args: keyID,
		Example: `  portcullis key revoke 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --reason "laptop lost"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				k, err := a.RevokeKey(cmd.Context(), args[0], reason)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(k)
				}
				return c.Printf("revoked %s (%s)\n", k.ID, frame.Printable(k.Name))
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}
