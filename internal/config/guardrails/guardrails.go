// Package guardrails holds the sections of a route that look at what a caller
// did before: what it has read, and how much it used.
package guardrails

import (
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/quota"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Taint is [route.taint].
type Taint struct {
	Confidential []string      `toml:"confidential" list:"text" example:"[\"read_*\", \"file:///hr/*\"]" doc:"Tools, prompts and resources (by URI) whose results are confidential; * stands for any text. Who has read one bears a mark on every route."`
	Untrusted    []string      `toml:"untrusted" list:"text" example:"[\"fetch_*\"]" doc:"Those whose results anybody may have written."`
	Outbound     []string      `toml:"outbound" list:"text" example:"[\"send_*\", \"post_*\"]" doc:"Those that send data out. Who bears a mark is held to the rule here."`
	Rule         string        `toml:"rule" enum:"confidential|trifecta" doc:"What forbids the use of what leads out: confidential data, or (trifecta) confidential data and untrusted content both."`
	Action       string        `toml:"action" enum:"block|approve|alert" doc:"What happens then: the call is refused, needs the word of another person (tools only; the rest is refused), or passes with an event."`
	Window       time.Duration `toml:"window" doc:"How long a mark that this route makes lasts."`
}

// DefaultTaint returns the defaults of [route.taint].
func DefaultTaint() Taint {
	d := taint.Default()
	return Taint{Rule: string(d.Rule), Action: string(d.Action), Window: d.Window}
}

// Guard returns the settings as the guard takes them.
func (t Taint) Guard() taint.Config {
	return taint.Config{
		Confidential: t.Confidential, Untrusted: t.Untrusted, Outbound: t.Outbound,
		Rule: taint.Rule(t.Rule), Action: taint.Action(t.Action), Window: t.Window,
	}
}

// Validate asks the guard that will use the settings.
func (t Taint) Validate() error {
	c := t.Guard()
	d := taint.Default()
	if c.Rule == "" { // refused as an unknown word already
		c.Rule = d.Rule
	}
	if c.Action == "" {
		c.Action = d.Action
	}
	return c.Validate()
}

// Use is [route.use].
type Use struct {
	CallsPerSession int                        `toml:"calls_per_session" doc:"Tool calls of one MCP session, or tool calls and messages to agents of one caller and day where there are no sessions. 0 is no limit."`
	BytesPerDay     tomlstrict.Size            `toml:"bytes_per_day" doc:"Bytes of replies for one caller and day (UTC). 0 is no limit."`
	BudgetPerDay    float64                    `toml:"budget_per_day" doc:"What the tool calls of one caller and day (UTC) may cost, in any unit. 0 is no limit."`
	Costs           map[string]float64         `toml:"costs" example:"{ \"gpt_*\" = 0.02, search = 0.001 }" doc:"What one call of a tool costs, by name; * stands for any text, and the longest pattern counts. Others cost nothing."`
	ResultBytes     map[string]tomlstrict.Size `toml:"result_bytes" example:"{ \"read_*\" = \"64KiB\" }" doc:"Size of a result, by name of the tool, where reply_limits is too much."`
}

// Guard returns the settings as the guard takes them.
func (u Use) Guard() quota.Config {
	c := quota.Config{CallsPerSession: int64(u.CallsPerSession), BytesPerDay: int64(u.BytesPerDay), BudgetPerDay: u.BudgetPerDay, Costs: u.Costs}
	if len(u.ResultBytes) > 0 {
		c.ResultBytes = make(map[string]int64, len(u.ResultBytes))
		for pattern, n := range u.ResultBytes {
			c.ResultBytes[pattern] = int64(n)
		}
	}
	return c
}

// Validate asks the guard that will use the settings.
func (u Use) Validate() error { return u.Guard().Validate() }

// Effective refuses a rule that can never hold anyone back: marks are made on
// any route, and count on every one. all are the sections of every route.
func (t Taint) Effective(all []Taint) error {
	if len(t.Outbound) == 0 {
		return nil
	}
	var confidential, untrusted bool
	for _, r := range all {
		confidential = confidential || len(r.Confidential) > 0
		untrusted = untrusted || len(r.Untrusted) > 0
	}
	var errs []error
	if !confidential {
		errs = append(errs, errors.New("taint.outbound: has no effect: no route names anything confidential"))
	}
	if t.Rule == string(taint.RuleTrifecta) && !untrusted {
		errs = append(errs, errors.New(`taint.rule: "trifecta" has no effect: no route names anything untrusted`))
	}
	return errors.Join(errs...)
}
