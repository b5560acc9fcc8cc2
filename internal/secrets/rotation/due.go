package rotation

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Schedule says when an entry is due.
type Schedule struct {
	Every time.Duration // 0 = never by itself
	Ahead time.Duration // how long before that a person is told
}

// Step is what an entry needs now.
type Step string

// Steps, in the order in which they are looked at.
const (
	StepNone   Step = ""
	StepPurge  Step = "purge"  // the overlap has passed
	StepFinish Step = "finish" // a value that this rotation staged waits
	StepRotate Step = "rotate"
	StepNotice Step = "notice" // a person has to give the next value, soon or by now
)

// Next says what an entry needs at a time, and when to look at it again: the
// zero time is when it changes. mints reports whether a new value can be had
// without a person. A value that a person staged is left to them.
func (s Schedule) Next(e wallet.Entry, mints bool, now time.Time) (Step, time.Time) {
	if e.Previous != 0 && e.KeptUntil != nil && !now.Before(*e.KeptUntil) {
		return StepPurge, now
	}
	var again time.Time
	if e.Previous != 0 && e.KeptUntil != nil {
		again = *e.KeptUntil
	}
	if e.Pending != 0 {
		if e.Automatic {
			return StepFinish, again
		}
		return StepNone, again
	}
	if s.Every == 0 || e.Version == 0 {
		return StepNone, again
	}
	due := e.Created
	if e.Rotated != nil {
		due = *e.Rotated
	}
	due = due.Add(s.Every)
	step := StepRotate
	if !mints {
		due, step = due.Add(-s.Ahead), StepNotice
	}
	if !now.Before(due) {
		return step, again
	}
	if again.IsZero() || due.Before(again) {
		again = due
	}
	return StepNone, again
}

// Due is when an entry is to have another value.
func (s Schedule) Due(e wallet.Entry) time.Time {
	if s.Every == 0 {
		return time.Time{}
	}
	if e.Rotated != nil {
		return e.Rotated.Add(s.Every)
	}
	return e.Created.Add(s.Every)
}
