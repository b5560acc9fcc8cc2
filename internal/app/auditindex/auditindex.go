// Package auditindex keeps the index of the audit log up to date while the
// gateway runs, and answers questions over the admin API.
package auditindex

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/internal/admin"
	adminaudit "github.com/portcullis-dev/portcullis/internal/admin/audit"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/config"
)

type indexing struct{ index *index.Index }

// New returns the part. It needs no configuration.
func New(env part.Env) (part.Part, error) {
	x := index.New(env.Dir.AuditDir(), index.Options{Log: env.Log, Open: env.Open, Subject: env.Subject, Window: env.Window})
	err := env.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "portcullis", Name: "audit_index_updated_seconds",
		Help: "When the index of the audit log last had all that fills a block, in seconds since 1970; 0 before the first time.",
	}, func() float64 { return float64(x.Updated().UnixMilli()) / 1e3 }))
	if err != nil {
		return nil, err
	}
	return indexing{x}, nil
}

// Next has nothing to change.
func (indexing) Next(context.Context, *config.Config, part.Secrets) (use func(), err error) {
	return func() {}, nil
}

// Run keeps the index up to date.
func (p indexing) Run(ctx context.Context) {
	p.index.Follow(ctx)
	_ = p.index.Close() // it was only read
}

// Groups adds the search.
func (p indexing) Groups() []admin.Group { return []admin.Group{adminaudit.Group(p.index)} }
