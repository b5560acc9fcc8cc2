// Package phi guards protected health information. What a route marks is read
// by a role, or in an emergency by whom an operator let through the glass, for
// a time and with a reason. Every read is in the audit log with its purpose
// before it happens. Of results, each role gets the fields that it needs; the
// others are taken out before anything is sent.
package phi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Config is [privacy.phi].
type Config struct {
	Role            string        // may read what is marked
	Purposes        []string      // that a reader may name
	PurposeRequired bool          // whether one must be named
	BreakGlassMax   time.Duration // longest time for an emergency
}

// Default returns the configuration that holds when nothing is configured.
func Default() Config {
	return Config{
		Role: "healthcare_provider", PurposeRequired: true, BreakGlassMax: 4 * time.Hour,
		Purposes: []string{"treatment", "payment", "operations", "emergency", "public_health", "research", "patient_request"},
	}
}

// Bounds on what is written down.
const (
	MaxReason    = 200
	MaxPrincipal = 1024
	maxName      = 64
	maxFields    = 200
	maxField     = 200
	maxTime      = 24 * time.Hour
)

// Validate checks a configuration.
func (c Config) Validate() error {
	var errs []error
	if !word(c.Role) {
		errs = append(errs, fmt.Errorf("role: %q: want the name of a role", c.Role))
	}
	if len(c.Purposes) == 0 {
		errs = append(errs, errors.New(`purposes: want at least one, such as "treatment"`))
	}
	for i, p := range c.Purposes {
		if !word(p) || slices.Contains(c.Purposes[:i], p) {
			errs = append(errs, fmt.Errorf("purposes[%d]: %q: want different names of letters, digits, dots, dashes and underscores", i, p))
		}
	}
	if c.BreakGlassMax < time.Minute || c.BreakGlassMax > maxTime {
		errs = append(errs, errors.New("break_glass_max: want 1m to 24h"))
	}
	return errors.Join(errs...)
}

func word(s string) bool {
	return s != "" && len(s) <= maxName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
