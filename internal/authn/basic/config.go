package basic

import (
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/basic/password"
)

// Config is the section identity.basic.
type Config struct {
	MinLength int             // characters of a new password
	MaxLength int             // bytes of a password
	Hash      password.Params // costs of a hash
	Parallel  int             // hashes at the same time
	Queue     int             // callers that wait for a hash
	LockAfter int             // failures in a row before a name is locked for an address
	LockFirst time.Duration   // length of the first lock; each further failure doubles it
	LockMax   time.Duration   // longest lock
}

// Bounds of [Config].
const (
	lowestMin   = 8
	highestMin  = 128
	lowestMax   = 128
	MaxPassword = 1024 // bytes, whatever is configured
	maxParallel = 64
	maxQueue    = 10_000
	maxFree     = 100
)

// Default returns the configuration that holds when nothing is configured.
func Default() Config {
	return Config{
		MinLength: 12, MaxLength: MaxPassword, Hash: password.Default(), Parallel: 4, Queue: 64,
		LockAfter: 5, LockFirst: 2 * time.Second, LockMax: 15 * time.Minute,
	}
}

// Validate checks the fields.
func (c Config) Validate() error {
	within := func(field string, v, low, high int) error {
		if v < low || v > high {
			return fmt.Errorf("%s: %d: want %d to %d", field, v, low, high)
		}
		return nil
	}
	errs := []error{
		within("min_length", c.MinLength, lowestMin, highestMin),
		within("max_length", c.MaxLength, lowestMax, MaxPassword),
		c.Hash.Validate(),
		within("parallel", c.Parallel, 1, maxParallel),
		within("queue", c.Queue, 0, maxQueue),
		within("lock_after", c.LockAfter, 1, maxFree),
	}
	if c.LockFirst < time.Second || c.LockFirst > time.Hour {
		errs = append(errs, fmt.Errorf("lock_first: %s: want 1s to 1h", c.LockFirst))
	}
	if c.LockMax < c.LockFirst || c.LockMax > 24*time.Hour {
		errs = append(errs, fmt.Errorf("lock_max: %s: want lock_first to 24h", c.LockMax))
	}
	return errors.Join(errs...)
}
