// Package toolpin holds servers to the tools they showed first. What a model
// reads of a tool (name, title, description, schemas, annotations and all else
// that stands in its entry of tools/list) is brought into one form, hashed and
// pinned by route and name. A tool that changes, comes later, takes another's
// name, hides characters or gives orders is held: it is cut from lists and its
// calls are refused, until an operator approves the version that was seen.
//
// [Book] is what is known of all routes, and what operators change. A [Guard]
// stands on a route twice: as an Inspector it learns from whole lists before
// they are filtered; as an Authorizer it decides listings and calls alike, by
// one look into a snapshot that nobody locks.
package toolpin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// State is where a tool stands.
type State uint8

// The states. The zero State is none of them, and held.
const (
	Trusted     State = iota + 1 // the approved version may be listed and called
	Held                         // waits for an operator
	Quarantined                  // an operator holds it, whatever the route's policy
)

var stateNames = [...]string{Trusted: "trusted", Held: "held", Quarantined: "quarantined"}

// String returns "trusted".
func (s State) String() string {
	if int(s) < len(stateNames) && stateNames[s] != "" {
		return stateNames[s]
	}
	return "unknown"
}

// Hash names one version of a tool. The zero Hash is no version.
type Hash [sha256.Size]byte

// IsZero reports whether h is no version.
func (h Hash) IsZero() bool { return h == Hash{} }

// String returns the hash in hexadecimal, or "" for no version.
func (h Hash) String() string {
	if h.IsZero() {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// Pin is what is stored of one tool. The texts of its versions are stored
// beside it.
type Pin struct {
	Route, Tool string
	State       State
	Approved    Hash      // version that may be used; zero = none yet
	Seen        Hash      // version that waits, the last one seen; zero = none
	Why         []Reason  // why it is held
	Revision    int64     // 1 when first stored, one more with each change
	FirstSeen   time.Time // when it was first stored
	ChangedAt   time.Time
	DecidedBy   string // who approved or quarantined it last; "" = first sight
	Note        string // their reason
}

// Version is the whole text of one version: the entry in its one form.
type Version struct {
	Tool string
	Hash Hash
	Text []byte
}

// Route is what is stored of a route whose tools were seen.
type Route struct {
	Name    string
	Opened  time.Time // when its first tool was seen
	Settled bool      // its first list has ended: what comes now is new
}

// Errors of a [Store] and of a [Book].
var (
	ErrNotFound  = errors.New("no such tool has been seen on this route")
	ErrConflict  = errors.New("the pin was changed meanwhile")
	ErrVersion   = errors.New("that is not the version that waits: the tool has changed meanwhile")
	ErrNoVersion = errors.New("no version of the tool has been seen yet")
	ErrFull      = errors.New("too many tools are known of this route")
)

// Store keeps pins. All methods are atomic and safe for concurrent use.
type Store interface {
	// LoadPins returns all routes and pins.
	LoadPins(ctx context.Context) ([]Route, []Pin, error)
	// SavePins stores a route, pins of it, and texts of their versions.
	// Each pin replaces the one whose Revision is one less; ErrConflict, and
	// nothing is stored, if one is not there or, for Revision 1, one is.
	// Versions that no pin names any more are removed.
	SavePins(ctx context.Context, r Route, pins []Pin, versions []Version) error
	// PinnedText returns the text of a version that a pin names, or ErrNotFound.
	PinnedText(ctx context.Context, route, tool string, h Hash) ([]byte, error)
}
