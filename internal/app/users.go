package app

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/login"
	"github.com/portcullis-dev/portcullis/internal/app/failures"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// openUsers opens the users of the data folder. Their failures are counted
// apart from those of keys: an address that guesses at one may hold the other.
func (c *core) openUsers(opts Options) error {
	key, err := c.dir.Derive(purposeNames, 32)
	if err != nil {
		return err
	}
	id := opts.Config.Identity
	throttle, err := failures.New("identity.basic.failures", id.Basic.Failures)
	if err != nil {
		return err
	}
	c.users, err = basic.New(basic.Options{
		Config: id.Basic.Service(), Store: c.db.Users(), Recorder: c.journal, Key: key,
		ValidateScope: scope.Validate, CacheTTL: id.CacheTTL, Sessions: sessionsOf{c.tokens}, Throttle: throttle, Log: opts.Log,
	})
	return err
}

// sessionsOf is the sessions as the logins of users need them.
type sessionsOf struct{ *token.Service }

// EndSessions implements basic.Sessions and login.Sessions.
func (s sessionsOf) EndSessions(ctx context.Context, subject, reason string, by portcullis.Actor) error {
	_, err := s.RevokeSubject(ctx, subject, reason, by)
	return err
}

// loginEndpoints are there while a route takes users: the session of a login is
// good where its method is listed.
func (a *App) loginEndpoints(cfg *config.Config) []gateway.Endpoint {
	if !cfg.Lists(basic.Method) {
		return nil
	}
	return []gateway.Endpoint{login.Endpoint(a.core.users, sessionsOf{a.core.tokens}, a.log)}
}
