package app

import (
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
)

// openUsers opens the users of the data folder. Their failures are counted
// apart from those of keys: an address that guesses at one may hold the other.
func (c *core) openUsers(opts Options) error {
	key, err := c.dir.Derive(purposeNames, 32)
	if err != nil {
		return err
	}
	id := opts.Config.Identity
	failures, err := newFailures(id.Basic.Failures)
	if err != nil {
		return fmt.Errorf("identity.basic.failures: %w", err)
	}
	c.users, err = basic.New(basic.Options{
		Config: id.Basic.Service(), Store: c.db.Users(), Recorder: c.journal, Key: key,
		ValidateScope: scope.Validate, CacheTTL: id.CacheTTL, Throttle: failures, Log: opts.Log,
	})
	return err
}
