// Package policywatch remembers which policy files are in force and says when
// others have to be read.
package policywatch

import (
	"context"
	"log/slog"
	"time"
)

// poll is how often policy files are looked at. They are few and small, and a
// look finds what file systems report nothing about.
const poll = 2 * time.Second

// State is what is known of the policy files, as digests of their content. Its
// user guards it.
type State struct {
	InForce string
	refused string // content that was refused last: it is not tried, and not reported, again
}

// Due reports whether files of a digest are to be read.
func (s *State) Due(now string) bool {
	if now == s.InForce {
		s.refused = ""
	}
	return now != s.InForce && now != s.refused
}

// Refuse remembers that files of a digest were not taken.
func (s *State) Refuse(digest string) { s.refused = digest }

// Changed describes for the audit log that other files came into force.
func Changed(old, now string) []slog.Attr {
	return []slog.Attr{slog.String("field", "content of access.policy_files"), slog.String("old", old), slog.String("new", now)}
}

// Run looks until ctx ends.
func Run(ctx context.Context, look func(context.Context)) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			look(ctx)
		}
	}
}
