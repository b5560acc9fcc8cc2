// Package duties is the part of the process that reminds people of what they
// must do again and again.
package duties

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/duties"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/incident"
	"github.com/portcullis-dev/portcullis/internal/incident/duty"
)

// The clock may jump, and a machine may sleep: what is due is looked at again
// after at most lookEvery, and not all the time when telling fails.
const (
	lookEvery = 10 * time.Minute
	lookAgain = time.Second
)

// Part implements part.Part.
type Part struct {
	env   part.Env
	book  *duty.Book
	wake  chan struct{}
	ready atomic.Pointer[string] // incident.duties_ready
	due   *prometheus.Desc
	over  *prometheus.Desc
}

var (
	_ part.Part            = (*Part)(nil)
	_ part.Administered    = (*Part)(nil)
	_ part.Readiness       = (*Part)(nil)
	_ part.Reminding       = (*Part)(nil)
	_ prometheus.Collector = (*Part)(nil)
	_ api.Calendar         = (*Part)(nil)
)

// New returns the part, without duties.
func New(env part.Env) (part.Part, error) {
	book, err := duty.NewBook(context.Background(), env.DB.Duties(), env.Journal, nil)
	if err != nil {
		return nil, err
	}
	labels := []string{"duty"}
	p := &Part{
		env: env, book: book, wake: make(chan struct{}, 1),
		due:  prometheus.NewDesc("portcullis_duty_due_seconds", "Time until a duty is due; below zero it is, for so long.", labels, nil),
		over: prometheus.NewDesc("portcullis_duty_overdue", "Whether a duty is overdue by more than its grace: 1 or 0.", labels, nil),
	}
	hide := incident.ReadyHide
	p.ready.Store(&hide)
	if err := env.Metrics.Register(p); err != nil {
		return nil, fmt.Errorf("registering the metrics of duties: %w", err)
	}
	return p, nil
}

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	list, err := cfg.Incident.Calendar()
	if err != nil {
		return nil, err
	}
	ready := cfg.Incident.DutiesReady
	return func() {
		p.book.Use(list)
		p.ready.Store(&ready)
		select {
		case p.wake <- struct{}{}:
		default: // it is about to look
		}
	}, nil
}

// Run implements part.Part: it tells of duties as their dates come.
func (p *Part) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		next, err := p.book.Tell(ctx)
		if err != nil && ctx.Err() == nil {
			p.env.Log.Error("reminding of duties: it is tried again", "error", err)
		}
		wait := lookEvery
		if !next.IsZero() {
			wait = min(max(time.Until(next), lookAgain), lookEvery)
		}
		timer.Reset(wait)
	}
}

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// Duties implements api.Calendar.
func (p *Part) Duties() []duty.View { return p.book.List() }

// Duty implements api.Calendar.
func (p *Part) Duty(name string) (duty.View, error) { return p.book.Get(name) }

// Sign implements api.Calendar.
func (p *Part) Sign(ctx context.Context, name, note string, by portcullis.Actor) (duty.View, error) {
	return p.book.Sign(ctx, name, note, by)
}

// Overdue implements part.Reminding.
func (p *Part) Overdue() []string {
	if *p.ready.Load() == incident.ReadyHide {
		return nil
	}
	return p.book.Overdue()
}

// Failing implements part.Readiness.
func (p *Part) Failing(context.Context) []string {
	if *p.ready.Load() == incident.ReadyFail && len(p.book.Overdue()) > 0 {
		return []string{"duties"}
	}
	return nil
}

// Describe implements prometheus.Collector.
func (p *Part) Describe(out chan<- *prometheus.Desc) { out <- p.due; out <- p.over }

// Collect implements prometheus.Collector.
func (p *Part) Collect(out chan<- prometheus.Metric) {
	for _, v := range p.book.List() {
		over := 0.0
		if v.State == duty.Overdue {
			over = 1
		}
		out <- prometheus.MustNewConstMetric(p.due, prometheus.GaugeValue, time.Until(v.Due).Seconds(), v.Name)
		out <- prometheus.MustNewConstMetric(p.over, prometheus.GaugeValue, over, v.Name)
	}
}
