package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// issuerClient reaches the issuers of tokens. It follows no redirect, uses no
// proxy of the environment, and dials no address that no issuer has.
func issuerClient() *http.Client {
	d := &dial.Dialer{Timeout: 5 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: d.DialContext,
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return d.DialTLSContext(ctx, network, addr)
			},
			MaxIdleConnsPerHost: 2, MaxConnsPerHost: 32, IdleConnTimeout: time.Minute,
			ResponseHeaderTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("an issuer must not redirect") },
	}
}

// nextIssuers returns the issuers of a configuration. One whose settings did
// not change is kept, with its keys and the tokens it has verified; follow is
// told of every other before it is in force.
func nextIssuers(have tokens.Issuers, cfg *config.Config, client jwt.Doer, log *slog.Logger, follow func(*jwt.Service) error) (tokens.Issuers, error) {
	next := tokens.Issuers{}
	for method, c := range map[string]jwt.Config{
		jwt.MethodJWT: cfg.Identity.JWT.Service(), jwt.MethodOIDC: cfg.Identity.OIDC.Service(),
	} {
		if c.Issuer == "" {
			continue
		}
		if old := have[method]; old != nil && reflect.DeepEqual(old.Config(), c) {
			next[method] = old
			continue
		}
		s, err := jwt.New(c, client, log, nil)
		if err != nil {
			return nil, fmt.Errorf("identity.%s: %w", method, err)
		}
		if err := follow(s); err != nil {
			return nil, fmt.Errorf("identity.%s: %w", method, err)
		}
		next[method] = s
	}
	return next, nil
}
