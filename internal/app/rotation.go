package app

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/identity"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// openNotices opens the queue of notices. Its dialer is the upstreams': what
// an operator wrote may be private, but never a metadata service.
func openNotices(c identity.Notify, db *sqlite.DB, log *slog.Logger) (*notify.Queue, error) {
	d := dial.Dialer{Timeout: c.Timeout}
	t := &http.Transport{
		DialContext: d.DialContext,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return d.DialTLSContext(ctx, network, addr)
		},
		ResponseHeaderTimeout: c.Timeout, MaxIdleConnsPerHost: 1, IdleConnTimeout: 4 * time.Second,
	}
	return notify.New(c.Queue(), notify.Options{Store: db.APIKeys(), Transport: t, Log: log})
}

// rotateEvery is how often the gateway looks for keys that are due, and
// rotateJitter how much it varies, so that gateways that start together do not
// look together.
const (
	rotateEvery  = time.Minute
	rotateJitter = 10 * time.Second
)

// followKeys rotates what is due and tells what has become of keys, until ctx
// ends. There is one per data folder, whose lock this process holds.
func (a *App) followKeys(ctx context.Context) {
	for {
		a.rotateDue(ctx)
		wait := time.NewTimer(rotateEvery + rand.N(rotateJitter))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

func (a *App) rotateDue(ctx context.Context) {
	made, err := a.core.keys.RotateDue(ctx, portcullis.Actor{ID: "portcullis", Method: "schedule"})
	if len(made) > 0 {
		a.log.InfoContext(ctx, "keys rotated by schedule", "count", len(made))
	}
	if err = errors.Join(err, a.core.keys.Sweep(ctx)); err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "looking after the keys", "error", err)
	}
}

// claimRate bounds each address on the claim endpoint.
const claimRate = "60/1m per address"

// own are the paths that this process answers itself.
func (a *App) own(cfg *config.Config, issuers tokens.Issuers) []gateway.Endpoint {
	return append(append(a.sessionEndpoints(issuers), a.loginEndpoints(cfg)...), gateway.Endpoint{
		Name: "claim", Path: admin.ClaimPath, Methods: []string{http.MethodPost}, Rate: claimRate, MaxBody: 4 << 10,
		Auth:    []portcullis.Authenticator{a.core.keys.ClaimAuthenticator(), a.core.keys.HolderAuthenticator()},
		Handler: admin.NewClaim(a.core.keys, a.log),
	})
}

var _ admin.Keys = (*apikey.Service)(nil)
