package life

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Status is where a key stands in its life. It only moves forward.
type Status uint8

// The statuses in the order of a key's life. The zero Status is none of them.
const (
	StatusActive     Status = iota + 1 // accepted
	StatusRotating                     // accepted; a successor exists
	StatusDeprecated                   // accepted; about to end
	StatusRevoked                      // refused for ever
)

var statusNames = [...]string{"", "active", "rotating", "deprecated", "revoked"}

// String returns the name used in commands and events.
func (s Status) String() string {
	if s == 0 || int(s) >= len(statusNames) {
		return "invalid"
	}
	return statusNames[s]
}

// Valid reports whether s is one of the statuses.
func (s Status) Valid() bool { return s >= StatusActive && s <= StatusRevoked }

// UnmarshalText reads the name.
func (s *Status) UnmarshalText(text []byte) error {
	parsed, err := ParseStatus(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// MarshalText returns the name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseStatus returns the status with a name.
func ParseStatus(name string) (Status, error) {
	if i := slices.Index(statusNames[1:], name); i >= 0 {
		return Status(i + 1), nil
	}
	return 0, fmt.Errorf("status: %q: want active, rotating, deprecated or revoked", name)
}

// Schedule says how long a key lives before it must be rotated.
type Schedule string

// The schedules. Months are 30 days and quarters 90, so that a key's end does
// not depend on a calendar.
const (
	Daily     Schedule = "daily"
	Weekly    Schedule = "weekly"
	Monthly   Schedule = "monthly"
	Quarterly Schedule = "quarterly"
	Never     Schedule = "never"
)

// Period returns the life time of a key with this schedule; 0 for [Never].
func (s Schedule) Period() time.Duration {
	const day = 24 * time.Hour
	switch s {
	case Daily:
		return day
	case Weekly:
		return 7 * day
	case Monthly:
		return 30 * day
	case Quarterly:
		return 90 * day
	case Never:
	}
	return 0
}

// Validate refuses any word that is not a schedule.
func (s Schedule) Validate() error {
	switch s {
	case Daily, Weekly, Monthly, Quarterly, Never:
		return nil
	}
	return fmt.Errorf("schedule: %q: want daily, weekly, monthly, quarterly or never", string(s))
}

// Record is what is stored of a key (requirement S4-1). Times are UTC with
// microsecond precision; a zero time means "not".
type Record struct {
	ID       string   // 32 lower-case hex digits
	Name     string   // for people, 1 to 100 printable characters
	Hash     [32]byte // HMAC-SHA256(pepper, secret)
	Scopes   []string
	Roles    []string
	Routes   []string // routes the key is good for; empty = all
	Owner    string   // who the key speaks for: the principal's id, kept by successors
	Tenant   string
	Schedule Schedule
	Status   Status // stored status; what holds at a moment is StatusAt

	CreatedAt   time.Time
	ExpiresAt   time.Time // end of life; zero = does not expire
	RotatedAt   time.Time // when a successor was made
	DeprecateAt time.Time // when rotating turns into deprecated
	RevokeAt    time.Time // when deprecated turns into revoked
	RevokedAt   time.Time
	LastUsedAt  time.Time // kept by TouchLastUsed alone, about 10 s late

	RevokeReason string
	Predecessor  string // id of the key this one replaced
	Successor    string // id of the key that replaced this one
	RotatedBy    string // who asked for the successor
	Version      int64  // counts stored changes, for compare-and-set; 0 = not yet stored

	// A successor that nobody has been shown has no secret: its Hash is zero
	// until it is claimed. See docs/decisions/0005-rotation.md.
	ClaimUntil time.Time // until when the secret can be fetched; zero = it was shown at once
	ClaimedAt  time.Time // when it was fetched
	ClaimHash  [32]byte  // keyed hash of the claim token; zero = there is none

	// Told is the status that the audit log and the owner have heard of. What
	// lies between it and StatusAt is still to be told, after a crash too.
	Told Status
}

// StatusAt returns the status at a moment. Only stored times decide, so a
// stopped gateway misses no transition; the stored Status is the least it can
// be, so a clock that jumps back revives nothing that was written down. An
// expired key counts as revoked (requirement S4-7).
func (r *Record) StatusAt(now time.Time) Status {
	switch {
	case !r.Status.Valid(), r.Expired(now), Reached(r.RevokeAt, now), r.Unclaimed() && Reached(r.ClaimUntil, now):
		return StatusRevoked
	case Reached(r.DeprecateAt, now):
		return max(r.Status, StatusDeprecated)
	case Reached(r.RotatedAt, now):
		return max(r.Status, StatusRotating)
	}
	return r.Status
}

// Expired reports whether the key's life time is over.
func (r *Record) Expired(now time.Time) bool { return Reached(r.ExpiresAt, now) }

// Unclaimed reports whether the key waits for its secret to be fetched: until
// then nobody can use it.
func (r *Record) Unclaimed() bool { return !r.ClaimUntil.IsZero() && r.ClaimedAt.IsZero() }

// End returns when a key that was rotated stops working, at the latest.
func (r *Record) End() time.Time {
	if r.RevokeAt.IsZero() || (!r.ExpiresAt.IsZero() && r.ExpiresAt.Before(r.RevokeAt)) {
		return r.ExpiresAt
	}
	return r.RevokeAt
}

// Scheduled reports whether the end of the key is the one its schedule gives:
// such a key is renewed, one with an end of its own is not.
func (r *Record) Scheduled() bool {
	p := r.Schedule.Period()
	return p > 0 && r.ExpiresAt.Equal(r.CreatedAt.Add(p))
}

// NextChange returns the first moment after now at which StatusAt or Expired
// answer differently, and zero if there is none.
func (r *Record) NextChange(now time.Time) time.Time {
	var next time.Time
	for _, t := range [...]time.Time{r.ExpiresAt, r.RotatedAt, r.DeprecateAt, r.RevokeAt} {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// Reached reports whether a stored moment has come; the zero time never does.
func Reached(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// Clone returns a record that shares no slice with r.
func (r *Record) Clone() Record {
	c := *r
	c.Scopes, c.Roles, c.Routes = slices.Clone(r.Scopes), slices.Clone(r.Roles), slices.Clone(r.Routes)
	return c
}

// View is a key as commands and the admin API print it: never with a hash.
type View struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Scopes       []string   `json:"scopes"`
	Roles        []string   `json:"roles,omitempty"`
	Routes       []string   `json:"routes,omitempty"`
	Owner        string     `json:"owner,omitempty"`
	Tenant       string     `json:"tenant,omitempty"`
	Schedule     Schedule   `json:"schedule"`
	Status       Status     `json:"status"`
	Expired      bool       `json:"expired,omitempty"`
	CreatedAt    time.Time  `json:"created_at"`
	ExpiresAt    *time.Time `json:"expires_at"` // null = does not expire
	LastUsedAt   *time.Time `json:"last_used_at,omitempty"`
	RevokedAt    *time.Time `json:"revoked_at,omitempty"`
	RevokeReason string     `json:"revoke_reason,omitempty"`
	Predecessor  string     `json:"predecessor,omitempty"`
	Successor    string     `json:"successor,omitempty"`
	DeprecateAt  *time.Time `json:"deprecate_at,omitempty"`
	RevokeAt     *time.Time `json:"revoke_at,omitempty"`
	ClaimUntil   *time.Time `json:"claim_until,omitempty"` // the secret waits to be fetched
}

// ViewAt returns the record as it stands at a moment.
func (r *Record) ViewAt(now time.Time) View {
	c := r.Clone()
	if c.Scopes == nil {
		c.Scopes = []string{}
	}
	v := View{
		ID: c.ID, Name: c.Name, Scopes: c.Scopes, Roles: c.Roles, Routes: c.Routes,
		Owner: c.Owner, Tenant: c.Tenant, Schedule: c.Schedule,
		Status: r.StatusAt(now), Expired: r.Expired(now),
		CreatedAt: c.CreatedAt, ExpiresAt: optional(c.ExpiresAt), LastUsedAt: optional(c.LastUsedAt),
		RevokedAt: optional(c.RevokedAt), RevokeReason: c.RevokeReason,
		Predecessor: c.Predecessor, Successor: c.Successor,
		DeprecateAt: optional(c.DeprecateAt), RevokeAt: optional(c.RevokeAt),
	}
	if c.Unclaimed() {
		v.ClaimUntil = optional(c.ClaimUntil)
	}
	return v
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Printable checks a text that people read: 1 to limit characters (0 to limit
// if empty is fine), printable, no space at either end.
func Printable(field, s string, limit int, empty bool) error {
	n := utf8.RuneCountInString(s)
	bad := !utf8.ValidString(s) || n > limit || (n == 0 && !empty) || strings.TrimSpace(s) != s
	for _, r := range s {
		bad = bad || !unicode.IsPrint(r)
	}
	if !bad {
		return nil
	}
	least := 1
	if empty {
		least = 0
	}
	return fmt.Errorf("%s: %q: want %d to %d printable characters, no space at the ends", field, s, least, limit)
}
