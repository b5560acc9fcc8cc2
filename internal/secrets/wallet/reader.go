package wallet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("the wallet has no such entry")
	ErrExpired  = errors.New("the entry has expired")
	ErrLocked   = errors.New("the wallet is locked")
	ErrPassword = errors.New("the wallet does not open: wrong password or key, or its header was changed")
	ErrDamaged  = errors.New("the wallet file is damaged or was changed by somebody without the wallet key")
	ErrExists   = errors.New("the wallet has an entry of that name")
	ErrInvalid  = errors.New("invalid entry")
	ErrState    = errors.New("the entry is not in the state for that")
)

// Reader is what a source of secrets needs of a wallet.
//
// Get returns the current value of an entry. The error wraps [ErrNotFound] for
// a name that is not there, [ErrExpired] for an entry past its expiry,
// [ErrLocked] for a wallet that is locked and cannot unlock itself, and
// [ErrDamaged] for a file that fails authentication; whatever the error, there
// is no value. A value is the caller's to [Value.Wipe].
//
// ForProvider does so for the entry that stands for a provider: its default one,
// or, without one that has not expired, the oldest that has not.
type Reader interface {
	Get(ctx context.Context, name string) (*Value, Entry, error)
	ForProvider(ctx context.Context, provider string) (*Value, Entry, error)
}

// Entry is what the wallet knows of a secret, without its value.
type Entry struct {
	Name        string            `json:"name"`
	Provider    string            `json:"provider"`
	Permissions []string          `json:"permissions"`
	Metadata    map[string]string `json:"metadata"`
	Expires     *time.Time        `json:"expires_at"`
	Created     time.Time         `json:"created_at"`
	Rotated     *time.Time        `json:"rotated_at"`
	Version     uint32            `json:"version"`              // of the current value; 0 = none yet
	Pending     uint32            `json:"pending_version"`      // of the value that waits, or 0
	Previous    uint32            `json:"previous_version"`     // of the value kept for the overlap, or 0
	KeptUntil   *time.Time        `json:"previous_until"`       // when the previous value is purged
	Fingerprint string            `json:"previous_fingerprint"` // keyed, of the last value that was replaced

	Default      bool       `json:"default"`           // the one of its provider that is taken first
	PendingSince *time.Time `json:"pending_since"`     // when the value that waits came
	Automatic    bool       `json:"pending_automatic"` // it was staged by the rotation of the gateway
}

// Expired reports whether the entry is past its expiry.
func (e *Entry) Expired(now time.Time) bool { return e.Expires != nil && !now.Before(*e.Expires) }

// Value is a secret in memory that shows itself only to [Value.Bytes] and
// [Value.Reveal]. Printed, logged or marshalled it reads "[redacted]".
type Value struct{ b []byte }

// NewValue takes over b.
func NewValue(b []byte) *Value { return &Value{b} }

// Bytes returns the secret itself, no copy: after Wipe it is zeros.
func (v *Value) Bytes() []byte { return v.b }

// Reveal returns a copy as a string, which nobody can wipe.
func (v *Value) Reveal() string { return string(v.b) }

// Wipe overwrites the secret.
func (v *Value) Wipe() {
	if v != nil {
		clear(v.b)
	}
}

// String returns "[redacted]".
func (*Value) String() string { return obs.Redacted }

// GoString returns "[redacted]".
func (*Value) GoString() string { return obs.Redacted }

// Format writes "[redacted]" whatever the verb.
func (*Value) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, obs.Redacted) // fmt reports errors of its own writer
}

// LogValue returns "[redacted]".
func (*Value) LogValue() slog.Value { return slog.StringValue(obs.Redacted) }

// MarshalText returns "[redacted]".
func (*Value) MarshalText() ([]byte, error) { return []byte(obs.Redacted), nil }

// MarshalJSON returns the JSON string "[redacted]".
func (*Value) MarshalJSON() ([]byte, error) { return []byte(`"` + obs.Redacted + `"`), nil }
