// Package push is the part of the process that delivers the notifications of
// agents: it takes them on a path of the public listener, keeps them in the
// database and sends them on.
package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	agents "github.com/portcullis-dev/portcullis/gateway/a2a"
	desk "github.com/portcullis-dev/portcullis/gateway/push"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/push"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// purpose is that of the key that targets and bodies are sealed with, derived
// from the data folder's root key.
const purpose = "a2a/push/v1"

// rate bounds each agent, by its address.
const rate = "3000/1m per address"

// Part delivers notifications.
type Part struct {
	env     part.Env
	book    *push.Book
	courier *push.Courier
	routes  atomic.Pointer[map[string]route]
}

// route is what a route says of notifications.
type route struct {
	settings push.Settings
	versions []string
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ part.Publishing   = (*Part)(nil)
	_ part.Notifying    = (*Part)(nil)
)

// New returns the part.
func New(env part.Env) (part.Part, error) {
	secret, err := env.Dir.Derive(purpose, envelope.KeySize)
	if err != nil {
		return nil, fmt.Errorf("notifications: %w", err)
	}
	ring, err := envelope.NewRing("push", envelope.Key{ID: 1, Secret: secret})
	if err != nil {
		return nil, fmt.Errorf("notifications: %w", err)
	}
	metrics, err := env.Metrics.Push()
	if err != nil {
		return nil, fmt.Errorf("notifications: %w", err)
	}
	p := &Part{env: env, book: push.NewBook(env.DB.Push(), ring, nil)}
	p.routes.Store(&map[string]route{})
	p.courier = push.NewCourier(push.Options{
		Book: p.book, Sign: p.sign, Settings: p.settings, Standing: p.standing,
		Recorder: env.Journal, Metrics: metrics, Log: env.Log,
	})
	return p, nil
}

// Notifications returns what callers registered.
func (p *Part) Notifications() *push.Book { return p.book }

// Next takes the settings of routes over.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	routes := map[string]route{}
	for i := range cfg.Routes {
		rc := &cfg.Routes[i]
		if !rc.SpeaksA2A() || !rc.A2A.Push.ThroughGateway() {
			continue
		}
		c := rc.A2A.Push
		routes[rc.Name] = route{versions: rc.A2A.Versions, settings: push.Settings{
			Issuer: cfg.Server.PublicBase(cfg.Server.Listen), Challenge: c.Challenge, Insecure: c.InsecurePrivate, Attempts: c.Attempts, MaxAge: c.MaxAge,
			Refuses: agents.NewPush(rc, nil).Lists,
		}}
	}
	return func() { p.routes.Store(&routes) }, nil
}

// Run delivers until ctx ends.
func (p *Part) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { p.tidy(ctx) })
	p.courier.Run(ctx)
}

// Groups returns the operations of the admin API.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p.book, p.env.Journal)} }

// Endpoints is where agents give notifications, if any route takes them.
func (p *Part) Endpoints(cfg *config.Config) []gateway.Endpoint {
	if !slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.SpeaksA2A() && r.A2A.Push.ThroughGateway() }) {
		return nil
	}
	d := &desk.Desk{Book: p.book, Owners: p.env.Services.Owners, Guards: p.env.Gateway.Outside, Recorder: p.env.Journal, Route: p.takes}
	return []gateway.Endpoint{{
		Name: "push", Path: agents.PushPath, Below: true, Hidden: true, Methods: []string{http.MethodPost}, Rate: rate, MaxBody: desk.MaxBody,
		Auth: []portcullis.Authenticator{d.Authenticator()}, Handler: d,
	}}
}

// takes says what notifications a route takes.
func (p *Part) takes(name string) (versions []string, limits jsonrpc.Limits, ok bool) {
	r, ok := (*p.routes.Load())[name]
	return r.versions, jsonrpc.DefaultReplyLimits(), ok
}

func (p *Part) settings(name string) *push.Settings {
	if r, ok := (*p.routes.Load())[name]; ok {
		return &r.settings
	}
	return nil
}

// sign returns a compact signature of a payload. Its type is that of documents:
// no verifier of access tokens takes it for one.
func (p *Part) sign(payload []byte) (string, error) {
	return p.env.Services.Ring.SignCompact(payload)
}

// standing ends what was registered with a key that is revoked or by a user who
// is disabled, and holds back what is for a caller who is contained.
func (p *Part) standing(ctx context.Context, r *push.Registration) push.Standing {
	if s := p.proved(ctx, r); s != push.Good {
		return s
	}
	if err := p.env.Gateway.Outside(r.Route).Welcome(ctx, portcullis.Principal{ID: r.Principal, KeyID: r.KeyID, Method: desk.Method}); err != nil {
		return push.Held
	}
	return push.Good
}

// proved says whether what a caller proved itself with when it registered still
// holds, as far as the gateway keeps it: keys, sessions, tokens that were
// revoked, and users. What nobody can tell now is held back.
func (p *Part) proved(ctx context.Context, r *push.Registration) push.Standing {
	if r.KeyID != "" {
		view, err := p.env.Services.Keys.Show(ctx, r.KeyID)
		switch {
		case errors.Is(err, apikey.ErrNotFound): // a credential of another kind
		case err != nil:
			return push.Held
		case view.Status == apikey.StatusRevoked:
			return push.Ended
		default:
			return push.Good // a key has an owner, who need not be a user
		}
	}
	if s := p.session(ctx, r); s != push.Good {
		return s
	}
	if !strings.HasPrefix(r.Principal, "user:") || p.env.Services.Users == nil {
		return push.Good
	}
	list, err := p.env.Services.Users.List(ctx)
	if err != nil {
		return push.Held
	}
	if !slices.ContainsFunc(list, func(u basic.User) bool { return u.ID == r.Principal && !u.Disabled }) {
		return push.Ended
	}
	return push.Good
}

// session asks what a call with an access token would be asked: whether its
// session lives, whether it was revoked, whether all that its caller had open
// was ended since.
func (p *Part) session(ctx context.Context, r *push.Registration) push.Standing {
	tokens := p.env.Services.Tokens
	over, known, err := tokens.Over(ctx, r.KeyID, r.Principal)
	if !known && err == nil {
		over, err = tokens.Revoked(ctx, r.KeyID)
	}
	switch {
	case err != nil:
		return push.Held
	case over, p.env.Services.Sessions.Cut(r.Principal, r.CreatedAt):
		return push.Ended
	}
	return push.Good
}

// sweep is how often registrations are asked for that nothing is delivered to:
// what ended them is not remembered for ever.
const sweep = 10 * time.Minute

// tidy drops what was registered with what is over, until ctx ends.
func (p *Part) tidy(ctx context.Context) {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := p.dropEnded(ctx); err != nil && ctx.Err() == nil {
			p.env.Log.Error("looking for notifications that nobody may have any more", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (p *Part) dropEnded(ctx context.Context) error {
	rows, err := wishbook.New(p.env.DB, nil).Rows(ctx, "SELECT id FROM push_registrations")
	if err != nil {
		return err
	}
	for _, row := range rows {
		id, _ := row.(map[string]any)["id"].(string)
		r, err := p.env.DB.Push().ByID(ctx, id, time.Now())
		if errors.Is(err, push.ErrUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		if p.proved(ctx, &r) == push.Ended {
			if err := p.book.Drop(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}
