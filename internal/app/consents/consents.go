// Package consents is the part of the process that keeps what people agreed to
// and who reads protected health information in an emergency, and answers
// callers who ask for their own consents.
package consents

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/consents"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// purposeNames is what the key of the names of marked resources is derived for.
const purposeNames = "privacy/names/v1"

const namesKeySize = 32

// Part implements part.Part.
type Part struct {
	book  *consent.Book
	glass *phi.Glass
	names []byte
	db    *sqlite.DB
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ part.Publishing   = (*Part)(nil)
	_ part.Guarding     = (*Part)(nil)
)

// New returns the part. What was agreed to before counts from now on.
func New(env part.Env) (part.Part, error) {
	p := &Part{db: env.DB}
	ctx := context.Background() // a database that is there answers
	var err error
	if p.book, err = consent.NewBook(ctx, env.DB.Consents(), env.Journal, nil); err != nil {
		return nil, err
	}
	if p.glass, err = phi.NewGlass(ctx, env.DB.BreakGlass(), env.Journal, nil); err != nil {
		return nil, err
	}
	if p.names, err = env.Dir.Derive(purposeNames, namesKeySize); err != nil {
		return nil, err
	}
	for name, count := range map[string]func() int{
		"portcullis_consents":    p.book.Count,
		"portcullis_break_glass": func() int { return len(p.glass.Active()) },
	} {
		help := map[string]string{
			"portcullis_consents":    "Consents in force.",
			"portcullis_break_glass": "Break-glass grants in force.",
		}[name]
		g := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(count()) })
		if err := env.Metrics.Register(g); err != nil {
			return nil, fmt.Errorf("registering the metrics of consents: %w", err)
		}
	}
	return p, nil
}

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	purposes, marked := cfg.Privacy.Purposes(), cfg.Privacy.PHI.Guard()
	return func() {
		p.book.Use(purposes)
		p.glass.Use(marked)
	}, nil
}

// Run implements part.Part. There is nothing to do but to wait: consents and
// grants end by the clock of who asks.
func (p *Part) Run(ctx context.Context) { <-ctx.Done() }

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p.book, p.glass)} }

// Privacy implements part.Guarding.
func (p *Part) Privacy() privacy.Deps {
	return privacy.Deps{Consents: p.book, Glass: p.glass, Names: p.names}
}

// Path is where callers see and change their own consents; each purpose lies
// below it.
const Path = "/api/v1/user/consents"

// rate bounds each address.
const rate = "60/1m per address"

// Endpoints implements part.Publishing: there is something to agree to.
func (p *Part) Endpoints(cfg *config.Config) []gateway.Endpoint {
	if len(cfg.Privacy.Purpose) == 0 {
		return nil
	}
	return []gateway.Endpoint{{
		Name: "user_consents", Path: Path, Below: true, Methods: []string{http.MethodGet, http.MethodPut, http.MethodDelete},
		Rate: rate, MaxBody: maxBody, Callers: true, Handler: handler{p.book},
	}}
}
