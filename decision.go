package portcullis

// Effect is the outcome of a rule.
type Effect uint8

// Deny is the zero value: what was not decided is denied.
const (
	Deny Effect = iota
	Allow
)

// Decision is what an [Authorizer] says of an action.
type Decision struct {
	Effect Effect
	Rule   string   // which rule decided, for the log and `policy explain`
	Need   []string // scopes that would have allowed it, for a step-up challenge
}

// Allowed reports whether the decision is Allow.
func (d Decision) Allowed() bool { return d.Effect == Allow }
