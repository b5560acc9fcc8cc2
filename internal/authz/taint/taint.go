// Package taint remembers what callers have read, and keeps those who have read
// confidential data from channels that lead out.
//
// A route labels its tools, prompts and resources: what they return is
// confidential, what they return is untrusted (anyone may have written it), or
// using them sends data out. A reply of a labelled thing that goes to a caller
// marks the caller, for a window of time, on every route of the gateway. A
// marked caller is refused what leads out: after confidential data at once, or
// (the lethal trifecta) after confidential data and untrusted content both.
//
// A mark is in the store before the reply is sent, so no crash and no restart
// forgets one. It is written to last a tenth longer than the window, so that a
// caller who goes on reading costs one write in each tenth of a window.
package taint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
)

// Label is what is known of a thing, a set of bits.
type Label uint8

// The labels.
const (
	Confidential Label = 1 << iota // what it returns is not for everybody
	Untrusted                      // what it returns may have been written by anybody
	Outbound                       // what it is given leaves the house
)

// marks are the labels that mark callers.
const marks = 2

// String returns "confidential".
func (l Label) String() string {
	switch l {
	case Confidential:
		return "confidential"
	case Untrusted:
		return "untrusted"
	case Outbound:
		return "outbound"
	}
	return "unknown"
}

// Mark is one label that a caller bears. The zero Mark is none.
type Mark struct {
	Principal string
	Label     Label     // Confidential or Untrusted
	Route     string    // which marked the caller last
	At        time.Time // since when, or when it was written last
	Until     time.Time
}

// Live reports whether the mark still counts at a time.
func (m Mark) Live(now time.Time) bool { return now.Before(m.Until) }

// Store keeps marks. All methods are atomic and safe for concurrent use.
type Store interface {
	// Taints returns the marks of a caller that are live at now, at most one of
	// a label.
	Taints(ctx context.Context, principal string, now time.Time) ([]Mark, error)
	// SaveTaint stores a mark in place of the caller's mark of the same label.
	// Marks that were over at m.At may be removed.
	SaveTaint(ctx context.Context, m Mark) error
	// DropTaints removes the marks of a caller.
	DropTaints(ctx context.Context, principal string) error
	// ListTaints returns marks that are live at now, by caller, at most max.
	ListTaints(ctx context.Context, now time.Time, max int) ([]Mark, error)
}

// Rule says when a caller is refused what leads out.
type Rule string

// The rules.
const (
	RuleConfidential Rule = "confidential" // after confidential data
	RuleTrifecta     Rule = "trifecta"     // after confidential data and untrusted content
)

// Action says what happens to a call that the rule forbids.
type Action string

// The actions.
const (
	Block   Action = "block"   // it is refused
	Approve Action = "approve" // it needs the word of another person
	Alert   Action = "alert"   // it passes, and the audit log says so
)

// Config is what a route asks for.
type Config struct {
	Confidential []string // patterns of tools, prompts and resource URIs
	Untrusted    []string
	Outbound     []string
	Rule         Rule
	Action       Action
	Window       time.Duration
}

// Default returns the defaults. They label nothing.
func Default() Config { return Config{Rule: RuleConfidential, Action: Block, Window: time.Hour} }

// Empty reports whether nothing is labelled, so that a route needs no guard.
func (c Config) Empty() bool { return len(c.Confidential)+len(c.Untrusted)+len(c.Outbound) == 0 }

// Bounds of a window.
const (
	minWindow = time.Minute
	maxWindow = 30 * 24 * time.Hour
)

// Validate checks the configuration.
func (c Config) Validate() error {
	var errs []error
	for field, list := range map[string][]string{"confidential": c.Confidential, "untrusted": c.Untrusted, "outbound": c.Outbound} {
		errs = append(errs, pattern.Validate(field, list))
	}
	if c.Rule != RuleConfidential && c.Rule != RuleTrifecta {
		errs = append(errs, fmt.Errorf(`rule: %q: want "confidential" or "trifecta"`, c.Rule))
	}
	if c.Action != Block && c.Action != Approve && c.Action != Alert {
		errs = append(errs, fmt.Errorf(`action: %q: want "block", "approve" or "alert"`, c.Action))
	}
	if c.Window < minWindow || c.Window > maxWindow {
		errs = append(errs, fmt.Errorf("window: want 1m to 30d"))
	}
	return errors.Join(errs...)
}
