// Package ownership remembers whose the things are that an upstream makes for
// its callers: tasks, and the contexts that hold them. To the upstream all
// callers are one, the gateway, so it cannot tell; behind this package what
// one caller made does not exist for another.
//
// Who owns a thing is learnt before its id is told to anybody, and never
// changes. A thing that nobody is known to own belongs to nobody: it is not
// found. The memory is bounded; a store behind it has everything, and is
// written in batches, at the latest 100 ms after something was learnt. What a
// crash loses of that is not found afterwards.
package ownership

import (
	"context"
	"crypto/sha256"
	"time"
)

// Kind is what is owned.
type Kind uint8

// The kinds.
const (
	Task Kind = iota + 1
	Context
)

// Whose is what a thing is to a principal.
type Whose uint8

// The answers; the zero one lets nobody in.
const (
	Nobodys Whose = iota
	Own
	Anothers
)

// Key names a thing: the digest of its id, so that ids of any length cost the
// same and none is kept.
type Key struct {
	Route string
	Kind  Kind
	ID    [sha256.Size]byte
}

// KeyOf names the thing of an id.
func KeyOf(route string, k Kind, id string) Key {
	return Key{Route: route, Kind: k, ID: sha256.Sum256([]byte(id))}
}

// Record says who owns a thing, and until when that is remembered.
type Record struct {
	Key
	Principal string
	Until     time.Time
}

// Store keeps records. Of a key there is at most one.
type Store interface {
	// Owner returns the record of a key that has not ended, a zero one if there
	// is none.
	Owner(ctx context.Context, k Key, now time.Time) (Record, error)
	// SaveOwners writes records and forgets those that have ended. A record
	// that is there with another principal and has not ended stays as it is.
	SaveOwners(ctx context.Context, now time.Time, list []Record) error
}

// Forgetful is a store that keeps nothing: owners are known as long as they are
// in memory.
type Forgetful struct{}

// Owner implements [Store].
func (Forgetful) Owner(context.Context, Key, time.Time) (Record, error) { return Record{}, nil }

// SaveOwners implements [Store].
func (Forgetful) SaveOwners(context.Context, time.Time, []Record) error { return nil }
