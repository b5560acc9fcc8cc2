package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct"
	"github.com/portcullis-dev/portcullis/internal/upstream/legacysse"
	"github.com/portcullis-dev/portcullis/internal/upstream/stdio"
)

// upstreams are the servers behind the routes, by route name. A reload keeps
// those whose settings did not change, with their connections and children.
type upstreams map[string]*upstream

type upstream struct {
	portcullis.Upstream
	settings string
	close    func(context.Context) error
	describe string
	stats    func() upstreamStats
}

type upstreamStats struct{ open, children, sessions int }

// next returns the upstreams of a configuration, taking over from u.
func (u upstreams) next(cfg *config.Config, log *slog.Logger) (upstreams, error) {
	out := upstreams{}
	for i := range cfg.Routes {
		rt := &cfg.Routes[i]
		settings, err := upstreamSettings(rt)
		if err != nil {
			return nil, err
		}
		if old := u[rt.Name]; old != nil && old.settings == settings {
			out[rt.Name] = old
			continue
		}
		made, err := newUpstream(rt, log.With("route", rt.Name))
		if err != nil {
			out.discard(u)
			return nil, fmt.Errorf("route %q: %w", rt.Name, err)
		}
		made.settings = settings
		out[rt.Name] = made
	}
	return out, nil
}

// upstreamSettings is what a route's upstream depends on, for comparison only.
func upstreamSettings(rt *config.Route) (string, error) {
	b, err := json.Marshal(struct {
		A, B, C, D, E, F, G, H any
	}{rt.Upstream, rt.Command, rt.Env, rt.PassEnv, rt.Dir, []any{rt.Timeout, rt.IdleTimeout}, rt.MaxChildren, []any{rt.Transport, rt.ReplyLimits.Bytes}})
	if err != nil {
		return "", fmt.Errorf("comparing settings: %w", err)
	}
	return string(b), nil
}

func newUpstream(rt *config.Route, log *slog.Logger) (*upstream, error) {
	switch {
	case len(rt.Command) > 0:
		return newCommand(rt, log)
	case usesSSE(rt):
		return newLegacy(rt, log)
	}
	cfg := direct.Default()
	cfg.URL, cfg.Timeout = rt.Upstream, rt.Timeout
	client, err := direct.New(cfg)
	if err != nil {
		return nil, err
	}
	return &upstream{
		Upstream: client, describe: rt.Upstream,
		close: func(context.Context) error { return client.Close() },
		stats: func() upstreamStats { return upstreamStats{open: client.Stats().Open} },
	}, nil
}

// usesSSE tells the transport of 2024-11-05 by the configuration or, if that
// leaves it open, by the path that its servers use by convention.
func usesSSE(rt *config.Route) bool {
	if rt.Transport != "auto" {
		return rt.Transport == "sse"
	}
	u, err := url.Parse(rt.Upstream)
	return err == nil && path.Base(u.Path) == "sse"
}

func bridgeConfig(rt *config.Route) bridge.Config {
	c := bridge.Default()
	c.IdleTimeout, c.MaxChildren = rt.IdleTimeout, rt.MaxChildren
	c.MaxPerPrincipal = min(c.MaxPerPrincipal, c.MaxChildren)
	c.CallTimeout = max(c.CallTimeout, rt.Timeout)
	return c
}

func newCommand(rt *config.Route, log *slog.Logger) (*upstream, error) {
	c := stdio.Default()
	c.Command, c.Dir, c.Env, c.PassEnv = rt.Command, rt.Dir, rt.Env, rt.PassEnv
	c.MaxMessage = int(rt.ReplyLimits.Bytes)
	starter, err := stdio.New(c, log)
	if err != nil {
		return nil, err
	}
	return newBridge(rt, starter, rt.Command[0], log)
}

func newLegacy(rt *config.Route, log *slog.Logger) (*upstream, error) {
	c := legacysse.Default()
	c.URL = rt.Upstream
	starter, err := legacysse.New(c)
	if err != nil {
		return nil, err
	}
	return newBridge(rt, starter, rt.Upstream, log)
}

func newBridge(rt *config.Route, starter bridge.Starter, describe string, log *slog.Logger) (*upstream, error) {
	b, err := bridge.New(bridgeConfig(rt), starter, log)
	if err != nil {
		return nil, err
	}
	return &upstream{
		Upstream: b, describe: describe, close: b.Close,
		stats: func() upstreamStats {
			s := b.Stats()
			return upstreamStats{children: s.Children, sessions: s.Sessions}
		},
	}, nil
}

// discard closes what u has and kept does not: a configuration that came to
// nothing.
func (u upstreams) discard(kept upstreams) {
	for name, up := range u {
		if kept[name] != up {
			_ = up.close(context.Background()) // never used: nothing to lose
		}
	}
}

// retire closes what next does not use any more, after calls in flight had
// the grace period to end.
func (u upstreams) retire(next upstreams, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for name, up := range u {
		if next[name] != up {
			_ = up.close(ctx) // the children are gone either way
		}
	}
}

func (u upstreams) close(log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for name, up := range u {
		if err := up.close(ctx); err != nil {
			log.Warn("closing an upstream", "route", name, "error", err)
		}
	}
}
