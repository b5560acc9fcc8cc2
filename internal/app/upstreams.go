package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
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
	observe  func(m *obs.Metrics, route string) // refreshes the gauges
}

// next returns the upstreams of a configuration, taking over from u.
func (u upstreams) next(cfg *config.Config, version string, log *slog.Logger) (upstreams, error) {
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
		made, err := newUpstream(rt, version, log.With("route", rt.Name))
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
	}{rt.Upstream, rt.Command, rt.Env, rt.PassEnv, rt.Dir, []any{rt.Timeout, rt.IdleTimeout}, []any{rt.MaxChildren, rt.MaxPerCaller}, []any{rt.Transport, rt.ReplyLimits.Bytes}})
	if err != nil {
		return "", fmt.Errorf("comparing settings: %w", err)
	}
	return string(b), nil
}

func newUpstream(rt *config.Route, version string, log *slog.Logger) (*upstream, error) {
	switch {
	case len(rt.Command) > 0:
		return newCommand(rt, version, log)
	case usesSSE(rt):
		return newLegacy(rt, version, log)
	}
	cfg := direct.Default()
	cfg.URL, cfg.Timeout = rt.Upstream, rt.Timeout
	client, err := direct.New(cfg)
	if err != nil {
		return nil, err
	}
	return &upstream{
		Upstream: client, describe: rt.Upstream,
		close:   func(context.Context) error { return client.Close() },
		observe: func(m *obs.Metrics, route string) { m.Upstream(route).Open.Set(float64(client.Stats().Open)) },
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
	c.MaxPerPrincipal = min(rt.MaxPerCaller, rt.MaxChildren)
	c.CallTimeout = max(c.CallTimeout, rt.Timeout)
	return c
}

func newCommand(rt *config.Route, version string, log *slog.Logger) (*upstream, error) {
	c := stdio.Default()
	c.Command, c.Dir, c.Env, c.PassEnv = rt.Command, rt.Dir, rt.Env, rt.PassEnv
	c.MaxMessage = int(rt.ReplyLimits.Bytes)
	launcher, err := stdio.New(c, log)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context) (bridge.Conn, error) { return asConn(launcher.Start(ctx)) }
	return newBridge(rt, open, rt.Command[0], version, log)
}

func newLegacy(rt *config.Route, version string, log *slog.Logger) (*upstream, error) {
	c := legacysse.Default()
	c.URL = rt.Upstream
	c.MaxMessage = int(rt.ReplyLimits.Bytes)
	dialer := dial.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext:           dialer.DialContext,
		ResponseHeaderTimeout: rt.Timeout, MaxIdleConnsPerHost: 64, IdleConnTimeout: 4 * time.Second,
	}
	d, err := legacysse.New(c, transport, log)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context) (bridge.Conn, error) { return asConn(d.Dial(ctx)) }
	return newBridge(rt, open, rt.Upstream, version, log)
}

// asConn keeps a nil pointer from becoming a connection that is not nil.
func asConn[C bridge.Conn](c C, err error) (bridge.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

func newBridge(rt *config.Route, open bridge.Opener, describe, version string, log *slog.Logger) (*upstream, error) {
	b, err := bridge.New(bridgeConfig(rt), bridge.Options{Open: open, Log: log, Version: version})
	if err != nil {
		return nil, err
	}
	return &upstream{
		Upstream: b, describe: describe, close: b.Close,
		observe: func(m *obs.Metrics, route string) { m.Bridge(route).Children.Set(float64(b.Stats().Children)) },
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

// unused reports whether u has upstreams that next has not.
func (u upstreams) unused(next upstreams) bool {
	for name, up := range u {
		if next[name] != up {
			return true
		}
	}
	return false
}

// retire closes what next does not use any more, after the calls that began
// before had the grace period to end: also those that have not come to their
// upstream yet. It does not wait longer than life lasts.
func (u upstreams) retire(life context.Context, calls *generation, next upstreams, grace time.Duration, log *slog.Logger) {
	patience, cancel := context.WithTimeout(life, grace)
	defer cancel()
	calls.wait(patience)
	old := upstreams{}
	for name, up := range u {
		if next[name] != up {
			old[name] = up
		}
	}
	old.close(log)
}

// closeTime is how long children may take to end before they are killed.
const closeTime = 20 * time.Second

// close closes all side by side: the children of one route do not take the time
// of another's.
func (u upstreams) close(log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var wg sync.WaitGroup
	for name, up := range u {
		wg.Go(func() {
			if err := up.close(ctx); err != nil {
				log.Warn("closing an upstream", "route", name, "error", err)
			}
		})
	}
	wg.Wait()
}
