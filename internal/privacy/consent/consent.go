// Package consent keeps to what people agreed to: for which purpose, to which
// version of its policy, when, shown by what, and until when. A route or a tool
// that serves a purpose is closed to callers who did not agree to it.
//
// What was agreed to is never changed: a new consent ends the one before, a
// withdrawal ends the last, and all of them stay as history. The guard reads
// memory only. A withdrawal counts at once, also for streams that run.
package consent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Purpose is what personal data is used for, as the operator declares it.
type Purpose struct {
	Name        string
	Text        string        // what people are told
	URL         string        // where the policy is
	Version     string        // of the policy, now
	Expires     time.Duration // how long a consent counts; 0 = until it is withdrawn
	AcceptOlder bool          // a consent to an older version counts too
}

// Consent is one time that somebody agreed to a purpose.
type Consent struct {
	ID          string
	Principal   string
	Purpose     string
	Version     string // of the policy that was agreed to
	GrantedAt   time.Time
	GrantedBy   string    // who said so: the principal, or an operator
	Evidence    string    // what shows it: the reference of a form, a ticket
	WithdrawnAt time.Time // zero = in force
	WithdrawnBy string
	Replaced    bool // ended by a newer consent, not by a withdrawal
}

// Store keeps consents. Times come back in microseconds, in UTC.
type Store interface {
	// SaveConsents writes all of them or none. One with an id that is there takes
	// its place.
	SaveConsents(ctx context.Context, list ...Consent) error
	// ActiveConsents returns those that are not withdrawn, in order of principal
	// and purpose.
	ActiveConsents(ctx context.Context) ([]Consent, error)
	// Consents returns all of a principal, oldest first.
	Consents(ctx context.Context, principal string) ([]Consent, error)
	// DropConsents forgets a principal. It is no error if there is nothing.
	DropConsents(ctx context.Context, principal string) error
}

// Errors of a [Book].
var (
	ErrPurpose  = errors.New("no such purpose is declared in [[privacy.purpose]]")
	ErrVersion  = errors.New("not the version of the policy that is in force")
	ErrNotGiven = errors.New("there is no consent to withdraw")
	ErrInvalid  = errors.New("invalid consent")
)

// Bounds on what is kept, in bytes.
const (
	MaxEvidence  = 500
	MaxPrincipal = 1024
)

// Validate checks what callers and operators may write.
func (c Consent) Validate() error {
	switch {
	case c.Principal == "" || len(c.Principal) > MaxPrincipal || !printable(c.Principal):
		return fmt.Errorf("%w: principal: want the id of a caller, such as user:alice", ErrInvalid)
	case len(c.Evidence) > MaxEvidence || !printable(c.Evidence):
		return fmt.Errorf("%w: evidence: want at most %d bytes of text in one line", ErrInvalid, MaxEvidence)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// State says why a consent counts or does not.
type State string

// The states.
const (
	Given     State = "given"
	Missing   State = "missing"
	Withdrawn State = "withdrawn"
	Outdated  State = "outdated" // to an older version of the policy
	Expired   State = "expired"
)

// state is that of the newest consent of a principal to a purpose.
func (p Purpose) state(c Consent, now time.Time) State {
	switch {
	case c.ID == "":
		return Missing
	case !c.WithdrawnAt.IsZero():
		return Withdrawn
	}
	return p.counts(entry{version: c.Version, at: c.GrantedAt}, now)
}

// entry is what is known of a consent in force.
type entry struct {
	version string
	at      time.Time
}

func (p Purpose) counts(e entry, now time.Time) State {
	switch {
	case p.Expires > 0 && !now.Before(e.at.Add(p.Expires)):
		return Expired
	case e.version != p.Version && !p.AcceptOlder:
		return Outdated
	}
	return Given
}
