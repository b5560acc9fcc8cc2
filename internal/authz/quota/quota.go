// Package quota bounds what callers use of a route in a day and in a session:
// calls of tools, bytes of replies, and a budget that tools cost.
//
// A day ends at midnight UTC. Calls count by MCP session where there is one; one
// that comes without a session is held to all calls of the caller's day. A
// session's count ends a day after its last call. Bytes and budget count by caller and day.
//
// Counts are in memory and written to the store in the background, see
// [Ledger.Run]: a crash loses those of the last second, a stop loses none.
package quota

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
)

// Day is how long counts last.
const Day = 24 * time.Hour

// Key says whose count it is.
type Key struct {
	Route     string
	Principal string
	Session   string // hash of the MCP session; "" = the caller's day
}

// Use is what was used.
type Use struct {
	Calls int64 // of tools
	Bytes int64 // of replies
	Spent int64 // of the budget, in millionths
}

// Counter is a count as it is stored.
type Counter struct {
	Key
	Use
	Until time.Time // when it is over
}

// Store keeps counters. All methods are atomic and safe for concurrent use.
type Store interface {
	// Usage returns the counter of a key, a zero one if there is none that is
	// not over at now.
	Usage(ctx context.Context, k Key, now time.Time) (Counter, error)
	// SaveUsage stores counters in place of those of the same keys. Counters
	// that were over at now may be removed.
	SaveUsage(ctx context.Context, now time.Time, list []Counter) error
	// ListUsage returns counters that are not over at now, at most max, ordered
	// by route, caller and session: those of one caller, or of all if principal
	// is "".
	ListUsage(ctx context.Context, principal string, now time.Time, max int) ([]Counter, error)
}

// Limits of a route. Zero limits nothing.
type Limits struct {
	Calls  int64 // of tools, for each session, or for each caller and day
	Bytes  int64 // of replies, for each caller and day
	Budget int64 // for each caller and day, in millionths
}

// Config is what a route asks for.
type Config struct {
	CallsPerSession int64
	BytesPerDay     int64
	BudgetPerDay    float64
	Costs           map[string]float64 // by pattern of tools
	ResultBytes     map[string]int64   // by pattern of tools
}

// Empty reports whether nothing is limited, so that a route needs no guard.
func (c Config) Empty() bool {
	return c.CallsPerSession == 0 && c.BytesPerDay == 0 && c.BudgetPerDay == 0 && len(c.ResultBytes) == 0
}

// Limits returns the limits in the unit of the counters.
func (c Config) Limits() Limits {
	return Limits{Calls: c.CallsPerSession, Bytes: c.BytesPerDay, Budget: millionths(c.BudgetPerDay)}
}

// Bounds of a configuration: no sum of costs overflows.
const (
	maxBudget = 1e9
	minCost   = 1e-6
)

func millionths(x float64) int64 { return int64(math.Round(x * 1e6)) }

// Validate checks the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.CallsPerSession < 0 || c.CallsPerSession > maxBudget {
		errs = append(errs, errors.New("calls_per_session: want 0 (no limit) to 1000000000"))
	}
	if c.BytesPerDay < 0 {
		errs = append(errs, errors.New("bytes_per_day: want 0 (no limit) or more"))
	}
	if c.BudgetPerDay != 0 && (c.BudgetPerDay < minCost || c.BudgetPerDay > maxBudget) {
		errs = append(errs, errors.New("budget_per_day: want 0 (no limit), or 0.000001 to 1000000000"))
	}
	for name, cost := range c.Costs {
		if cost < 0 || cost > maxBudget || cost > 0 && cost < minCost {
			errs = append(errs, fmt.Errorf("costs.%s: want 0, or 0.000001 to 1000000000", name))
		}
		errs = append(errs, patternError("costs", name))
	}
	for name, n := range c.ResultBytes {
		if n < 1 {
			errs = append(errs, fmt.Errorf("result_bytes.%s: want at least 1", name))
		}
		errs = append(errs, patternError("result_bytes", name))
	}
	switch {
	case c.BudgetPerDay > 0 && len(c.Costs) == 0:
		errs = append(errs, errors.New("budget_per_day: has no effect without costs"))
	case c.BudgetPerDay == 0 && len(c.Costs) > 0:
		errs = append(errs, errors.New("costs: have no effect without budget_per_day"))
	}
	return errors.Join(errs...)
}

func patternError(field, text string) error {
	if pattern.Validate("", []string{text}) != nil {
		return fmt.Errorf("%s: %.40q: want a pattern of 1 to 512 bytes", field, text)
	}
	return nil
}
