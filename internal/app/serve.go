package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"syscall"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/app/listen"
	"github.com/portcullis-dev/portcullis/internal/app/policywatch"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
)

// Start opens all listeners, or none, and serves.
func (a *App) Start(ctx context.Context) (err error) {
	cfg := a.opts.Config
	var listeners []net.Listener
	defer func() {
		if err != nil {
			for _, l := range listeners {
				err = errors.Join(err, l.Close())
			}
			err = errors.Join(err, a.Stop(ctx))
		}
	}()
	public, certs, err := listen.Public(cfg, a.log)
	if err != nil {
		return err
	}
	a.certs = certs
	listeners = append(listeners, public)
	var adminListener net.Listener
	if cfg.Server.AdminListen != "" {
		if adminListener, err = listen.Admin(cfg); err != nil {
			return fmt.Errorf("opening the admin listener: %w", err)
		}
		listeners = append(listeners, adminListener)
	}
	socket, err := listen.Socket(a.core.dir.AdminSocket())
	if err != nil {
		return err
	}
	listeners = append(listeners, socket)
	a.mu.Lock()
	a.publicAddr = public.Addr()
	if adminListener != nil {
		a.adminAddr = adminListener.Addr()
	}
	a.mu.Unlock()
	if err = a.use(cfg); err != nil { // again: the names the gateway answers to hold the real ports now
		return err
	}
	if a.opts.FirstKey { // not before everything else worked: it is shown only once
		if err = a.makeFirstKey(ctx); err != nil {
			return err
		}
	}
	a.serve("public", public, a.public)
	if adminListener != nil {
		a.serve("admin", adminListener, a.admin)
	}
	a.serve("socket", socket, a.local)
	a.background()
	a.serving = true
	a.warnOfClearText()
	a.warnOfCommands(a.opts.Config)
	a.note(ctx, portcullis.EventGatewayStarted, "")
	e := a.Endpoints()
	a.log.Info("serving", "url", e.URL, "routes", len(e.URLs), "admin", e.AdminURL, "version", a.opts.Version)
	return nil
}

// warnOfClearText says why a gateway that others can reach refuses everyone.
func (a *App) warnOfClearText() {
	s := a.opts.Config.Server
	if s.TLS.Cert != "" || len(s.TrustedProxies) > 0 || edge.IsLoopback(a.publicAddr.String()) || s.HTTPS.Require == edge.HTTPSNever {
		return
	}
	a.log.Warn("all calls will be refused: the listener is not on a loopback address and has no TLS",
		"mend", "set server.tls.cert and key, or server.trusted_proxies for a proxy that ends TLS, or server.https.require = \"insecure_never\"")
}

// warnOfCommands names the routes whose command is not there. They are served
// all the same: it may be installed later, and other routes work.
func (a *App) warnOfCommands(cfg *config.Config) {
	for i := range cfg.Routes {
		rt := &cfg.Routes[i]
		if len(rt.Command) == 0 {
			continue
		}
		program := rt.Command[0]
		if rt.Dir != "" && filepath.Base(program) != program && !filepath.IsAbs(program) {
			continue // a relative path is looked for in the route's folder
		}
		if _, err := exec.LookPath(program); err != nil {
			a.log.Warn("calls of this route will fail: its command cannot be run", "route", rt.Name, "error", err,
				"mend", "install it, or give its path in route.command")
		}
	}
}

// serve runs one HTTP server until Stop.
func (a *App) serve(name string, l net.Listener, h *gateway.Gateway) {
	limits := listen.Limits(a.opts.Config)
	s := &http.Server{Addr: name, Handler: listen.Patience(a.running.count(h), limits.WriteTimeout), ErrorLog: listen.ErrorLog(a.log.With("listener", name), a.core.metrics.HandshakeFailed)}
	limits.Configure(s)
	if name == "public" {
		listen.Protocols(s, a.opts.Config)
	}
	a.unused.Follow(s)
	a.servers = append(a.servers, s)
	a.tasks.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serving %s: %w", name, err)
		}
	})
}

// background starts the tasks that live as long as the process.
func (a *App) background() {
	ctx := a.life
	a.tasks.Go(func() {
		if err := a.core.keys.Run(ctx); err != nil {
			a.log.Error("writing last-used times", "error", err)
		}
	})
	a.tasks.Go(func() {
		if err := a.core.notices.Run(ctx); err != nil {
			a.log.Error("delivering notices about keys", "error", err)
		}
	})
	a.tasks.Go(func() {
		a.core.use.Usage.Run(ctx, func(err error) { a.log.Error("storing what callers used", "error", err) })
	})
	a.tasks.Go(func() {
		a.core.owners.Run(ctx, func(err error) { a.log.Error("storing whose tasks are", "error", err) })
	})
	a.tasks.Go(func() { a.followKeys(ctx) })
	a.tasks.Go(func() { a.followSessions(ctx) })
	a.tasks.Go(func() { a.followMetrics(ctx) })
	a.tasks.Go(func() { a.secrets.Run(ctx) })
	a.tasks.Go(func() { policywatch.Run(ctx, a.lookAtPolicies) })
	for _, p := range a.parts {
		a.tasks.Go(func() { p.Run(ctx) })
	}
	if a.certs != nil {
		a.tasks.Go(func() {
			if err := a.certs.Run(ctx); err != nil {
				a.log.Error("following the certificate files", "error", err)
			}
		})
	}
	a.tasks.Go(func() { a.followClients(ctx, a.opts.Config.Server.TLS.Reload) })
	if a.opts.Source != nil {
		a.tasks.Go(func() { a.followConfig(ctx) })
	}
}

// followMetrics refreshes the gauges that nobody pushes.
func (a *App) followMetrics(ctx context.Context) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		a.refreshMetrics()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *App) refreshMetrics() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, up := range a.upstreams {
		up.Observe(a.core.metrics, name)
	}
	if a.certs != nil {
		a.core.metrics.CertificateExpiry("public", a.certs.NotAfter())
	}
	if a.clients != nil {
		authorities, lists := a.clients.Ends()
		a.core.metrics.CertificateExpiry("client_ca", authorities)
		if !lists.IsZero() {
			a.core.metrics.CertificateExpiry("client_crl", lists)
		}
	}
}

// followConfig takes new configurations into force, on SIGHUP and when the
// file changes. An invalid one changes nothing.
func (a *App) followConfig(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ask := make(chan struct{}, 1)
	a.tasks.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				a.reloadCertificates()
				a.reloadClients("")
			case <-a.reload:
			}
			select {
			case ask <- struct{}{}:
			default: // a look is due already
			}
		}
	})
	config.Watcher{
		Path: a.opts.Source.Path, Getenv: a.opts.Getenv, Since: a.opts.Source, Reload: ask,
		OnChange: func(cfg *config.Config, _ *config.Source) {
			if _, err := a.apply(ctx, cfg); err != nil {
				a.rejected(ctx, err)
			}
		},
		OnError: func(err error) { a.rejected(ctx, err) },
	}.Run(ctx)
}

func (a *App) reloadCertificates() {
	if a.certs == nil {
		return
	}
	if _, err := a.certs.Reload(); err != nil {
		a.log.Error("keeping the certificate in use", "error", err)
	}
}

func (a *App) rejected(ctx context.Context, err error) {
	a.core.metrics.Reloaded(err)
	a.log.ErrorContext(ctx, "configuration not taken, the running one stays in force", "error", err)
}

// apply puts a valid configuration into force and records each change.
func (a *App) apply(ctx context.Context, cfg *config.Config) ([]config.Change, error) {
	if a.opts.Adjust != nil {
		if err := a.opts.Adjust(cfg); err != nil {
			return nil, err
		}
	}
	a.applying.Lock()
	defer a.applying.Unlock()
	a.mu.Lock()
	old := a.cfg
	a.mu.Unlock()
	changes := config.Diff(old, cfg)
	if err := a.use(cfg); err != nil {
		return nil, err
	}
	a.core.metrics.Reloaded(nil)
	a.warnOfCommands(cfg)
	for _, c := range changes {
		a.note(ctx, portcullis.EventConfigChanged, "", slog.String("field", c.Field), slog.String("old", c.Old), slog.String("new", c.New))
	}
	if needsRestart(old, cfg) {
		a.log.Warn("listeners, store, audit, API key, user and cache settings take effect at the next start")
	}
	a.log.Info("configuration reloaded", "changes", len(changes))
	return changes, nil
}

// needsRestart reports whether settings changed that only New and Start read.
func needsRestart(old, cfg *config.Config) bool {
	return old.Server.Listen != cfg.Server.Listen || old.Server.AdminListen != cfg.Server.AdminListen ||
		old.Server.TLS != cfg.Server.TLS || old.Server.Limits != cfg.Server.Limits || listen.ClearHTTP2(old) != listen.ClearHTTP2(cfg) ||
		old.Store != cfg.Store || !old.Audit.SameAtStart(cfg.Audit) || !reflect.DeepEqual(old.Identity.APIKey, cfg.Identity.APIKey) || old.Identity.Basic != cfg.Identity.Basic || old.Identity.CacheTTL != cfg.Identity.CacheTTL
}
