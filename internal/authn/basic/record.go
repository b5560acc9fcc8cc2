package basic

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Method is the Principal.Method of callers known by a password.
const Method = "basic"

// Record is a user as stored.
type Record struct {
	ID        string // 16 hex digits; a name that is given again gets another
	Name      string // canonical, see Canonical
	Hash      string // PHC string of the password
	Roles     []string
	Scopes    []string
	Disabled  bool
	CreatedAt time.Time
	ChangedAt time.Time // of the password
	Epoch     int64     // grows when password, roles or state change: what was proved before is void
	Version   int64     // grows with every change, from 1
}

// Subject is the id of the user as a principal.
func (r *Record) Subject() string { return subjectStart + r.ID }

const subjectStart = "user:"

// credential names the password that is in force.
func (r *Record) credential() string { return r.ID + "." + strconv.FormatInt(r.Epoch, 10) }

// principal is the caller who proved the password.
func (r *Record) principal() portcullis.Principal {
	return portcullis.Principal{
		ID: r.Subject(), Name: r.Name, Method: Method, KeyID: r.credential(),
		Roles: slices.Clone(r.Roles), Scopes: slices.Clone(r.Scopes),
	}
}

// User is a user as operators see one.
type User struct {
	ID                string    `json:"id"` // of the principal, as in the audit log
	Name              string    `json:"name"`
	Roles             []string  `json:"roles"`
	Scopes            []string  `json:"scopes"`
	Disabled          bool      `json:"disabled"`
	CreatedAt         time.Time `json:"created_at"`
	PasswordChangedAt time.Time `json:"password_changed_at"`
}

// User returns what operators see: everything but the hash.
func (r *Record) User() User {
	return User{
		ID: r.Subject(), Name: r.Name, Roles: filled(r.Roles), Scopes: filled(r.Scopes), Disabled: r.Disabled,
		CreatedAt: r.CreatedAt, PasswordChangedAt: r.ChangedAt,
	}
}

func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return slices.Clone(list)
}

// Errors of a [Store]. Anything else means that the store is not available.
var (
	ErrNotFound = errors.New("user not found")
	ErrExists   = errors.New("user exists already")
	ErrConflict = errors.New("user was changed meanwhile")
)

// Store keeps users. All methods are safe for concurrent use, and a method that
// has returned nil has made its change durable.
type Store interface {
	// Get returns the user with a canonical name, or ErrNotFound.
	Get(ctx context.Context, name string) (Record, error)

	// Put stores a user. One with Version 0 is inserted (ErrExists if the name
	// or the id is taken). Any other replaces the stored user of that id if
	// that still has the same Version (else ErrConflict; ErrNotFound if there
	// is none); the stored Version is then one higher. ID, Name and CreatedAt
	// do not change, and Epoch never decreases (ErrConflict).
	Put(ctx context.Context, r Record) error

	// Remove deletes the user with an id if it still has the same Version
	// (else ErrConflict; ErrNotFound if there is none).
	Remove(ctx context.Context, id string, version int64) error

	// List returns all users ordered by name.
	List(ctx context.Context) ([]Record, error)
}

// Sessions ends the sessions of users.
type Sessions interface {
	// EndSessions ends every session of a subject; none is nothing to fail for.
	EndSessions(ctx context.Context, subject, reason string, by portcullis.Actor) error
}
