package apikey

import "time"

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
}

// Default returns the configuration that holds when nothing is configured.
func Default() Config { return Config{Prefix: DefaultPrefix, Schedule: Quarterly} }

// Validate checks the fields.
func (c Config) Validate() error {
	if _, err := NewGrammar(c.Prefix); err != nil {
		return err
	}
	return c.Schedule.Validate()
}
