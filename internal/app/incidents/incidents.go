// Package incidents is the part of the process that works off a bad day: it
// runs playbooks and the actions that they are made of, tells people, and
// writes reports.
package incidents

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/casework"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/hook"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

// Part implements part.Part.
type Part struct {
	env    part.Env
	runner *playbook.Runner
	index  *index.Index
	state  atomic.Pointer[settings]

	working atomic.Bool
	idle    sync.Mutex // carrying out runs while nobody works
}

// settings are what a configuration says.
type settings struct {
	hooks    map[string]*hook.Hook
	contacts []contact
	clients  []*post.Client // of the hooks
}

type contact struct{ name, role, email, phone, channel string }

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ casework.Desk     = (*Part)(nil)
)

// New returns the part, and registers the actions that it has.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, index: index.New(env.Dir.AuditDir(), index.Options{Log: env.Log, Open: env.Open, Subject: env.Subject})}
	p.state.Store(&settings{})
	var err error
	p.runner, err = playbook.New(playbook.Options{
		Store: env.DB.Runs(), Actions: &env.Response.Actions, Cases: env.Response.Cases, Recorder: env.Journal, Log: env.Log,
	})
	if err != nil {
		return nil, err
	}
	for _, a := range p.actions() {
		if err := env.Response.Actions.Add(a); err != nil {
			return nil, err
		}
	}
	env.Response.Trigger = p
	if err := env.Metrics.Register(newOpen(env.Response.Cases)); err != nil {
		return nil, fmt.Errorf("registering the metrics of incidents: %w", err)
	}
	return p, nil
}

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, secrets part.Secrets) (func(), error) {
	library, err := cfg.Incident.Library()
	if err != nil {
		return nil, err
	}
	next := &settings{}
	if err := next.read(cfg, secrets, p.env.Getenv); err != nil {
		return nil, err
	}
	limit := cfg.Incident.MaxPlaybooks
	return func() {
		p.runner.Use(library, limit)
		old := p.state.Swap(next)
		for _, c := range old.clients {
			if err := c.Close(); err != nil {
				p.env.Log.Warn("closing the connections of a hook", "error", err)
			}
		}
	}, nil
}

// Run implements part.Part.
func (p *Part) Run(ctx context.Context) {
	p.working.Store(true)
	defer p.working.Store(false)
	p.runner.Work(ctx)
	if err := p.index.Close(); err != nil {
		p.env.Log.Error("closing the index of the audit log", "error", err)
	}
}

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{casework.Group(p)} }

// Trigger implements response.Playbooks. What was started already is not
// started again, and an end of what rules may do is told once in the audit log.
func (p *Part) Trigger(ctx context.Context, name, incident string, vars map[string]string) error {
	by := portcullis.Actor{ID: "portcullis", Method: "response"}
	_, err := p.runner.Start(ctx, playbook.Request{Playbook: name, Incident: incident, Vars: vars, Auto: true, By: by})
	switch {
	case errors.Is(err, playbook.ErrAgain):
		return nil
	case errors.Is(err, playbook.ErrLimit):
		return p.env.Journal.Record(ctx, &portcullis.Event{
			Time: time.Now(), Type: portcullis.EventIncidentAction, Severity: portcullis.SeverityCritical, Outcome: portcullis.OutcomeFailure,
			Actor: by, Action: "start", Resource: "playbook:" + name, Reason: "limit", Details: incidentDetail(incident),
		})
	}
	return err
}

// Cases implements casework.Desk.
func (p *Part) Cases() *casebook.Book { return p.env.Response.Cases }

// Settle implements casework.Desk.
func (p *Part) Settle(ctx context.Context) error { return p.env.Response.Settle(ctx) }

// Library implements casework.Desk.
func (p *Part) Library() playbook.Library { return p.runner.Library() }

// Plan implements casework.Desk.
func (p *Part) Plan(ctx context.Context, q playbook.Request) (casebook.Incident, []playbook.Planned, error) {
	return p.runner.Plan(ctx, q)
}

// Start implements casework.Desk.
func (p *Part) Start(ctx context.Context, q playbook.Request) (playbook.Run, error) {
	run, err := p.runner.Start(ctx, q)
	if err != nil {
		return run, err
	}
	return p.idleRun(ctx, run)
}

// Resume implements casework.Desk.
func (p *Part) Resume(ctx context.Context, id string, force bool, by portcullis.Actor) (playbook.Run, error) {
	run, err := p.runner.Resume(ctx, id, force, by)
	if err != nil {
		return run, err
	}
	return p.idleRun(ctx, run)
}

// idleRun carries a run out at once where nobody works, as on the command line
// without a gateway.
func (p *Part) idleRun(ctx context.Context, run playbook.Run) (playbook.Run, error) {
	if p.working.Load() {
		return run, nil
	}
	p.idle.Lock()
	defer p.idle.Unlock()
	if err := p.runner.Drain(ctx); err != nil {
		return run, err
	}
	return p.runner.Run(ctx, run.ID)
}

// RunOf implements casework.Desk.
func (p *Part) RunOf(ctx context.Context, id string) (playbook.Run, error) {
	return p.runner.Run(ctx, id)
}

// Runs implements casework.Desk.
func (p *Part) Runs(ctx context.Context, incident string, most int) ([]playbook.Run, error) {
	return p.runner.Runs(ctx, incident, most)
}

// Act implements casework.Desk.
func (p *Part) Act(ctx context.Context, a playbook.Act) (playbook.Acted, error) {
	return p.runner.Act(ctx, a)
}
