package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/identity"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// failures counts failed attempts, by address and by what they were for.
type failures struct{ byAddress, byKey *ratelimit.Limiter }

// newFailures reads the rate of a setting.
func newFailures(setting, rate string) (*failures, error) {
	r, err := ratelimit.Parse(rate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	var f failures
	if f.byAddress, err = ratelimit.New(r, 0, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	if f.byKey, err = ratelimit.New(r, 0, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return &f, nil
}

// Wait implements basic.Throttle.
func (f *failures) Wait(client netip.Addr) time.Duration { return f.byAddress.WaitAddr(client) }

// Failed implements apikey.Throttle and basic.Throttle.
func (f *failures) Failed(client netip.Addr, id string) time.Duration {
	wait := f.byAddress.TakeAddr(client).RetryAfter
	if id != "" {
		wait = max(wait, f.byKey.Take(id).RetryAfter)
	}
	return wait
}

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
