// Package policy is the verb group "portcullis policy": what the configuration
// and its policy files decide, asked without a gateway, and configuration made
// of agent manifests.
package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("policy", "Test and explain who may do what, and make rules of agent manifests", c.test(), c.explain(), c.fromOSSA())
}

// engine decides as the gateway would, at any time of day.
type engine struct {
	cfg *config.Config
	acc *access.Access
	now time.Time
}

// engine loads the configuration and its policy files.
func (c verbs) engine() (*engine, error) {
	cfg, err := c.LoadRoutes()
	if err != nil {
		return nil, err
	}
	e := &engine{cfg: cfg}
	e.acc, err = access.New(cfg, nil, func() time.Time { return e.now })
	if err != nil {
		return nil, frame.UsageError{Err: err}
	}
	return e, nil
}

func (e *engine) guards(route string) (*config.Route, []portcullis.Authorizer, error) {
	rt, err := access.Find(e.cfg, route)
	if err != nil {
		return nil, nil, err
	}
	guards, err := e.acc.Route(rt)
	return rt, guards, err
}

// result is the outcome of one case.
type result struct {
	Line   int           `json:"line"`
	Name   string        `json:"name,omitempty"`
	Passed bool          `json:"passed"`
	Expect string        `json:"expect"`
	Why    string        `json:"why,omitempty"` // it did not pass
	Answer access.Answer `json:"answer"`
}

func (c verbs) test() *cobra.Command {
	return &cobra.Command{
		Use: "test FILE", Short: "Check cases of who may do what; exit code 3 if one is not as expected", Args: frame.One("a file with cases"),
		Long: `The file holds cases in TOML or JSON: who asks, for what, and whether that is to
be allowed. Each is decided by the guards of its route as in the gateway, with
nothing running. "rule", where given, is part of what has to have decided.

  [[case]]
  name = "a viewer reads"
  principal = { id = "alice", roles = ["viewer"] }
  resource = "tool:get_user"
  expect = "allow"`,
		Example: "  portcullis policy test cases.toml\n  portcullis policy test cases.json --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return frame.Usagef("policy test: %w", err)
			}
			name := filepath.Base(args[0])
			cases, err := parseCases(name, data)
			if err != nil {
				return frame.UsageError{Err: err}
			}
			e, err := c.engine()
			if err != nil {
				return err
			}
			results := make([]result, len(cases))
			failed := 0
			for i := range cases {
				if results[i], err = e.run(cmd, &cases[i]); err != nil {
					return frame.Usagef("%s:%d: %w", name, cases[i].line, err)
				}
				if !results[i].Passed {
					failed++
				}
			}
			if err := c.showResults(name, results, failed); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%w: %d of %d cases are not as expected", frame.ErrNo, failed, len(cases))
			}
			return nil
		},
	}
}

func (e *engine) run(cmd *cobra.Command, c *testCase) (result, error) {
	rt, guards, err := e.guards(c.Route)
	if err != nil {
		return result{}, err
	}
	action, at, err := c.action(rt.Name)
	if err != nil {
		return result{}, err
	}
	e.now = at
	r := result{Line: c.line, Name: c.Name, Expect: c.Expect, Answer: access.Explain(cmd.Context(), guards, c.Principal.principal(), action)}
	switch {
	case r.Answer.Effect != c.Expect:
		r.Why = fmt.Sprintf("got %s by %s", r.Answer.Effect, decided(r.Answer))
	case c.Rule != "" && !ruled(r.Answer, c.Rule):
		r.Why = fmt.Sprintf("decided by %s, not by %q", decided(r.Answer), c.Rule)
	}
	r.Passed = r.Why == ""
	return r, nil
}

// decided says which guard and rule a decision comes from.
func decided(a access.Answer) string {
	if a.Guard != "" {
		return a.Guard + ": " + a.Rule
	}
	all := make([]string, len(a.Guards))
	for i, g := range a.Guards {
		all[i] = g.Guard + ": " + g.Rule
	}
	return strings.Join(all, "; ")
}

// ruled reports whether a rule is among those that decided.
func ruled(a access.Answer, rule string) bool { return strings.Contains(decided(a), rule) }

func (c verbs) showResults(name string, results []result, failed int) error {
	if c.JSON() {
		return c.PrintJSON(map[string]any{"passed": failed == 0, "cases": results})
	}
	rows := make([][]string, len(results))
	for i, r := range results {
		state, why := "ok", decided(r.Answer)
		if !r.Passed {
			state, why = "FAILED", r.Why
		}
		rows[i] = []string{fmt.Sprintf("%s:%d", name, r.Line), state, r.Expect, r.Name, why}
	}
	if err := c.Table([]string{"CASE", "RESULT", "EXPECTED", "NAME", "DECIDED BY"}, rows); err != nil {
		return err
	}
	return c.Printf("\n%d of %d cases as expected\n", len(results)-failed, len(results))
}
