package guardrails

import (
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
)

// Approval is [route.approval].
type Approval struct {
	Tools  []string      `toml:"tools" list:"text" example:"[\"delete_*\"]" doc:"Tools that need it; * stands for any text. A call is refused with the id of a request until somebody else approves it, and then good for one try."`
	Wait   time.Duration `toml:"wait" doc:"How long a call is held open for the word before it is refused. 0s refuses at once."`
	Expiry time.Duration `toml:"expiry" doc:"How long a request waits for a decision."`
	Use    time.Duration `toml:"use" doc:"How long an approval may be used."`
}

// Guard returns the times as the guard takes them.
func (a Approval) Guard() approval.Config {
	return approval.Config{Wait: a.Wait, Expiry: a.Expiry, Use: a.Use}
}

// Validate checks patterns and times by the rules of the guard that uses them.
func (a Approval) Validate() error {
	return errors.Join(tool.Config{Allow: a.Tools}.Validate(), a.Guard().Validate())
}

// DefaultApproval returns the defaults of [route.approval].
func DefaultApproval() Approval {
	d := approval.Default()
	return Approval{Wait: d.Wait, Expiry: d.Expiry, Use: d.Use}
}
