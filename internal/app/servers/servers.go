// Package servers makes the servers behind the routes of a configuration, and
// keeps through a reload those whose settings did not change.
package servers

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

// Set are the servers behind the routes, by route name. A reload keeps those
// whose settings did not change, with their connections and children.
type Set map[string]*Server

// Server is one of them.
type Server struct {
	portcullis.Upstream
	Describe string                             // URL or program, for people
	Observe  func(m *obs.Metrics, route string) // refreshes the gauges
	settings string
	close    func(context.Context) error
}

// Next returns the servers of a configuration, taking over from u.
func (u Set) Next(cfg *config.Config, version string, log *slog.Logger) (Set, error) {
	out := Set{}
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
			out.Discard(u)
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

func newUpstream(rt *config.Route, version string, log *slog.Logger) (*Server, error) {
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
	return &Server{
		Upstream: client, Describe: rt.Upstream,
		close:   func(context.Context) error { return client.Close() },
		Observe: func(m *obs.Metrics, route string) { m.Upstream(route).Open.Set(float64(client.Stats().Open)) },
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

func newCommand(rt *config.Route, version string, log *slog.Logger) (*Server, error) {
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

func newLegacy(rt *config.Route, version string, log *slog.Logger) (*Server, error) {
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

func newBridge(rt *config.Route, open bridge.Opener, describe, version string, log *slog.Logger) (*Server, error) {
	b, err := bridge.New(bridgeConfig(rt), bridge.Options{Open: open, Log: log, Version: version})
	if err != nil {
		return nil, err
	}
	return &Server{
		Upstream: b, Describe: describe, close: b.Close,
		Observe: func(m *obs.Metrics, route string) { m.Bridge(route).Children.Set(float64(b.Stats().Children)) },
	}, nil
}

// Discard closes what u has and kept does not: a configuration that came to
// nothing.
func (u Set) Discard(kept Set) {
	for name, up := range u {
		if kept[name] != up {
			_ = up.close(context.Background()) // never used: nothing to lose
		}
	}
}

// Unused reports whether u has servers that next has not.
func (u Set) Unused(next Set) bool {
	for name, up := range u {
		if next[name] != up {
			return true
		}
	}
	return false
}

// Calls are those that may still use what is retired.
type Calls interface {
	// Wait returns when none of them runs, or ctx ends.
	Wait(ctx context.Context)
}

// Retire closes what next does not use any more, after the calls that began
// before had the grace period to end: also those that have not come to their
// upstream yet. It does not wait longer than life lasts.
func (u Set) Retire(life context.Context, calls Calls, next Set, grace time.Duration, log *slog.Logger) {
	patience, cancel := context.WithTimeout(life, grace)
	defer cancel()
	calls.Wait(patience)
	old := Set{}
	for name, up := range u {
		if next[name] != up {
			old[name] = up
		}
	}
	old.Close(log)
}

// closeTime is how long children may take to end before they are killed.
const closeTime = 20 * time.Second

// Close closes all side by side: the children of one route do not take the time
// of another's.
func (u Set) Close(log *slog.Logger) {
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
