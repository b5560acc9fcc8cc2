package portcullis

import "time"

// Principal is an authenticated caller. Only an [Authenticator] makes one. The
// zero Principal is nobody: it holds no scope and matches no rule.
type Principal struct {
	ID      string    // stable id that audit events and sessions are bound to
	Name    string    // for people; never used in a decision
	Method  string    // how it was proved: "api_key", "jwt", …
	KeyID   string    // id of the credential, never the credential
	Scopes  []string  // granted scopes, shared and read-only
	Roles   []string  // granted roles, shared and read-only
	Expires time.Time // when the credential ends; zero = does not end
}

// IsZero reports whether p is nobody.
func (p Principal) IsZero() bool { return p.ID == "" }
