// Package access is the verb group "portcullis access": who may do what, for
// access reviews.
package access

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("access", "Review who may do what", c.report())
}

// entry is one line of the report: what somebody may do on a route.
type entry struct {
	Kind      string     `json:"kind"` // "key", "user", "prover" (of zero-knowledge proofs), "certificate" (a rule), "role" or "anyone"
	ID        string     `json:"id"`
	Name      string     `json:"name,omitempty"`
	Owner     string     `json:"owner,omitempty"`
	Status    string     `json:"status"`
	Roles     []string   `json:"roles"`
	Grants    []string   `json:"grants"` // own, and of the roles
	Admin     bool       `json:"admin"`  // may administer the gateway
	Route     string     `json:"route"`
	May       []string   `json:"may"`        // of the known things
	MayNot    []string   `json:"may_not"`    // of the known things
	LimitedBy []string   `json:"limited_by"` // guards that can refuse what the grants give
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	LastUsed  *time.Time `json:"last_used_at,omitempty"`
}

func (c verbs) report() *cobra.Command {
	var tools []string
	var all bool
	cmd := &cobra.Command{
		Use: "report", Short: "List who may do what on which route, with last use", Args: frame.None,
		Long: `Every key, every user, every enrolled prover, every rule for client certificates,
and every role on routes that take tokens is held against the guards of every route. What a grant with a * covers is not spelled out: the known
things are those that the configuration and the scopes of keys name, and those
given by --tools. Policies are asked as of now, for a call from 127.0.0.1 over
TLS; what some arguments would allow counts as allowed.`,
		Example: "  portcullis access report\n  portcullis access report --tools read_file,delete_file --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.LoadRoutes()
			if err != nil {
				return err
			}
			acc, err := access.New(cfg, nil, nil)
			if err != nil {
				return frame.UsageError{Err: err}
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				h, err := ask(cmd.Context(), a)
				if err != nil {
					return err
				}
				if !all {
					h.keys = slices.DeleteFunc(h.keys, func(k apikey.View) bool { return k.Expired || k.Status == apikey.StatusRevoked })
					h.users = slices.DeleteFunc(h.users, func(u basic.User) bool { return u.Disabled })
				}
				entries, err := review(cmd.Context(), cfg, acc, h, tools)
				if err != nil {
					return err
				}
				return c.show(entries)
			})
		},
	}
	cmd.Flags().StringSliceVar(&tools, "tools", nil, "tools to ask about beside those that are known")
	cmd.Flags().BoolVar(&all, "all", false, "also keys that are revoked or expired, and users that are disabled")
	return cmd
}

// review makes the report.
func review(ctx context.Context, cfg *config.Config, acc *access.Access, h holders, tools []string) ([]entry, error) {
	out := []entry{}
	for i := range cfg.Routes {
		rt := &cfg.Routes[i]
		guards, err := acc.Route(rt)
		if err != nil {
			return nil, err
		}
		things := known(cfg, rt, h, tools)
		add := func(e entry, p portcullis.Principal) {
			e.Route, e.Roles = rt.Name, append([]string{}, p.Roles...)
			e.Grants = append(append([]string{}, p.Scopes...), acc.Roles().Of(p)...)
			slices.Sort(e.Grants)
			e.Grants = slices.Compact(e.Grants)
			e.weigh(ctx, guards, p, rt, things)
			out = append(out, e)
		}
		takesKeys := slices.Contains(rt.Auth, apikey.Method)
		for _, k := range h.keys {
			if takesKeys && (len(k.Routes) == 0 || slices.Contains(k.Routes, rt.Name)) {
				add(keyEntry(k), portcullis.Principal{ID: k.Owner, Method: apikey.Method, KeyID: k.ID, Scopes: k.Scopes, Roles: k.Roles})
			}
		}
		if slices.Contains(rt.Auth, basic.Method) {
			for _, u := range h.users {
				add(h.userEntry(u), portcullis.Principal{ID: u.ID, Method: basic.Method, Scopes: u.Scopes, Roles: u.Roles})
			}
		}
		if slices.Contains(rt.Auth, zkp.Method) {
			for _, p := range h.provers {
				add(entry{Kind: "prover", ID: p.Subject(), Status: "enrolled", LastUsed: h.lastUse(p.Subject())},
					portcullis.Principal{ID: p.Subject(), Method: zkp.Method, Scopes: p.Scopes, Roles: p.Roles})
			}
		}
		if slices.Contains(rt.Auth, "none") {
			add(entry{Kind: "anyone", ID: "anyone", Status: "open"}, portcullis.Principal{ID: "anonymous", Method: "none", Scopes: []string{"tools:*", "prompts:*", "resources:*"}})
			continue
		}
		if slices.Contains(rt.Auth, mtls.Method) {
			for _, r := range cfg.Identity.MTLS.Rules {
				add(entry{Kind: "certificate", ID: r.Match, Status: "configured"}, portcullis.Principal{ID: "cert:" + r.Match, Method: mtls.Method, Scopes: r.Scopes, Roles: r.Roles})
			}
		}
		if !slices.ContainsFunc(rt.Auth, func(m string) bool { return m == jwt.MethodJWT || m == jwt.MethodOIDC }) {
			continue
		}
		for _, role := range slices.Sorted(maps.Keys(cfg.Access.Roles)) {
			add(entry{Kind: "role", ID: role, Status: "configured"}, portcullis.Principal{ID: "role:" + role, Method: "role", Roles: []string{role}})
		}
	}
	return out, nil
}

func keyEntry(k apikey.View) entry {
	e := entry{
		Kind: "key", ID: k.ID, Name: k.Name, Owner: k.Owner, Status: k.Status.String(), ExpiresAt: k.ExpiresAt, LastUsed: k.LastUsedAt,
		Admin: slices.Contains(k.Scopes, scope.Manage),
	}
	if k.Expired {
		e.Status = "expired"
	}
	return e
}

// weigh asks the guards of the route about every known thing.
func (e *entry) weigh(ctx context.Context, guards []portcullis.Authorizer, p portcullis.Principal, rt *config.Route, things []portcullis.Target) {
	e.May, e.MayNot, e.LimitedBy = []string{}, []string{}, []string{}
	for _, t := range things {
		a := portcullis.Action{Route: rt.Name, Method: access.UseMethod(t.Kind), Target: t, Client: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Secure: true, Listing: true}
		if access.Explain(ctx, guards, p, a).Allowed() {
			e.May = append(e.May, t.String())
		} else {
			e.MayNot = append(e.MayNot, t.String())
		}
	}
	for _, g := range guards {
		if g.Name() != "scope" || len(rt.Tools.Scopes) > 0 {
			e.LimitedBy = append(e.LimitedBy, g.Name())
		}
	}
}

// known lists what the configuration of a route and the scopes of keys name.
func known(cfg *config.Config, rt *config.Route, h holders, tools []string) []portcullis.Target {
	var out []portcullis.Target
	add := func(kind portcullis.TargetKind, names ...string) {
		for _, n := range names {
			t := portcullis.Target{Kind: kind, Name: n}
			if n != "" && !strings.Contains(n, "*") && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	add(portcullis.TargetTool, tools...)
	add(portcullis.TargetTool, slices.Concat(rt.Tools.Allow, rt.Tools.Deny, slices.Collect(maps.Keys(rt.Tools.Scopes)))...)
	add(portcullis.TargetPrompt, slices.Concat(rt.Prompts.Allow, rt.Prompts.Deny)...)
	add(portcullis.TargetResource, slices.Concat(rt.Resources.Allow, rt.Resources.Deny)...)
	for _, m := range rt.Tools.Meta {
		add(portcullis.TargetTool, m.Tool)
	}
	for _, r := range cfg.Access.Rules {
		add(portcullis.TargetTool, r.Tools...)
		add(portcullis.TargetPrompt, r.Prompts...)
		add(portcullis.TargetResource, r.Resources...)
	}
	grants := slices.Concat(slices.Collect(maps.Values(cfg.Access.Roles))...)
	for _, k := range h.keys {
		grants = append(grants, k.Scopes...)
	}
	for _, u := range h.users {
		grants = append(grants, u.Scopes...)
	}
	for _, p := range h.provers {
		grants = append(grants, p.Scopes...)
	}
	for _, r := range cfg.Identity.MTLS.Rules {
		grants = append(grants, r.Scopes...)
	}
	for _, g := range grants {
		if kind, name, ok := strings.Cut(g, "s:"); ok {
			if t, err := access.ParseTarget(kind + ":" + name); err == nil {
				add(t.Kind, t.Name)
			}
		}
	}
	slices.SortFunc(out, func(a, b portcullis.Target) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (c verbs) show(entries []entry) error {
	if c.JSON() {
		return c.PrintJSON(entries)
	}
	rows := make([][]string, len(entries))
	for i, e := range entries {
		who := e.ID
		if e.Name != "" {
			who += " (" + e.Name + ")"
		}
		rows[i] = []string{
			e.Route, e.Kind, who, e.Status, list(e.Roles), list(e.Grants), list(e.May), list(e.LimitedBy),
			frame.When(e.ExpiresAt, "never"), frame.When(e.LastUsed, "-"),
		}
	}
	return c.Table([]string{"ROUTE", "KIND", "WHO", "STATUS", "ROLES", "GRANTS", "MAY USE", "LIMITED BY", "EXPIRES", "LAST USED"}, rows)
}

func list(words []string) string { return cmp.Or(strings.Join(words, " "), "-") }
