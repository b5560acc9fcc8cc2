// Package users is the verb group "portcullis user".
package users

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/keys"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("user", "Add, list, change and remove users with a password",
		c.add(), c.list(), c.passwd(), c.roles(), c.state("disable"), c.state("enable"), c.remove())
}

// userName is the argument rule of verbs on one user.
func userName(cmd *cobra.Command, args []string) error {
	if err := frame.One("the name of a user")(cmd, args); err != nil {
		return err
	}
	if _, err := basic.Canonical(args[0]); err != nil { // not repeated: it may be a password
		return frame.Usagef("%w", err)
	}
	return nil
}

func (c verbs) add() *cobra.Command {
	var req users.AddUser
	var src source
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a user", Args: userName,
		Long: `Add a user. The password is asked for twice and not shown; with
--password-stdin it is the first line of standard input; with --generate one is
made and shown, this once.

Without --roles and --scopes the user may use every tool, prompt and resource,
and administer nothing.`,
		Example: `  portcullis user add alice --roles viewer --scopes tools:search
  portcullis user add ci --generate --output json
  portcullis user add bob --password-stdin < password.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			if len(req.Roles)+len(req.Scopes) == 0 {
				req.Scopes = keys.DefaultScopes()
			}
			var err error
			if req.Password, err = c.password(src); err != nil {
				return err
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := users.Create(cmd.Context(), a, req)
				if err != nil {
					return err
				}
				return c.show("added", made)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&req.Roles, "roles", nil, "roles, repeatable or comma-separated")
	f.StringSliceVar(&req.Scopes, "scopes", nil, "what the user may do: tools:NAME, tools:*, prompts:…, resources:…")
	src.flags(cmd)
	return cmd
}

// show says what was done, and the password if it was made.
func (c verbs) show(done string, made users.RevealedUser) error {
	if c.JSON() {
		return c.PrintJSON(made)
	}
	if made.Password == "" {
		return c.Printf("%s %s (%s)\n", done, made.Name, made.ID)
	}
	return c.Printf("%s\n\n%s %s (%s). This is the only time the password is shown.\n", made.Password, done, made.Name, made.ID)
}

func (c verbs) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users by name", Args: frame.None,
		Example: "  portcullis user list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := users.List(cmd.Context(), a)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, u := range list {
					state := "active"
					if u.Disabled {
						state = "disabled"
					}
					rows[i] = []string{u.Name, u.ID, state, strings.Join(u.Roles, " "), strings.Join(u.Scopes, " "), u.PasswordChangedAt.UTC().Format(time.RFC3339)}
				}
				return c.Table([]string{"NAME", "ID", "STATE", "ROLES", "SCOPES", "PASSWORD SINCE"}, rows)
			})
		},
	}
}

func (c verbs) passwd() *cobra.Command {
	var src source
	cmd := &cobra.Command{
		Use: "passwd NAME", Short: "Give a user another password; sessions end", Args: userName,
		Example: "  portcullis user passwd alice\n  portcullis user passwd ci --generate",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := c.password(src)
			if err != nil {
				return err
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := users.SetPassword(cmd.Context(), a, args[0], users.UserPassword{Password: text})
				if err != nil {
					return err
				}
				return c.show("changed the password of", made)
			})
		},
	}
	src.flags(cmd)
	return cmd
}

func (c verbs) roles() *cobra.Command {
	var roles, scopes []string
	cmd := &cobra.Command{
		Use: "roles NAME", Short: "Replace the roles or scopes of a user; sessions end", Args: userName,
		Example: "  portcullis user roles alice --roles admin,viewer\n  portcullis user roles alice --scopes tools:search\n  portcullis user roles alice --roles=",
		RunE: func(cmd *cobra.Command, args []string) error {
			var g users.UserGrants
			if cmd.Flags().Changed("roles") {
				g.Roles = &roles
			}
			if cmd.Flags().Changed("scopes") {
				g.Scopes = &scopes
			}
			if g.Roles == nil && g.Scopes == nil {
				return frame.Usagef("user roles: give --roles, --scopes or both")
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				u, err := users.SetGrants(cmd.Context(), a, args[0], g)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(u)
				}
				return c.Printf("changed %s (%s): roles %s, scopes %s\n", u.Name, u.ID, words(u.Roles), words(u.Scopes))
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&roles, "roles", nil, "all roles the user is to have; --roles= for none")
	f.StringSliceVar(&scopes, "scopes", nil, "all scopes the user is to have; --scopes= for none")
	return cmd
}

func words(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return frame.Printable(strings.Join(list, " "))
}

// state is the verb disable or enable.
func (c verbs) state(verb string) *cobra.Command {
	var st users.UserState
	st.Disabled = verb == "disable"
	short := "Admit a disabled user again"
	if st.Disabled {
		short = "Bar a user until 'enable'; sessions end"
	}
	cmd := &cobra.Command{
		Use: verb + " NAME", Short: short, Args: userName,
		Example: "  portcullis user " + verb + " alice",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				u, err := users.SetState(cmd.Context(), a, args[0], st)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(u)
				}
				return c.Printf("%sd %s (%s)\n", verb, u.Name, u.ID)
			})
		},
	}
	cmd.Flags().StringVar(&st.Reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c verbs) remove() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Remove a user for good; sessions end", Args: userName,
		Example: `  portcullis user remove alice --reason "left the company"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if err := users.Remove(cmd.Context(), a, args[0], reason); err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(map[string]string{"removed": args[0]})
				}
				return c.Printf("removed %s\n", args[0])
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit log")
	return cmd
}
