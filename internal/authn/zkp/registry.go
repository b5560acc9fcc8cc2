package zkp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

// Method is how sessions of this package say they were proved.
const Method = "zkp"

// Errors of the registry and its stores.
var (
	ErrNotEnrolled = errors.New("the user is not enrolled")
	ErrEnrolled    = errors.New("the user is enrolled already")
	ErrKeyTaken    = errors.New("the public key is enrolled for another user")
	ErrInvalid     = errors.New("invalid enrolment")
)

// Enrolment is a user with the public key that stands for them.
type Enrolment struct {
	UserID     string    `json:"user_id"`
	PublicKey  Element   `json:"public_key"`
	Roles      []string  `json:"roles"`
	Scopes     []string  `json:"scopes"`
	EnrolledAt time.Time `json:"enrolled_at"`
	EnrolledBy string    `json:"enrolled_by"`
}

// Subject is the id of the user as a principal. It has a space of its own: an
// account of the same name that is proved in another way is somebody else.
func (e Enrolment) Subject() string { return Method + ":" + e.UserID }

// Fingerprint names a public key in events.
func (e Element) Fingerprint() string {
	sum := sha256.Sum256([]byte(e))
	return hex.EncodeToString(sum[:8])
}

// Store keeps enrolments.
type Store interface {
	// Enrol stores an enrolment. It returns ErrEnrolled if the user has one and
	// replace is false, and ErrKeyTaken if another user has the key.
	Enrol(ctx context.Context, e Enrolment, replace bool) error
	// Enrolment returns a user's, or ErrNotEnrolled.
	Enrolment(ctx context.Context, user string) (Enrolment, error)
	// Enrolments lists all, by user id.
	Enrolments(ctx context.Context) ([]Enrolment, error)
	// Remove forgets a user, or returns ErrNotEnrolled.
	Remove(ctx context.Context, user string) error
}

// Sessions is what login methods need of the sessions they open.
type Sessions interface {
	Open(ctx context.Context, l token.Login) (token.Grant, error)
	// RevokeSubject ends every session of a subject and says how many.
	RevokeSubject(ctx context.Context, subject, reason string, by portcullis.Actor) (int, error)
}

// Options are what a [Registry] needs. All but Clock are required.
type Options struct {
	Store         Store
	Sessions      Sessions
	Recorder      portcullis.Recorder
	ValidateScope func(string) error // grammar of a scope that is granted
	Clock         func() time.Time   // nil = time.Now
}

// Registry keeps who is enrolled. Safe for concurrent use.
type Registry struct {
	Options
	changing sync.RWMutex // a login that ends holds it for reading, so that no session outlives a removal
}

// NewRegistry returns a registry.
func NewRegistry(o Options) (*Registry, error) {
	if o.Store == nil || o.Sessions == nil || o.Recorder == nil || o.ValidateScope == nil {
		return nil, errors.New("zero-knowledge login: store, sessions, recorder or scope grammar is missing")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Registry{Options: o}, nil
}

// Bounds on an enrolment.
const (
	maxUserID = 128
	maxGrants = 256
	maxRole   = 128
)

// CheckUserID checks the form of a user id: up to 128 letters, digits and
// . _ @ + -, the first a letter or digit.
func CheckUserID(id string) error {
	for i := range len(id) {
		c := id[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._@+-", rune(c))) {
			return fmt.Errorf("%w: user id: want letters, digits and . _ @ + -, the first a letter or digit", ErrInvalid)
		}
	}
	if id == "" || len(id) > maxUserID {
		return fmt.Errorf("%w: user id: want 1 to %d characters", ErrInvalid, maxUserID)
	}
	return nil
}

// EnrolRequest asks to enrol a user.
type EnrolRequest struct {
	UserID    string
	PublicKey string
	Roles     []string
	Scopes    []string
	Replace   bool // the user may be enrolled: the key before and its sessions end
	By        portcullis.Actor
}

func (r *Registry) check(req EnrolRequest) (Enrolment, error) {
	e := Enrolment{
		UserID: req.UserID, Roles: slices.Clone(req.Roles), Scopes: slices.Clone(req.Scopes),
		EnrolledAt: r.Clock().UTC().Truncate(time.Microsecond), EnrolledBy: req.By.ID,
	}
	if err := CheckUserID(req.UserID); err != nil {
		return e, err
	}
	var err error
	if e.PublicKey, err = ParseElement(req.PublicKey); err != nil {
		return e, fmt.Errorf("%w: public key: %w", ErrInvalid, err)
	}
	if e.PublicKey == "0" {
		return e, fmt.Errorf("%w: public key: is that of nobody", ErrInvalid)
	}
	if len(e.Roles) > maxGrants || len(e.Scopes) > maxGrants {
		return e, fmt.Errorf("%w: want at most %d roles and %d scopes", ErrInvalid, maxGrants, maxGrants)
	}
	for _, role := range e.Roles {
		if role == "" || len(role) > maxRole || strings.ContainsFunc(role, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			return e, fmt.Errorf("%w: role: want up to %d visible characters", ErrInvalid, maxRole)
		}
	}
	for _, s := range e.Scopes {
		if err := r.ValidateScope(s); err != nil {
			return e, fmt.Errorf("%w: scope: %w", ErrInvalid, err)
		}
	}
	if len(e.Roles)+len(e.Scopes) == 0 {
		return e, fmt.Errorf("%w: want a role or a scope: without them the user may do nothing", ErrInvalid)
	}
	return e, nil
}

// Enrol enrols a user. Whoever replaces an enrolment ends the sessions that
// stand on the one before.
func (r *Registry) Enrol(ctx context.Context, req EnrolRequest) (Enrolment, error) {
	e, err := r.check(req)
	if err != nil {
		return e, err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	before, err := r.Store.Enrolment(ctx, e.UserID)
	switch {
	case err == nil && !req.Replace:
		return e, ErrEnrolled
	case err != nil && !errors.Is(err, ErrNotEnrolled):
		return e, fmt.Errorf("looking for the user: %w", err)
	}
	replaced := err == nil
	if replaced { // first: if the rest fails it can be repeated
		if _, err := r.Sessions.RevokeSubject(ctx, e.Subject(), "enrolled anew", req.By); err != nil {
			return e, fmt.Errorf("ending the sessions of the enrolment before: %w", err)
		}
	}
	if err := r.Store.Enrol(ctx, e, req.Replace); err != nil {
		return e, fmt.Errorf("enrolling the user: %w", err)
	}
	details := []slog.Attr{
		slog.String("user", e.UserID), slog.String("public_key", e.PublicKey.Fingerprint()),
		slog.String("roles", strings.Join(e.Roles, " ")), slog.String("scopes", strings.Join(e.Scopes, " ")),
		slog.Bool("replaced", replaced),
	}
	if replaced {
		details = append(details, slog.String("public_key_before", before.PublicKey.Fingerprint()))
	}
	return e, r.record(ctx, portcullis.EventZKPEnrolled, req.By, details)
}

// Remove forgets a user and ends their sessions, those first: if either fails
// it can be repeated.
func (r *Registry) Remove(ctx context.Context, user string, by portcullis.Actor) (Enrolment, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	e, err := r.Store.Enrolment(ctx, user)
	if err != nil {
		return e, err
	}
	if _, err := r.Sessions.RevokeSubject(ctx, e.Subject(), "enrolment removed", by); err != nil {
		return e, fmt.Errorf("ending the user's sessions: %w", err)
	}
	if err := r.Store.Remove(ctx, user); err != nil {
		return e, err
	}
	return e, r.record(ctx, portcullis.EventZKPRemoved, by, []slog.Attr{
		slog.String("user", e.UserID), slog.String("public_key", e.PublicKey.Fingerprint()),
	})
}

// List returns all enrolments, by user id.
func (r *Registry) List(ctx context.Context) ([]Enrolment, error) { return r.Store.Enrolments(ctx) }

func (r *Registry) record(ctx context.Context, t portcullis.EventType, by portcullis.Actor, details []slog.Attr) error {
	err := r.Recorder.Record(context.WithoutCancel(ctx), &portcullis.Event{
		Type: t, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Actor: by, Details: details,
	})
	if err != nil {
		return fmt.Errorf("recording the change, which is done: %w", err)
	}
	return nil
}

// open opens a session on an enrolment, if it still is the user's.
func (r *Registry) open(ctx context.Context, e Enrolment, l token.Login, record func() error) (token.Grant, error) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	now, err := r.Store.Enrolment(ctx, e.UserID)
	if err != nil {
		return token.Grant{}, err
	}
	if now.PublicKey != e.PublicKey || !now.EnrolledAt.Equal(e.EnrolledAt) {
		return token.Grant{}, ErrNotEnrolled
	}
	if err := record(); err != nil {
		return token.Grant{}, err
	}
	return r.Sessions.Open(ctx, l)
}
