// Package source finds secrets where they are kept: it resolves references such
// as secret://vault/kv/github#token, keeps what it found, and reads it again
// before it grows old.
//
//	reference ─▶ Resolver.Handle ─▶ Load (at the start) ─▶ Handle.Get (per call)
//	                                     ▲
//	                              Run: again at 2/3 of the lease, with jitter
//
// What it promises:
//
//   - [Handle.Get] never waits and never asks anybody: it returns what was read
//     last, as long as its lease lasts. When that has ended and the source did
//     not give another, it fails: an old secret is not used for ever.
//   - All fields of one secret come from one reading: a name and a password of
//     two different readings are never seen together by who compares
//     [Value.Reading].
//   - A change is one swap. Who holds the old value may finish with it.
//   - Errors name the reference and what went wrong, never what was read.
//   - Nothing is put into the environment of the process.
//
// The sources themselves are in the packages below; this one imports none.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxBytes bounds what a source may give for one secret.
const MaxBytes = 1 << 20

// maxField bounds one field, for a key or a chain of certificates is smaller.
const maxField = 64 << 10

// Errors that sources wrap, for people to know what to look at.
var (
	ErrNotFound  = errors.New("there is no such secret")
	ErrDenied    = errors.New("the source refuses access")
	ErrNoVersion = errors.New("the source keeps no versions: leave ?version= out")
)

// Source reads secrets from one place. Implementations are safe for concurrent
// use, do not cache, and bound what they read by [MaxBytes].
type Source interface {
	// Fetch reads the secret that a reference names; its field is not looked
	// at. Errors say what went wrong without a word of the answer.
	Fetch(ctx context.Context, ref Ref) (Secret, error)
}

// Renewer is a source whose leases can be made longer. Renew returns
// [ErrNotRenewable] for one that cannot; it is fetched anew then.
type Renewer interface {
	Renew(ctx context.Context, ref Ref, lease Lease) (Lease, error)
}

// ErrNotRenewable says that a lease ends when it ends.
var ErrNotRenewable = errors.New("lease cannot be renewed")

// Secret is what a source gave. It has either a text or fields.
type Secret struct {
	Text    string            // the whole; a JSON object in it has fields too
	Fields  map[string]string // of a source that keeps them apart; nil = see Text
	Version string            // the source's name for what was read, "" if it has none
	Lease   Lease
	Fixed   bool          // never changes while the process runs
	Poll    time.Duration // how often to look again; 0 = as configured
}

// String returns a mask: a Secret that is printed by mistake says nothing.
func (Secret) String() string { return "[secret]" }

// GoString returns a mask.
func (Secret) GoString() string { return "[secret]" }

// Lease says how long a secret may be used. The zero Lease sets no end of its
// own.
type Lease struct {
	ID        string
	For       time.Duration
	Renewable bool
}

// Pick returns one field. Without a name the secret must have only one.
func (s Secret) Pick(name string) (string, error) {
	if s.Fields == nil && name == "" {
		return bounded(s.Text)
	}
	fields := s.Fields
	if fields == nil {
		var err error
		if fields, err = jsonFields(s.Text); err != nil {
			return "", err
		}
	}
	if name == "" {
		if len(fields) != 1 {
			return "", fmt.Errorf(`has %d fields: name one, as in "#password"`, len(fields))
		}
		for _, text := range fields {
			return bounded(text)
		}
	}
	text, ok := fields[name]
	if !ok {
		return "", fmt.Errorf("has no field %q", name)
	}
	return bounded(text)
}

func bounded(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("is empty")
	case len(text) > maxField:
		return "", fmt.Errorf("is longer than %d bytes", maxField)
	}
	return text, nil
}

// jsonFields reads the fields of a JSON object; those that are no text, number
// or truth value are left out.
func jsonFields(text string) (map[string]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return nil, errors.New("is not a JSON object, so it has no fields")
	}
	return Texts(members), nil
}

// Texts turns the members of a JSON object into fields. Objects, lists and null
// are left out.
func Texts(members map[string]json.RawMessage) map[string]string {
	out := make(map[string]string, len(members))
	for name, raw := range members {
		if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n' {
			continue
		}
		text := string(raw)
		if raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
			continue
		}
		out[name] = text
	}
	return out
}
