package retention

import (
	"context"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/class"
)

// The values of [Policy.ArchiveWhen].
const (
	WhenSealed  = "sealed"  // as soon as a segment is divided
	WhenExpired = "expired" // before it is removed
)

// Policy is what the configuration says.
type Policy struct {
	Security, Access, Audit time.Duration // how long records of a class are kept
	Compression             string        // sealed.Zstd or sealed.None
	// DivideAfter is how long an ended segment stays as it is: readers of what
	// is new stay cheap.
	DivideAfter time.Duration
	// ConsumerWait is how long a consumer that has not read a segment holds up
	// its division, and its removal once its time is over.
	ConsumerWait time.Duration
	// Essential are consumers without whom nothing is divided or removed, however
	// long that takes: the log could not be verified any more.
	Essential   []Essential
	Archive     Archive // nil: none
	ArchiveWhen string
}

// Essential is a consumer that is waited for without end, from when its folder
// below the audit directory exists.
type Essential struct{ Name, Folder string }

// Keep returns how long records of a class are kept.
func (p *Policy) Keep(c class.Class) time.Duration {
	switch c {
	case class.Access:
		return p.Access
	case class.Security:
		return p.Security
	}
	return p.Audit
}

// Archive keeps copies of class files elsewhere.
type Archive interface {
	// Put stores the file at path under a name with slashes and returns where it
	// is. It returns nil only if the archive holds exactly the bytes of that
	// size and SHA-256 (hexadecimal). To put a file again is no error.
	Put(ctx context.Context, name, path string, size int64, sha256 string) (location string, err error)
}

const (
	// gain is how much faster than real time the keeper's clock may catch up.
	gain = 24
	// tolerance is how far the wall clock may fall behind before that counts.
	tolerance = time.Minute
)

// advance returns the keeper's time after elapsed real time, given the wall
// clock, and whether that is behind: then nothing may be removed.
func advance(kept, wall time.Time, elapsed time.Duration) (time.Time, bool) {
	if kept.IsZero() { // the first start: the journal is new, or the operator's clock is taken
		return wall, false
	}
	if wall.Before(kept) {
		return kept, wall.Before(kept.Add(-tolerance))
	}
	if limit := kept.Add(gain * max(elapsed, 0)); wall.After(limit) {
		return limit, false
	}
	return wall, false
}
