// Package compliance is the part of the process that collects reports for
// auditors: from the configuration in force, from stored state, and from the
// audit log with proofs.
package compliance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/compliance"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/config/privacy"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/privacy/evidence"
)

// Part implements part.Part.
type Part struct {
	env part.Env
	cfg atomic.Pointer[config.Config] // in force
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
)

// New returns the part.
func New(env part.Env) (part.Part, error) { return &Part{env: env}, nil }

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	return func() { p.cfg.Store(cfg) }, nil
}

// Run implements part.Part. Reports are made when they are asked for.
func (p *Part) Run(ctx context.Context) { <-ctx.Done() }

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// Report collects the report of a framework. Who asked for it is in the audit
// log before it is handed out.
func (p *Part) Report(ctx context.Context, f evidence.Framework, by portcullis.Actor) (evidence.Report, error) {
	cfg := p.cfg.Load()
	facts := observe(cfg)
	consents, err := p.env.DB.Consents().ActiveConsents(ctx)
	if err != nil {
		return evidence.Report{}, fmt.Errorf("counting consents: %w", err)
	}
	facts.Consents = len(consents)
	if facts.SealedValues, facts.Unsealed, err = p.atRest(ctx); err != nil {
		return evidence.Report{}, err
	}
	log, err := p.readLog(ctx, evidence.Types(f))
	if err != nil {
		return evidence.Report{}, err
	}
	facts.SignedRecords, facts.Records = log.top.Size, log.records
	r := evidence.Make(f, facts, cfg.Privacy.Attested(), p.env.Version, time.Now())
	r.LogKey, r.Checkpoint = log.key, log.checkpoint
	if shown, err := p.env.Process.Config(); err == nil && facts.Serving {
		if r.Config, err = json.Marshal(shown); err != nil {
			return evidence.Report{}, fmt.Errorf("writing the configuration: %w", err)
		}
	}
	if err := p.env.Journal.Record(ctx, &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventReportMade, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Actor: by, Resource: "report:" + string(f),
	}); err != nil {
		return evidence.Report{}, fmt.Errorf("recording a report: %w", err)
	}
	return r, nil
}

// observe says what the configuration in force shows.
func observe(cfg *config.Config) *evidence.Facts {
	f := &evidence.Facts{
		Serving: len(cfg.Routes) > 0, Routes: len(cfg.Routes),
		Purposes: len(cfg.Privacy.Purpose), PurposeNeeded: cfg.Privacy.PHI.PurposeRequired,
		Encrypted:  cfg.Server.TLS.Cert != "" || edge.IsLoopback(cfg.Server.Listen),
		AdminLocal: cfg.Server.AdminListen == "" || edge.IsLoopback(cfg.Server.AdminListen),
		Sealed:     cfg.Audit.Personal == audit.Sealed, Refusing: cfg.Audit.OnFailure == "refuse",
		Retention: map[string]time.Duration{"access": cfg.Audit.Retention.Access, "security": cfg.Audit.Retention.Security, "audit": cfg.Audit.Retention.Audit},
		Witnesses: len(cfg.Audit.Witnesses), Sinks: len(cfg.Audit.Sinks), AlertChannels: len(cfg.Detect.Alerts.Channels),
		Policies: len(cfg.Access.Rules)+len(cfg.Access.PolicyFiles) > 0,
	}
	for i := range cfg.Routes {
		f.Add(routeOf(&cfg.Routes[i]))
	}
	return f
}

// routeOf says what one route shows.
func routeOf(r *config.Route) evidence.Route {
	fields := slices.ContainsFunc(r.PHI, func(p privacy.RoutePHI) bool { return len(p.Fields) > 0 })
	return evidence.Route{
		Name: r.Name, Anonymous: slices.Contains(r.Auth, "none"), Limited: len(r.Rate) > 0,
		Read:   r.Inspect.Preset != "off" || len(r.Inspect.Arguments)+len(r.Inspect.Results) > 0,
		Pinned: r.Pins.Policy == "block",
		Plain:  plainElsewhere(r.Upstream), Consent: r.Consent != "" || len(r.Tools.Consent) > 0,
		PHI: len(r.PHI)+len(r.Tools.PHI) > 0, Fields: fields,
	}
}
