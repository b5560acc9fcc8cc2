package token

import (
	"context"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
)

// ErrNotFound says that there is no session of an id. Any other error of a
// [Store] means that it is not available.
var ErrNotFound = errors.New("session not found")

// Session is a stored login, or a token that an operator issued.
type Session struct {
	ID        string
	Subject   string
	Name      string
	Method    string // how it was opened, see [Login]
	Roles     []string
	Scopes    []string
	IP        string // of the login
	CreatedAt time.Time
	ExpiresAt time.Time // it ends here, whatever is done
	UsedAt    time.Time // the last login or refresh
	Refresh   [32]byte  // keyed hash of the refresh token that is good now; zero = none ever is
	EndedAt   time.Time // zero = not ended
	EndReason string
}

// Refreshes reports whether the session has refresh tokens.
func (s *Session) Refreshes() bool { return s.Refresh != [32]byte{} }

// RevokedToken is a revoked access token of another issuer.
type RevokedToken struct {
	ID        string // as jwt.TokenID gives it
	RevokedAt time.Time
	Reason    string
}

// Store keeps sessions and what was revoked. All methods are safe for
// concurrent use, and a method that has returned nil has made its change
// durable.
type Store interface {
	signing.Store

	// AddSession stores a session. If its subject then has more than limit
	// that live at the session's CreatedAt and have refresh tokens, those
	// longest unused end, with the reason; their ids are returned.
	AddSession(ctx context.Context, s Session, limit int, reason string) (ended []string, err error)
	// Session returns one, or ErrNotFound.
	Session(ctx context.Context, id string) (Session, error)
	// Sessions lists those of a subject, or all if it is empty, that have not
	// ended and do not expire before now, in order of CreatedAt, then ID.
	Sessions(ctx context.Context, subject string, now time.Time) ([]Session, error)
	// Refresh replaces the hash of the refresh token if it is still old and the
	// session has not ended, and reports whether it did.
	Refresh(ctx context.Context, id string, old, new [32]byte, at time.Time) (bool, error)
	// End ends a session and reports whether this call was the one that did.
	End(ctx context.Context, id, reason string, at time.Time) (bool, error)
	// EndAll ends the sessions of a subject, or all if it is empty, also those
	// that expired (a clock may be set back), and returns what this call ended.
	EndAll(ctx context.Context, subject, reason string, at time.Time) ([]string, error)
	// Purge removes sessions that expired, and revoked tokens that were
	// revoked, before given times.
	Purge(ctx context.Context, sessions, tokens time.Time) error

	// RevokeToken stores a revoked token; the first revocation counts.
	RevokeToken(ctx context.Context, r RevokedToken) error
	// RevokedTokens lists them.
	RevokedTokens(ctx context.Context) ([]RevokedToken, error)
}
