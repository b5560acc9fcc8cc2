// Package servers makes the servers behind the routes of a configuration, and
// keeps through a reload those whose settings did not change.
package servers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/bounds"
	"github.com/portcullis-dev/portcullis/internal/app/secrets"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/replies"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/internal/upstream/legacysse"
	"github.com/portcullis-dev/portcullis/internal/upstream/rpc"
	"github.com/portcullis-dev/portcullis/internal/upstream/stdio"
)

// Set are the servers behind the routes, by route name. A reload keeps those
// whose settings did not change, with their connections and children.
type Set map[string]*Server

// Server is one of them.
type Server struct {
	portcullis.Upstream
	Documents http.RoundTripper                  // for what lies beside the calls; nil where there is no such thing
	Describe  string                             // URL or program, for people
	Observe   func(m *obs.Metrics, route string) // refreshes the gauges
	settings  string
	close     func(context.Context) error
}

// Next returns the servers of a configuration, taking over from u.
func (u Set) Next(cfg *config.Config, kept *secrets.Set, version string, log *slog.Logger) (Set, error) {
	out := Set{}
	for i := range cfg.Routes {
		rt := &cfg.Routes[i]
		settings, err := upstreamSettings(rt, kept)
		if err != nil {
			return nil, err
		}
		if old := u[rt.Name]; old != nil && old.settings == settings {
			out[rt.Name] = old
			continue
		}
		made, err := newUpstream(rt, kept, version, log.With("route", rt.Name))
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
func upstreamSettings(rt *config.Route, kept *secrets.Set) (string, error) {
	var sources any // of the secrets it uses
	if len(rt.References()) > 0 {
		sources = kept.Settings()
	}
	b, err := json.Marshal(struct {
		A, B, C, D, E, F, G, H, I any
	}{rt.Upstream, rt.Command, rt.Env, rt.PassEnv, rt.Dir, []any{rt.Timeout, rt.IdleTimeout}, []any{rt.MaxChildren, rt.MaxPerCaller}, []any{rt.Transport, rt.ReplyLimits, rt.A2A.GRPC.Agent}, []any{rt.Credential, rt.Credentials, sources}})
	if err != nil {
		return "", fmt.Errorf("comparing settings: %w", err)
	}
	return string(b), nil
}

func newUpstream(rt *config.Route, kept *secrets.Set, version string, log *slog.Logger) (*Server, error) {
	switch {
	case len(rt.Command) > 0:
		return newCommand(rt, kept, version, log)
	case rt.OldTransport():
		return newLegacy(rt, kept, version, log)
	}
	cfg := direct.Default()
	cfg.URL, cfg.Timeout = rt.Upstream, rt.Timeout
	var err error
	if cfg.Credentials, cfg.Certificate, err = credentialsOf(rt, kept); err != nil {
		return nil, err
	}
	if rt.SpeaksA2A() && rt.A2A.GRPC.Agent {
		return newRPC(rt, cfg)
	}
	client, err := direct.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Server{
		Upstream: client, Describe: rt.Upstream, Documents: client.Transport(),
		close:   func(context.Context) error { return client.Close() },
		Observe: func(m *obs.Metrics, route string) { m.Upstream(route).Open.Set(float64(client.Stats().Open)) },
	}, nil
}

// newRPC returns what calls an agent over gRPC. Its card lies beside the calls,
// on the same host, and is fetched as any other.
func newRPC(rt *config.Route, cfg direct.Config) (*Server, error) {
	pages, err := direct.New(cfg)
	if err != nil {
		return nil, err
	}
	cfg.HTTP2 = true
	client, err := direct.New(cfg)
	if err != nil {
		return nil, errors.Join(err, pages.Close())
	}
	budget := replies.NewBudget(replies.DefaultBudget)
	read := func(r io.Reader, buf []byte, n int64) ([]byte, func(), error) {
		var l replies.Lease
		raw, err := replies.Read(r, buf, n, budget, &l)
		return raw, l.Release, err
	}
	return &Server{
		Upstream: rpc.New(client, rpc.Options{Timeout: rt.Timeout, Limits: bounds.Message(rt.ReplyLimits, jsonrpc.DefaultReplyLimits()), Read: read}),
		Describe: rt.Upstream, Documents: pages.Transport(), Observe: func(*obs.Metrics, string) {},
		close: func(context.Context) error { return errors.Join(client.Close(), pages.Close()) },
	}, nil
}

// certificate gives a client certificate for a handshake.
type certificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

// credentialsOf returns what the upstream of a route gets of the gateway's own.
func credentialsOf(rt *config.Route, kept *secrets.Set) (inject.Credentials, certificate, error) {
	credentials, err := kept.Credentials(rt)
	if err != nil {
		return nil, nil, err
	}
	cert, err := kept.Certificate(rt)
	return credentials, cert, err
}

func bridgeConfig(rt *config.Route) bridge.Config {
	c := bridge.Default()
	c.IdleTimeout, c.MaxChildren = rt.IdleTimeout, rt.MaxChildren
	c.MaxPerPrincipal = min(rt.MaxPerCaller, rt.MaxChildren)
	c.CallTimeout = max(c.CallTimeout, rt.Timeout)
	return c
}

func newCommand(rt *config.Route, kept *secrets.Set, version string, log *slog.Logger) (*Server, error) {
	c := stdio.Default()
	c.Command, c.Dir, c.PassEnv = rt.Command, rt.Dir, rt.PassEnv
	var err error
	if c.Secrets, c.Env, err = kept.Environment(rt); err != nil {
		return nil, err
	}
	c.MaxMessage = int(rt.ReplyLimits.Bytes)
	launcher, err := stdio.New(c, log)
	if err != nil {
		return nil, err
	}
	open := func(ctx context.Context) (bridge.Conn, error) { return asConn(launcher.Start(ctx)) }
	return newBridge(rt, open, rt.Command[0], version, log)
}

func newLegacy(rt *config.Route, kept *secrets.Set, version string, log *slog.Logger) (*Server, error) {
	c := legacysse.Default()
	c.URL = rt.Upstream
	c.MaxMessage = int(rt.ReplyLimits.Bytes)
	dialer := dial.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext:           dialer.DialContext,
		ResponseHeaderTimeout: rt.Timeout, MaxIdleConnsPerHost: 64, IdleConnTimeout: 4 * time.Second,
	}
	credentials, certificate, err := credentialsOf(rt, kept)
	if err != nil {
		return nil, err
	}
	var carrier http.RoundTripper = transport
	if certificate != nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: certificate}
	}
	if credentials != nil {
		carrier = &inject.Transport{Next: transport, Use: credentials}
	}
	d, err := legacysse.New(c, carrier, log)
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
