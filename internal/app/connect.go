package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/contain"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app/listen"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

// Connect returns a client of the admin API of a data folder and what ends it:
// over the socket when a gateway runs, else served by this process while it
// holds the folder's lock. Either way it is the same API.
func Connect(ctx context.Context, opts Options) (*admin.Client, func() error, error) {
	socket := datadir.AdminSocket(opts.DataDir)
	if client, err := admin.Dial(ctx, socket); err == nil {
		return client, func() error { return nil }, nil
	}
	a, err := openLocal(ctx, opts)
	var locked *datadir.LockedError
	if errors.As(err, &locked) { // a gateway is starting: its socket comes in a moment
		client, derr := dialSoon(ctx, socket)
		if derr != nil {
			return nil, nil, err
		}
		return client, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	client, err := admin.Dial(ctx, a.core.dir.AdminSocket())
	if err != nil {
		return nil, nil, errors.Join(err, a.Stop(ctx))
	}
	return client, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return a.Stop(ctx)
	}, nil
}

// openLocal serves the socket and nothing else: no route, no listener.
func openLocal(ctx context.Context, opts Options) (*App, error) {
	cfg := *opts.Config
	cfg.Identity.Session.Enabled = cfg.SessionsOn() // a route may have turned them on
	cfg.Routes = nil
	opts.Config, opts.Source = &cfg, nil
	a, err := New(ctx, opts)
	if err != nil {
		return nil, err
	}
	l, err := listen.Socket(a.core.dir.AdminSocket())
	if err != nil {
		return nil, errors.Join(err, a.Stop(ctx))
	}
	a.serve("socket", l, a.local)
	return a, nil
}

func dialSoon(ctx context.Context, socket string) (*admin.Client, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(5 * time.Second)
	for {
		if client, err := admin.Dial(ctx, socket); err == nil {
			return client, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-limit:
			return nil, errors.New("the gateway does not open its admin socket")
		case <-tick.C:
		}
	}
}

// described stands for an authenticator where only its name is asked.
type described string

func (d described) Name() string { return string(d) }

func (described) Authenticate(context.Context, *portcullis.Conn) (portcullis.Principal, error) {
	return portcullis.Principal{}, errors.New("described only")
}

// describedSessions stands for the sessions where only the guard is asked for.
type describedSessions struct{}

func (describedSessions) Key(string) *jws.Key { return nil }

func (describedSessions) Live(context.Context, string, string) error {
	return errors.New("described only")
}

func (describedSessions) Epoch() uint64 { return 0 }

// Pipelines builds the routes of a configuration without a data folder and
// lists their guards.
func Pipelines(cfg *config.Config) ([]gateway.RoutePipeline, error) {
	issuers, err := nextIssuers(nil, cfg, issuerClient(), slog.New(slog.DiscardHandler), func(*jwt.Service) error { return nil }) // nothing is fetched
	if err != nil {
		return nil, err
	}
	if c := cfg.Sessions(cfg.Server.Listen); c.On {
		if issuers[jwt.MethodSession], err = jwt.NewOwn(c.Issuer, c.Audience, token.MaxIssueTTL, describedSessions{}, nil); err != nil {
			return nil, err
		}
	}
	table, err := gateway.Build(cfg, gateway.Deps{Switch: new(edge.Switch), APIKeys: described(apikey.Method), Users: described(basic.Method), Tokens: issuers, Contain: contain.Guards{new(containment.Guard)}}, nil)
	if err != nil {
		return nil, fmt.Errorf("building the routes: %w", err)
	}
	return table.Pipelines(), nil
}

// Init makes the data folder and, if it has no key, the first one, which it
// returns.
func Init(ctx context.Context, opts Options) (string, error) {
	a, err := openLocal(ctx, opts)
	if err != nil {
		return "", err
	}
	err = a.makeFirstKey(ctx)
	return a.firstKey, errors.Join(err, a.Stop(ctx))
}
