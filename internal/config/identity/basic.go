package identity

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/password"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// Basic is [identity.basic].
type Basic struct {
	MinLength int           `toml:"min_length" doc:"Least length of a new password, in characters. There are no rules on what it is made of, but it is not the user's name."`
	MaxLength int           `toml:"max_length" doc:"Greatest length of a new password, in bytes."`
	Memory    field.Size    `toml:"memory" doc:"Memory of one password hash (argon2id). A hash is made anew at the next login when this, passes or threads change."`
	Passes    int           `toml:"passes" doc:"Passes of a hash over its memory."`
	Threads   int           `toml:"threads" doc:"Threads of one hash."`
	Parallel  int           `toml:"parallel" doc:"Hashes that are computed at the same time; together they take so many times memory."`
	Queue     int           `toml:"queue" doc:"Logins that may wait for a hash; further ones are answered 503."`
	LockAfter int           `toml:"lock_after" doc:"Wrong passwords in a row for one name from one address before that pair is locked. Ten times as many, from wherever, lock the name for addresses at which it never logged in."`
	LockFirst time.Duration `toml:"lock_first" doc:"Length of the first lock. Each further failure doubles it."`
	LockMax   time.Duration `toml:"lock_max" doc:"Longest lock."`
	Failures  string        `toml:"failures" doc:"Failed logins per address, whatever the name, before all its logins are answered 429."`
}

// DefaultBasic returns the defaults of [identity.basic].
func DefaultBasic() Basic {
	d := basic.Default()
	return Basic{
		MinLength: d.MinLength, MaxLength: d.MaxLength, Memory: field.Size(d.Hash.Memory) << 10, Passes: int(d.Hash.Time), Threads: int(d.Hash.Threads),
		Parallel: d.Parallel, Queue: d.Queue, LockAfter: d.LockAfter, LockFirst: d.LockFirst, LockMax: d.LockMax, Failures: "30/1m",
	}
}

// Service returns the settings in the words of the user service.
func (b Basic) Service() basic.Config {
	return basic.Config{
		MinLength: b.MinLength, MaxLength: b.MaxLength, Parallel: b.Parallel, Queue: b.Queue,
		Hash: password.Params{
			Memory: uint32(clamp(int64(b.Memory)>>10, math.MaxUint32)), Time: uint32(clamp(int64(b.Passes), math.MaxUint32)),
			Threads: uint8(clamp(int64(b.Threads), math.MaxUint8)),
		},
		LockAfter: b.LockAfter, LockFirst: b.LockFirst, LockMax: b.LockMax,
	}
}

// clamp brings a number into the range of a type. What it changes is far out of
// bounds, and stays so.
func clamp(n, highest int64) int64 { return max(0, min(n, highest)) }

// Validate checks [identity.basic].
func (b Basic) Validate() error {
	errs := []error{b.Service().Validate()}
	if _, err := ratelimit.Parse(b.Failures); err != nil {
		errs = append(errs, fmt.Errorf("failures: %w", err))
	}
	return errors.Join(errs...)
}
