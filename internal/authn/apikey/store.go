package apikey

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Store]. Anything else means that the store is not available.
var (
	ErrNotFound = errors.New("api key not found")
	ErrExists   = errors.New("api key exists already")
	ErrConflict = errors.New("api key was changed meanwhile")
	ErrRegress  = errors.New("status of an api key never moves back")
)

// Page selects a part of a list.
type Page struct {
	After string // id of the last record seen; "" = from the start
	Limit int    // at most so many records; 0 = all
}

// Use is a moment at which a key was accepted.
type Use struct {
	ID string
	At time.Time
}

// Store keeps records. All methods are safe for concurrent use, and a method
// that has returned nil has made its change durable.
type Store interface {
	// Get returns the record with an id, or ErrNotFound.
	Get(ctx context.Context, id string) (Record, error)

	// Put stores all records or none. A record with Version 0 is inserted
	// (ErrExists if the id is taken). Any other replaces the stored record if
	// that still has the same Version (else ErrConflict; ErrNotFound if there
	// is none) and its status is not ahead of the new one (else ErrRegress);
	// the stored Version is then one higher. ID, CreatedAt and LastUsedAt of a
	// stored record do not change, and its Hash only while it is unclaimed.
	Put(ctx context.Context, records ...Record) error

	// List returns records ordered by CreatedAt, then ID. A Page.After that
	// is not stored is ErrNotFound.
	List(ctx context.Context, page Page) ([]Record, error)

	// TouchLastUsed moves LastUsedAt forward, never back, and changes nothing
	// else, so it cannot undo a revocation. Unknown ids are passed over.
	TouchLastUsed(ctx context.Context, uses []Use) error
}
