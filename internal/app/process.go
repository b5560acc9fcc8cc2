package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// App is what the admin API controls.
var _ admin.Process = (*App)(nil)

// Status implements admin.Process.
func (a *App) Status(ctx context.Context) admin.Status {
	failing := a.readyParts(ctx)
	e := a.Endpoints()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := admin.Status{
		Version: a.opts.Version, StartedAt: a.started.UTC().Format(time.RFC3339), URL: e.URL, AdminURL: e.AdminURL,
		Ready: len(failing) == 0, Failing: failing, Maintenance: a.Maintenance(), Routes: []admin.RouteState{},
	}
	for _, rt := range a.cfg.Routes {
		s.Routes = append(s.Routes, admin.RouteState{Name: rt.Name, Path: rt.Path, Upstream: a.upstreams[rt.Name].Describe})
	}
	return s
}

// Maintenance implements admin.Process.
func (a *App) Maintenance() admin.Maintenance { return a.maintenance.State() }

// SetMaintenance implements admin.Process: stored, recorded, in force.
func (a *App) SetMaintenance(ctx context.Context, m admin.Maintenance, by portcullis.Actor) error {
	return a.maintenance.Set(ctx, m, by)
}

// Pipeline implements admin.Process.
func (a *App) Pipeline() []gateway.RoutePipeline {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.table.Pipelines()
}

// Config implements admin.Process.
func (a *App) Config() (map[string]any, error) {
	a.mu.Lock()
	b, err := a.cfg.MaskedJSON()
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("reading the masked configuration: %w", err)
	}
	return out, nil
}

// Reload implements admin.Process.
func (a *App) Reload(ctx context.Context) (admin.Reloaded, error) {
	if a.opts.Source == nil {
		return admin.Reloaded{}, errors.New("the gateway runs without a configuration file")
	}
	cfg, _, err := config.Load(a.opts.Source.Path, a.opts.Getenv)
	if err != nil {
		a.core.metrics.Reloaded(err)
		return admin.Reloaded{}, err
	}
	changes, err := a.apply(ctx, cfg)
	if err != nil {
		a.core.metrics.Reloaded(err)
		return admin.Reloaded{}, err
	}
	r := admin.Reloaded{Changed: []string{}}
	for _, c := range changes {
		r.Changed = append(r.Changed, c.Field)
	}
	return r, nil
}
