package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/authn/anonymous"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/endpoint"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// openTokens opens the sessions of the data folder and the keys that sign their
// tokens.
func (c *core) openTokens(ctx context.Context, opts Options) error {
	pepper, err := c.dir.Derive(purposeRefresh, 32)
	if err != nil {
		return err
	}
	seal, err := c.dir.Derive(purposeSigning, signing.SealKeySize)
	if err != nil {
		return err
	}
	store := c.db.Sessions()
	if c.ring, err = signing.New(ctx, store, seal, nil); err != nil {
		return err
	}
	c.tokens, err = token.New(token.Options{
		Store: store, Recorder: c.journal, Ring: c.ring, Pepper: pepper, ValidateScope: scope.Validate, Log: opts.Log,
	})
	return err
}

// listening is the address of the public listener: the real one as soon as
// there is one.
func (a *App) listening(cfg *config.Config) string {
	if a.publicAddr != nil {
		return a.publicAddr.String()
	}
	return cfg.Server.Listen
}

// nextTokens returns what checks access tokens under a configuration: the
// issuers of others and, if sessions are on, the gateway itself. New issuers
// learn first which of their tokens were revoked.
func (a *App) nextTokens(cfg *config.Config) (tokens.Issuers, error) {
	issuers, err := nextIssuers(a.issuers, cfg, a.issuerClient, a.log, func(s *jwt.Service) error { return a.core.tokens.Follow(a.life, s) })
	if err != nil {
		return nil, err
	}
	if c := cfg.Sessions(a.listening(cfg)); c.On {
		if issuers[jwt.MethodSession], err = a.core.tokens.Verifier(c); err != nil {
			return nil, fmt.Errorf("identity.session: %w", err)
		}
	}
	return issuers, nil
}

// keySet publishes the keys of the gateway's own tokens and of agent cards, if
// there are any.
func (a *App) keySet(cfg *config.Config, issuers tokens.Issuers) http.Handler {
	if issuers[jwt.MethodSession] == nil && !cfg.SignsDocuments() {
		return nil
	}
	return a.core.ring
}

// sessionRate bounds each address on the endpoints of sessions. A caller needs
// one refresh for each life of an access token.
const sessionRate = "60/1m per address"

// sessionEndpoints are there while sessions are on. The token in the body is
// the credential, so the pipeline in front admits anyone.
func (a *App) sessionEndpoints(issuers tokens.Issuers) []gateway.Endpoint {
	if issuers[jwt.MethodSession] == nil {
		return nil
	}
	e := gateway.Endpoint{
		Methods: []string{http.MethodPost}, Rate: sessionRate, MaxBody: endpoint.MaxBody,
		Auth: []portcullis.Authenticator{anonymous.Authenticator{}},
	}
	refresh, revoke := e, e
	refresh.Name, refresh.Path, refresh.Handler = "token", endpoint.TokenPath, endpoint.Token(a.core.tokens, a.log)
	revoke.Name, revoke.Path, revoke.Handler = "revoke", endpoint.RevokePath, endpoint.Revoke(a.core.tokens, a.log)
	return []gateway.Endpoint{refresh, revoke}
}

// maintainEvery is how often signing keys that are due are replaced and
// sessions that are over removed. A key is published for an hour before it
// signs, so minutes do not matter.
const maintainEvery = 5 * time.Minute

func (a *App) followSessions(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		if err := a.core.tokens.Maintain(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "looking after sessions and their keys", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
