package app

import (
	"context"
	"net/netip"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app/alerts"
	"github.com/portcullis-dev/portcullis/internal/app/auditindex"
	"github.com/portcullis-dev/portcullis/internal/app/backup"
	"github.com/portcullis-dev/portcullis/internal/app/compliance"
	"github.com/portcullis-dev/portcullis/internal/app/consents"
	"github.com/portcullis-dev/portcullis/internal/app/detection"
	"github.com/portcullis-dev/portcullis/internal/app/duties"
	"github.com/portcullis-dev/portcullis/internal/app/evidence"
	"github.com/portcullis-dev/portcullis/internal/app/incidents"
	"github.com/portcullis-dev/portcullis/internal/app/keyrotation"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	rights "github.com/portcullis-dev/portcullis/internal/app/privacy"
	"github.com/portcullis-dev/portcullis/internal/app/push"
	"github.com/portcullis-dev/portcullis/internal/app/respond"
	"github.com/portcullis-dev/portcullis/internal/app/retention"
	"github.com/portcullis-dev/portcullis/internal/app/revoke"
	"github.com/portcullis-dev/portcullis/internal/app/rotateall"
	"github.com/portcullis-dev/portcullis/internal/app/sinks"
	"github.com/portcullis-dev/portcullis/internal/app/telemetry"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/config"
	delivery "github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// constructors make the parts, in the order in which they hear of a
// configuration.
func constructors() []func(part.Env) (part.Part, error) {
	return []func(part.Env) (part.Part, error){
		respond.New, // first: the others may ask what it knows of callers
		incidents.New,
		detection.New,
		transparency.New,
		auditindex.New,
		sinks.New,
		retention.New,
		telemetry.New,
		keyrotation.New,
		alerts.New,
		push.New,
		consents.New,
		compliance.New,
		evidence.New,
		revoke.New,
		rotateall.New,
		backup.New,
		rights.New, // last: it asks the others what they hold about persons
		duties.New,
	}
}

// parts are the pieces of the process with tasks of their own.
type parts []part.Part

func newParts(env part.Env) (parts, error) {
	var out parts
	env.Response = new(part.Response)
	for _, construct := range constructors() {
		p, err := construct(env)
		if err != nil {
			return nil, err
		}
		if k, ok := p.(part.Knowledge); ok {
			env.Known = k
		}
		if h, ok := p.(part.Holding); ok {
			env.Holders = append(env.Holders, h.Holders()...)
		}
		out = append(out, p)
	}
	return out, nil
}

// risk says how risky a caller is, for policies.
func (ps parts) risk() func(principal string, addr netip.Addr) int {
	for _, p := range ps {
		if k, ok := p.(part.Knowledge); ok {
			return k.Risk
		}
	}
	return nil
}

// notifications is where callers register for notifications.
func (ps parts) notifications() *delivery.Book {
	for _, p := range ps {
		if n, ok := p.(part.Notifying); ok {
			return n.Notifications()
		}
	}
	return nil
}

// next makes a configuration ready in all of them, or in none.
func (ps parts) next(ctx context.Context, cfg *config.Config, secrets part.Secrets) (use func(), err error) {
	var uses []func()
	for _, p := range ps {
		u, err := p.Next(ctx, cfg, secrets)
		if err != nil {
			return nil, err
		}
		uses = append(uses, u)
	}
	return func() {
		for _, u := range uses {
			u()
		}
	}, nil
}

func (ps parts) groups() []admin.Group {
	var out []admin.Group
	for _, p := range ps {
		if a, ok := p.(part.Administered); ok {
			out = append(out, a.Groups()...)
		}
	}
	return out
}

func (ps parts) failing(ctx context.Context) []string {
	var out []string
	for _, p := range ps {
		if r, ok := p.(part.Readiness); ok {
			out = append(out, r.Failing(ctx)...)
		}
	}
	return out
}

func (ps parts) overdue() []string {
	var out []string
	for _, p := range ps {
		if r, ok := p.(part.Reminding); ok {
			out = append(out, r.Overdue()...)
		}
	}
	return out
}

func (ps parts) endpoints(cfg *config.Config) []gateway.Endpoint {
	var out []gateway.Endpoint
	for _, p := range ps {
		if e, ok := p.(part.Publishing); ok {
			out = append(out, e.Endpoints(cfg)...)
		}
	}
	return out
}

// privacy is what guards of personal data read.
func (ps parts) privacy() privacy.Deps {
	for _, p := range ps {
		if g, ok := p.(part.Guarding); ok {
			return g.Privacy()
		}
	}
	return privacy.Deps{}
}

func (ps parts) finish(ctx context.Context) {
	for _, p := range ps {
		if f, ok := p.(part.Finishing); ok {
			f.Finish(ctx)
		}
	}
}

func (ps parts) containers() []portcullis.Container {
	var out []portcullis.Container
	for _, p := range ps {
		if c, ok := p.(part.Containing); ok {
			out = append(out, c.Container())
		}
	}
	return out
}
