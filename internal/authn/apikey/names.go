package apikey

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/life"
)

// What keys look like stands in keytext, how they live in life. Whoever uses
// keys needs only this package.
type (
	Key      = keytext.Key
	Grammar  = keytext.Grammar
	Record   = life.Record
	View     = life.View
	Status   = life.Status
	Schedule = life.Schedule
)

// The statuses, see [life.Status].
const (
	StatusActive     = life.StatusActive
	StatusRotating   = life.StatusRotating
	StatusDeprecated = life.StatusDeprecated
	StatusRevoked    = life.StatusRevoked
)

// The schedules, see [life.Schedule].
const (
	Daily     = life.Daily
	Weekly    = life.Weekly
	Monthly   = life.Monthly
	Quarterly = life.Quarterly
	Never     = life.Never
)

// DefaultPrefix starts every key unless the configuration says otherwise.
const DefaultPrefix = keytext.DefaultPrefix

// NewGrammar returns the grammar of keys with a prefix, see [keytext.NewGrammar].
func NewGrammar(prefix string) (Grammar, error) { return keytext.NewGrammar(prefix) }

// ParseStatus returns the status with a name.
func ParseStatus(name string) (Status, error) { return life.ParseStatus(name) }

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
