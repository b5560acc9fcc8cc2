package ratelimit

import (
	"fmt"
	"time"
)

// MaxMaxKeys bounds Config.MaxKeys: 2^24 slots are 256 MiB.
const MaxMaxKeys = 1 << 24

// maxRules bounds the rules of one route: each costs a lookup per call.
const maxRules = 32

// Config is the limits of one route.
type Config struct {
	// Rules are counted all; each is "<rate> per <scope>", see [ParseRule].
	// An empty list means no limit at all.
	Rules []Rule `toml:"rate"`
	// MaxKeys is how many callers are remembered at a time, 0 to MaxMaxKeys;
	// 0 means DefaultMaxKeys. 16 bytes each.
	MaxKeys int `toml:"rate_max_keys"`
}

// Default returns 1000 calls a minute per address and 100 a minute per key.
func Default() Config {
	return Config{
		Rules: []Rule{
			{Rate: Rate{Limit: 1000, Burst: 1000, Window: time.Minute}, Scope: ScopeAddress},
			{Rate: Rate{Limit: 100, Burst: 100, Window: time.Minute}, Scope: ScopeKey},
		},
		MaxKeys: DefaultMaxKeys,
	}
}

// Validate reports the first mistake, naming the field.
func (c Config) Validate() error {
	if c.MaxKeys < 0 || c.MaxKeys > MaxMaxKeys {
		return fmt.Errorf("rate_max_keys: %d: want 0 to %d", c.MaxKeys, MaxMaxKeys)
	}
	if len(c.Rules) > maxRules {
		return fmt.Errorf("rate: %d rules: want at most %d", len(c.Rules), maxRules)
	}
	seen := make(map[string]bool, len(c.Rules))
	for i, r := range c.Rules {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("rate[%d]: %w", i, err)
		}
		// Two rates over one window are one rate, and a client could not
		// tell them apart.
		id := fmt.Sprintf("%s:%s/%s", r.Scope, r.Tool, r.Rate.Window)
		if seen[id] {
			return fmt.Errorf("rate[%d]: %q: another rule has the same scope and window", i, r.String())
		}
		seen[id] = true
	}
	return nil
}
