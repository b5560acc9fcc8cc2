// Package tokens is the verb group "portcullis token".
package tokens

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/tokens"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("token", "List and revoke sessions, issue and revoke access tokens", c.list(), c.revoke(), c.issue())
}

func (c verbs) list() *cobra.Command {
	var subject string
	cmd := &cobra.Command{
		Use: "list", Short: "List sessions and issued tokens that may be used now, oldest first", Args: frame.None,
		Example: `  portcullis token list
  portcullis token list --subject user:29a236948e5cf9bc --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				list, err := tokens.List(cmd.Context(), a, subject)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(list)
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{
						v.ID, v.Subject, opened(v), cmp.Or(strings.Join(v.Scopes, " "), "-"), cmp.Or(v.IP, "-"),
						v.UsedAt.UTC().Format(time.RFC3339), v.ExpiresAt.UTC().Format(time.RFC3339),
					}
				}
				return c.Table([]string{"ID", "SUBJECT", "OPENED BY", "SCOPES", "ADDRESS", "REFRESHED", "EXPIRES"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&subject, "subject", "", "only those of this principal, such as user:29a236948e5cf9bc")
	return cmd
}

func opened(v token.SessionView) string {
	if v.Issued {
		return "operator"
	}
	return v.Method
}

func (c verbs) revoke() *cobra.Command {
	var req tokens.RevokeTokens
	cmd := &cobra.Command{
		Use: "revoke [ID | --subject S | --all]", Short: "End sessions with their tokens, or the token of another issuer",
		Long: `End a session with all its tokens, from the next call on and for ever. ID is that
of a session ('portcullis token list' shows them, and events as key_id) or the
jti of one of its tokens.

--subject takes the id of a principal as 'portcullis token list' shows it, not a
name: that of a user is "user:…" ('portcullis user list'), that of who is
enrolled for proofs "zkp:NAME". API keys and certificates have no sessions.

Another ID revokes the access token of another issuer that has it as jti. The
form that events show ("jti:…") and the SHA-256 of a token in hexadecimal do too.`,
		Example: `  portcullis token revoke 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --reason "laptop lost"
  portcullis token revoke --subject user:29a236948e5cf9bc --reason "left the company"
  portcullis token revoke --all --reason "incident 7"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given := len(args)
			if req.Subject != "" {
				given++
			}
			if req.All {
				given++
			}
			if given != 1 {
				return frame.Usagef("token revoke: want the id of a session or token, --subject or --all")
			}
			if len(args) == 1 {
				if looksSecret(args[0]) {
					return frame.Usagef("token revoke: want the id of a session or token, not a token: arguments can be seen by others")
				}
				req.ID = args[0]
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				done, err := tokens.End(cmd.Context(), a, req)
				if err != nil {
					return err
				}
				return c.showRevoked(done)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Subject, "subject", "", "every session of this principal, such as user:29a236948e5cf9bc")
	f.BoolVar(&req.All, "all", false, "every session of this gateway")
	f.StringVar(&req.Reason, "reason", "", "why, for the audit log")
	return cmd
}

// looksSecret reports whether an argument is a token and not the id of one.
func looksSecret(s string) bool {
	return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") == 2 || strings.Contains(s, "rt_") && strings.Contains(s, ".")
}

func (c verbs) showRevoked(done tokens.RevokedTokens) error {
	switch {
	case c.JSON():
		return c.PrintJSON(done)
	case done.ID != "" && done.Kind == token.KindToken:
		return c.Printf("no session has this id: tokens of other issuers with it are refused from now on\n")
	case done.ID != "":
		return c.Printf("revoked session %s\n", frame.Printable(done.ID))
	}
	if err := c.Printf("revoked %s\n", counted(done.Count)); err != nil || done.Count > 0 || done.Subject == "" {
		return err
	}
	// An operator who gave a name must not go home believing that its sessions are over.
	_, err := fmt.Fprintf(c.Err, "note: %q has no sessions. Principals are in 'portcullis token list'; a name is not one.\n", done.Subject)
	return err
}

func counted(n int) string {
	if n == 1 {
		return "1 session"
	}
	return strconv.Itoa(n) + " sessions"
}

func (c verbs) issue() *cobra.Command {
	var req tokens.IssueToken
	var life time.Duration
	cmd := &cobra.Command{
		Use: "issue", Short: "Issue an access token and show it, this once", Args: frame.None,
		Long: `Issue an access token without a login. It is accepted on routes that list "jwt"
under auth, cannot be refreshed, and is short-lived: 15 minutes, or up to
identity.session.issue_ttl_max. The administration takes API keys only.`,
		Example: `  portcullis token issue --subject ci --scopes tools:search --ttl 5m
  portcullis token issue --subject nightly --scopes "tools:*" --roles editor --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case req.Subject == "":
				return frame.Usagef("token issue: --subject is required")
			case len(req.Scopes) == 0 && len(req.Roles) == 0:
				return frame.Usagef("token issue: --scopes or --roles is required")
			case life < 0:
				return frame.Usagef("token issue: --ttl must be positive")
			case life > 0:
				req.TTL = life.String()
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				made, err := tokens.Give(cmd.Context(), a, req)
				if err != nil {
					return err
				}
				if c.JSON() {
					return c.PrintJSON(made)
				}
				return c.Printf("%s\n\n  id       %s\n  subject  %s\n  ends in  %s\n\nThis is the only time the token is shown. Send it as \"Authorization: Bearer TOKEN\".\n",
					made.AccessToken, made.SessionID, frame.Printable(req.Subject), time.Duration(made.ExpiresIn)*time.Second)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Subject, "subject", "", "principal it speaks for")
	f.StringVar(&req.Name, "name", "", "name, for people")
	f.StringSliceVar(&req.Scopes, "scopes", nil, "what it may do, repeatable or comma-separated: tools:NAME, tools:*, prompts:…, resources:…")
	f.StringSliceVar(&req.Roles, "roles", nil, "roles it has, repeatable or comma-separated")
	f.DurationVar(&life, "ttl", 0, "life, such as 5m (default 15m, or the configured bound)")
	return cmd
}
