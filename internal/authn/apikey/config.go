package apikey

import (
	"fmt"
	"time"
)

// DefaultCacheTTL is how long a verified key works without asking the store:
// the default of identity.cache_ttl.
const DefaultCacheTTL = 60 * time.Second

// Config is the section identity.api_key.
type Config struct {
	// Prefix starts every key: 2 to 16 of a-z, 0-9 and _, ending in _. Keys
	// with an earlier prefix stop working when it changes.
	Prefix string `toml:"prefix"`
	// Schedule of keys that are created without one: daily, weekly, monthly,
	// quarterly or never.
	Schedule Schedule `toml:"schedule"`
	// Overlap is how long a rotated key is rotating, and then as long again
	// deprecated, before it is revoked (S4-5): 1 minute to 30 days.
	Overlap time.Duration `toml:"overlap"`
	// SelfClaim lets the holder of a rotating key fetch the successor's secret
	// with that key. Without it a claim token is needed.
	SelfClaim bool `toml:"self_claim"`
}

// Bounds and default of Config.Overlap.
const (
	DefaultOverlap = time.Hour
	minOverlap     = time.Minute
	maxOverlap     = 30 * 24 * time.Hour
)

// Default returns the configuration that holds when nothing is configured.
func Default() Config {
	return Config{Prefix: DefaultPrefix, Schedule: Quarterly, Overlap: DefaultOverlap, SelfClaim: true}
}

// Validate checks the fields.
func (c Config) Validate() error {
	if _, err := NewGrammar(c.Prefix); err != nil {
		return err
	}
	if c.Prefix == claimPrefix {
		return fmt.Errorf("prefix: %q: is that of claim tokens", c.Prefix)
	}
	if c.Overlap < minOverlap || c.Overlap > maxOverlap {
		return fmt.Errorf("overlap: %s: want %s to %s", c.Overlap, minOverlap, maxOverlap)
	}
	return c.Schedule.Validate()
}
