package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// question is what explain is asked by flags.
type question struct {
	testCase
	key       string // id of a stored key
	arguments string // file
	plain     bool
}

func (c verbs) explain() *cobra.Command {
	var q question
	cmd := &cobra.Command{
		Use: "explain", Short: "Say which rule of each guard decides on an action", Args: frame.None,
		Long: `Who asks is given by --principal, --roles and --scopes, or by --key, the id of a
stored key, which is looked up in the data folder. Every guard of the route is
asked, also behind one that denies. The answer is information: the exit code is
0 either way.`,
		Example: `  portcullis policy explain --roles viewer --resource tool:get_user
  portcullis policy explain --principal alice --scopes tools:* --action tools/call --resource tool:write_file --arguments call.json
  portcullis policy explain --key 5f0c6a3e9d1b4c7f8a2e6d9b0c3f5a71 --resource resource:file:///srv/docs/a.txt --route files`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.answer(cmd, &q) },
	}
	f := cmd.Flags()
	f.StringVar(&q.Principal.ID, "principal", "", "id of the caller")
	f.StringVar(&q.key, "key", "", "id of a stored key, in place of the caller")
	f.StringVar(&q.Principal.Method, "method", "", "how the caller was proved, such as oidc")
	f.StringSliceVar(&q.Principal.Roles, "roles", nil, "roles of the caller")
	f.StringSliceVar(&q.Principal.Scopes, "scopes", nil, "scopes of the caller")
	f.StringVar(&q.Action, "action", "", "method, such as tools/call (default what uses the resource)")
	f.StringVar(&q.Resource, "resource", "", "tool:NAME, prompt:NAME, resource:URI or skill:NAME")
	f.StringVar(&q.Route, "route", "", "name of the route (default the only one)")
	f.StringVar(&q.arguments, "arguments", "", "`file` with the arguments of the call as a JSON object; - for standard input")
	f.StringVar(&q.IP, "ip", "", "address of the caller (default 127.0.0.1)")
	f.StringVar(&q.Time, "time", "", "time of the call, RFC 3339 (default now)")
	f.BoolVar(&q.plain, "no-tls", false, "the call does not arrive over TLS")
	f.BoolVar(&q.List, "list", false, "ask whether a list shows it")
	return cmd
}

func (c verbs) answer(cmd *cobra.Command, q *question) error {
	if q.key != "" && (q.Principal.ID != "" || len(q.Principal.Roles)+len(q.Principal.Scopes) > 0) {
		return frame.Usagef("policy explain: --key cannot be given together with --principal, --roles or --scopes")
	}
	secure := !q.plain
	q.TLS = &secure
	if err := c.readArguments(q); err != nil {
		return err
	}
	e, err := c.engine()
	if err != nil {
		return err
	}
	rt, guards, err := e.guards(q.Route)
	if err != nil {
		return frame.Usagef("policy explain: %w", err)
	}
	action, at, err := q.action(rt.Name)
	if err != nil {
		return frame.Usagef("policy explain: %w", err)
	}
	e.now = at
	p := q.Principal.principal()
	if q.key == "" {
		return c.showAnswer(p, action, access.Explain(cmd.Context(), guards, p, action))
	}
	return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
		k, err := a.Key(cmd.Context(), q.key)
		if err != nil {
			return err
		}
		p = portcullis.Principal{ID: k.Owner, Name: k.Name, Method: apikey.Method, KeyID: k.ID, Scopes: k.Scopes, Roles: k.Roles}
		return c.showAnswer(p, action, access.Explain(cmd.Context(), append([]portcullis.Authorizer{keyState{k, rt}}, guards...), p, action))
	})
}

// readArguments reads the file of --arguments.
func (c verbs) readArguments(q *question) error {
	if q.arguments == "" {
		return nil
	}
	var data []byte
	var err error
	if q.arguments == "-" {
		data, err = io.ReadAll(io.LimitReader(c.In, maxFile+1))
	} else {
		data, err = os.ReadFile(q.arguments)
	}
	if err != nil {
		return frame.Usagef("policy explain: --arguments: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&q.Arguments); err != nil || q.Arguments == nil || len(data) > maxFile {
		return frame.Usagef("policy explain: --arguments: want a JSON object")
	}
	return nil
}

func (c verbs) showAnswer(p portcullis.Principal, a portcullis.Action, answer access.Answer) error {
	if c.JSON() {
		return c.PrintJSON(struct {
			Principal string   `json:"principal"`
			Roles     []string `json:"roles"`
			Scopes    []string `json:"scopes"`
			Route     string   `json:"route"`
			Action    string   `json:"action"`
			Resource  string   `json:"resource,omitempty"`
			access.Answer
		}{p.ID, append([]string{}, p.Roles...), append([]string{}, p.Scopes...), a.Route, a.Method, a.Target.String(), answer})
	}
	what := strings.TrimSpace(a.Method + " " + a.Target.String())
	verdict := "denied by " + answer.Guard + ": " + answer.Rule
	if answer.Allowed() {
		verdict = "allowed"
	}
	if err := c.Printf("%s on route %s for %s: %s\n\n", frame.Printable(what), frame.Printable(a.Route), frame.Printable(p.ID), frame.Printable(verdict)); err != nil {
		return err
	}
	rows := make([][]string, len(answer.Guards))
	for i, g := range answer.Guards {
		rule := g.Rule
		if len(g.Need) > 0 {
			rule += fmt.Sprintf(" (would help: %s)", strings.Join(g.Need, " "))
		}
		rows[i] = []string{g.Guard, g.Effect, rule}
	}
	return c.Table([]string{"GUARD", "SAYS", "RULE"}, rows)
}

// keyState says whether the route would take a stored key at all.
type keyState struct {
	key   apikey.View
	route *config.Route
}

func (keyState) Name() string { return apikey.Method }

func (s keyState) Authorize(context.Context, portcullis.Principal, portcullis.Action) (portcullis.Decision, error) {
	switch {
	case s.key.Expired:
		return portcullis.Decision{Rule: "the key has expired"}, nil
	case s.key.Status == apikey.StatusRevoked:
		return portcullis.Decision{Rule: "the key is revoked"}, nil
	case !slices.Contains(s.route.Auth, apikey.Method):
		return portcullis.Decision{Rule: "the route takes no keys"}, nil
	case len(s.key.Routes) > 0 && !slices.Contains(s.key.Routes, s.route.Name):
		return portcullis.Decision{Rule: "the key is for other routes"}, nil
	}
	return portcullis.Decision{Effect: portcullis.Allow, Rule: s.key.Status.String()}, nil
}
