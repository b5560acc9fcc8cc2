// Package app is the process: it opens the data folder, builds the gateway
// from the configuration, serves it, follows the configuration while it runs
// and takes everything down again in the right order.
//
// An App is a value: New opens, Start serves, Wait blocks, Stop drains. Its
// background tasks end with it. There is no state outside it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/a2a"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/approvals"
	"github.com/portcullis-dev/portcullis/internal/admin/taints"
	admintokens "github.com/portcullis-dev/portcullis/internal/admin/tokens"
	"github.com/portcullis-dev/portcullis/internal/admin/tools"
	"github.com/portcullis-dev/portcullis/internal/admin/usage"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	adminwallet "github.com/portcullis-dev/portcullis/internal/admin/wallet"
	adminzkp "github.com/portcullis-dev/portcullis/internal/admin/zkp"
	"github.com/portcullis-dev/portcullis/internal/app/admins"
	"github.com/portcullis-dev/portcullis/internal/app/agents"
	"github.com/portcullis-dev/portcullis/internal/app/listen"
	"github.com/portcullis-dev/portcullis/internal/app/maintenance"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/app/policywatch"
	"github.com/portcullis-dev/portcullis/internal/app/secrets"
	"github.com/portcullis-dev/portcullis/internal/app/servers"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
)

// Options say what to run.
type Options struct {
	Version  string
	Config   *config.Config
	Source   *config.Source              // file that Config came from; nil = none
	Adjust   func(*config.Config) error  // what the command line changes, applied after each reload
	Getenv   func(string) (string, bool) // for ${ENV} in the configuration
	DataDir  string
	Log      *slog.Logger
	FirstKey bool // Start makes a key if there is none
}

// App is a gateway process. Its methods may be called from any goroutine;
// Start and Stop once each.
type App struct {
	opts    Options
	log     *slog.Logger
	core    *core
	started time.Time

	public *gateway.Gateway
	admin  *gateway.Gateway // admin listener
	local  *gateway.Gateway // socket in the data folder
	api    func() http.Handler

	mu        sync.Mutex // guards what a reload replaces
	cfg       *config.Config
	table     *gateway.Table
	upstreams servers.Set
	issuers   tokens.Issuers
	cards     agents.Cards
	policies  policywatch.State // guarded by applying
	secrets   *secrets.Keeper
	parts     parts
	certs     *edge.Certificates // of the public listener; nil without TLS

	clients *trust.Verifier // of client certificates; nil = none are asked for

	issuerClient *http.Client
	aiaClient    *http.Client // of OCSP responders that certificates name

	maintenance *maintenance.Switch

	publicAddr, adminAddr net.Addr
	servers               []*http.Server
	unused                listen.Unused
	failed                chan error
	reload                chan struct{}
	tasks                 sync.WaitGroup
	running               *running
	life                  context.Context // of the background tasks
	endTasks              context.CancelFunc
	applying              sync.Mutex // one change of the configuration at a time
	stopped               bool       // guarded by mu: nothing may be put into force any more
	firstKey              string
	serving               bool // Start succeeded
}

// Endpoints is what a script needs to use a started gateway.
type Endpoints struct {
	URL      string   `json:"url"`  // of the first route
	URLs     []string `json:"urls"` // of every route, in the order of the configuration
	AdminURL string   `json:"admin_url"`
	APIKey   string   `json:"api_key,omitempty"`
}

// New opens the data folder and builds the gateway; nothing listens yet. The
// data folder is locked until Stop.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	c, err := openCore(ctx, opts)
	if err != nil {
		return nil, err
	}
	a := &App{
		opts: opts, log: opts.Log, core: c, started: time.Now(), cfg: opts.Config,
		public: gateway.New(opts.Log), admin: gateway.New(opts.Log), local: gateway.New(opts.Log),
		failed: make(chan error, 4), reload: make(chan struct{}, 1), issuerClient: issuerClient(), aiaClient: aiaClient(),
	}
	a.life, a.endTasks = context.WithCancel(context.WithoutCancel(ctx))
	a.running = newRunning()
	a.api = sync.OnceValue(a.adminHandler)
	defer func() {
		if err != nil {
			a.endTasks()
			err = errors.Join(err, c.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := errors.Join(c.metrics.RateLimitKeys(a.rateLimitKeys), c.metrics.ToolsHeld(c.pins.Held)); err != nil {
		return nil, err
	}
	if a.secrets, err = secrets.New(secrets.Options{Getenv: opts.Getenv, DataDir: opts.DataDir, Log: opts.Log, Recorder: c.journal, Metrics: c.metrics}); err != nil {
		return nil, err
	}
	if a.maintenance, err = maintenance.Restore(ctx, c.db, &c.sw, c.journal); err != nil {
		return nil, err
	}
	env := part.Env{Process: a, Gateway: a.public, Upstream: a.upstream, Services: c.services(), Version: opts.Version, Dir: c.dir, DB: c.db, Journal: c.journal, Open: c.open(opts.Log), Window: feed.NewWindow(c.journal.End, c.open(opts.Log)), Subject: c.subject(), EraseDays: c.eraseDays(), Metrics: c.metrics, Traces: &c.traces, Log: opts.Log, Getenv: opts.Getenv, Pins: c.pins}
	if a.parts, err = newParts(env); err != nil {
		return nil, err
	}
	if err := a.use(opts.Config); err != nil {
		return nil, err
	}
	return a, nil
}

// firstKeyScopes are those of the key that a new data folder gets.
var firstKeyScopes = [...]string{"tools:*", "prompts:*", "resources:*", "skills:*", "manage"}

func (a *App) makeFirstKey(ctx context.Context) error {
	have, err := a.core.keys.List(ctx, apikey.Page{Limit: 1})
	if err != nil {
		return fmt.Errorf("looking for keys: %w", err)
	}
	if len(have) > 0 {
		return nil
	}
	made, err := a.core.keys.Create(ctx, apikey.CreateRequest{
		Name: "first key", Scopes: firstKeyScopes[:], By: portcullis.Actor{ID: "portcullis", Method: "first_start"},
	})
	if err != nil {
		return fmt.Errorf("making the first key: %w", err)
	}
	a.firstKey = made.Key.Reveal()
	return nil
}

// errStopped refuses a configuration that came too late: what it opens would
// never be closed.
var errStopped = errors.New("the gateway is stopping")

// adminTable builds the admin listener of a configuration.
func (a *App) adminTable(cfg *config.Config, kept part.Secrets) (*gateway.Table, error) {
	who, err := admins.Listener(cfg, kept, a.core.keys.Authenticator())
	if err != nil {
		return nil, err
	}
	return gateway.BuildAdmin(cfg, a.deps(cfg, nil, nil, a.adminAddr), a.adminAPI(), false, who...)
}

// use builds the data plane of a configuration and puts it into force.
func (a *App) use(cfg *config.Config) error {
	a.mu.Lock()
	stopped := a.stopped
	a.mu.Unlock()
	if stopped { // the parts have nothing to stand on any more
		return errStopped
	}
	kept, err := a.secrets.Next(a.life, cfg) // sources may take their time: nothing is locked
	if err != nil {
		return err
	}
	useParts, err := a.parts.next(a.life, cfg, kept)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return errStopped
	}
	issuers, err := a.nextTokens(cfg)
	if err != nil {
		return err
	}
	proofs, err := a.nextProofs(cfg)
	if err != nil {
		return err
	}
	clients, err := a.nextClients(cfg)
	if err != nil {
		return err
	}
	ups, err := a.upstreams.Next(cfg, kept, a.opts.Version, a.log)
	if err != nil {
		return err
	}
	digest := access.Digest(cfg) // before they are read: files that change in between are read again
	public := a.deps(cfg, ups, issuers, a.publicAddr)
	public.Own = slices.Concat(public.Own, proofEndpoints(proofs), a.parts.endpoints(cfg))
	public.Clients = clients
	table, err := gateway.Build(cfg, public, a.table)
	if err != nil {
		ups.Discard(a.upstreams)
		return err
	}
	adminTable, err := a.adminTable(cfg, kept)
	if err != nil {
		ups.Discard(a.upstreams)
		return err
	}
	localTable, err := gateway.BuildAdmin(cfg, a.deps(cfg, nil, nil, nil), a.adminAPI(), true, admins.Socket())
	if err != nil {
		ups.Discard(a.upstreams)
		return err
	}
	if err := a.core.tokens.Use(a.life, cfg.Sessions(a.listening(cfg))); err != nil {
		ups.Discard(a.upstreams)
		return err
	}
	a.secrets.Use(kept)
	useParts()
	a.public.Use(table)
	a.cards.Follow(a.life, &a.tasks, table)
	a.admin.Use(adminTable)
	a.local.Use(localTable)
	if was := a.policies.InForce; a.table != nil && was != digest {
		a.note(a.life, portcullis.EventConfigChanged, "", policywatch.Changed(was, digest)...)
	}
	old := a.upstreams
	a.cfg, a.table, a.upstreams, a.issuers = cfg, table, ups, issuers
	a.clients, a.policies = clients, policywatch.State{InForce: digest}
	calls := a.running.next() // those that may still be on the old table
	if old.Unused(ups) {
		a.tasks.Go(func() { old.Retire(a.life, calls, ups, cfg.Server.ShutdownGrace, a.log) })
	}
	return nil
}

// deps are what guards need beside the configuration.
func (a *App) deps(cfg *config.Config, ups servers.Set, issuers tokens.Issuers, addr net.Addr) gateway.Deps {
	d := gateway.Deps{
		Log: a.log, Metrics: a.core.metrics, Traces: &a.core.traces, Recorder: a.core.journal, APIKeys: a.core.keys.Authenticator(), Users: a.core.users.Authenticator(), Tokens: issuers,
		Sealer: a.core.sealer, Swaps: a.core.swaps, Handles: a.core.handles, Switch: &a.core.sw, Budget: a.core.budget, Probes: a.probes(), Own: a.own(cfg, issuers), Approval: a.core.approvals, Pins: a.core.pins, Use: a.core.use, Agents: a2a.Deps{Owners: a.core.owners, Ring: a.core.ring, Recorder: a.core.journal, Log: a.log, Transport: agents.Documents(ups), Push: a.parts.notifications()},
		KeySet: a.keySet(cfg, issuers), Contain: a.parts.containers(), Privacy: a.parts.privacy(), Risk: a.parts.risk(),
		Upstream: func(route string) portcullis.Upstream { return ups[route] },
	}
	if addr != nil {
		d.Listen = []string{addr.String()}
	}
	return d
}

// upstream is the server behind a route, nil if there is none.
func (a *App) upstream(route string) portcullis.Upstream {
	a.mu.Lock()
	defer a.mu.Unlock()
	if up := a.upstreams[route]; up != nil {
		return up
	}
	return nil
}

func (a *App) rateLimitKeys() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.table == nil {
		return 0
	}
	return a.table.RateLimitKeys()
}

// adminAPI makes the admin API when it is first asked for: describing its
// operations takes a quarter of a start, and no call of a route waits for it.
func (a *App) adminAPI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.api().ServeHTTP(w, r) })
}

func (a *App) adminHandler() http.Handler {
	return admin.New(a.opts.Version, a.log, a.core.metrics.Handler(), append(a.parts.groups(),
		admin.KeyGroup(a.core.keys, a.core.notices), admin.ProcessGroup(a), approvals.Group(a.core.approvals), admintokens.Group(a.core.tokens), users.Group(a.core.users),
		tools.Group(a.core.pins), adminzkp.Group(a.core.proofs.registry),
		taints.Group(a.core.use.Taints), usage.Group(a.core.use.Usage), adminwallet.Group(a.core.journal))...)
}

// Endpoints returns where the gateway listens. The key is there only in the
// process that made it.
func (a *App) Endpoints() Endpoints {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := Endpoints{APIKey: a.firstKey}
	if a.publicAddr != nil {
		scheme := "http"
		if a.cfg.Server.TLS.Cert != "" {
			scheme = "https"
		}
		base := scheme + "://" + reachable(a.publicAddr)
		for i := range a.cfg.Routes {
			e.URLs = append(e.URLs, base+a.cfg.Routes[i].Path)
		}
		e.URL = base + "/"
		if len(e.URLs) > 0 {
			e.URL = e.URLs[0]
		}
	}
	if a.adminAddr != nil {
		e.AdminURL = "http://" + reachable(a.adminAddr)
	}
	return e
}

// reachable is an address that can be typed where this process runs: a listener
// on every address of the machine is reached by the name of its loopback.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// Wait blocks until ctx ends or a listener fails, then stops. It returns nil
// after a clean stop.
func (a *App) Wait(ctx context.Context) error {
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-a.failed:
	}
	a.mu.Lock()
	grace := a.cfg.Server.ShutdownGrace // of the configuration in force now
	a.mu.Unlock()
	a.log.Info("stopping: no new calls, running ones may finish", "grace", grace.String())
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(cause, a.Stop(stopCtx))
}

// drainRetry is when a caller who was turned away at a shutdown may try again.
const drainRetry = 5 * time.Second

// Stop drains: new calls are refused with 503, streams that only listen end,
// running calls finish until ctx ends and are cut off then. The journal is
// flushed last.
func (a *App) Stop(ctx context.Context) error {
	a.core.sw.Drain(drainRetry)
	a.public.Drain()
	a.admin.Drain()
	a.local.Drain()
	var wg sync.WaitGroup
	for _, s := range a.servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				a.log.Warn("cutting off calls that outlast the grace period", "listener", s.Addr)
				if cerr := s.Close(); cerr != nil {
					a.log.Warn("closing a listener", "listener", s.Addr, "error", cerr)
				}
			}
		})
	}
	wg.Wait()
	a.outlast()
	a.endTasks()
	a.mu.Lock()
	a.stopped = true
	a.upstreams.Close(a.log)
	a.mu.Unlock()
	a.tasks.Wait()
	flush := context.WithoutCancel(ctx)
	if !a.serving { // only the command line was served: nothing ran that could stop
		return a.core.close(flush)
	}
	a.note(flush, portcullis.EventGatewayStopped, "")
	a.parts.finish(flush)
	err := a.core.close(flush)
	a.log.Info("stopped")
	return err
}

// cutOffTime is how long calls that were cut off may take to notice.
const cutOffTime = 5 * time.Second

// outlast waits for calls whose connections were closed under them: they still
// write their outcome, for which the journal must be open.
func (a *App) outlast() {
	ctx, cancel := context.WithTimeout(a.life, cutOffTime)
	defer cancel()
	a.running.next().Wait(ctx)
}

// note records what the process itself does.
func (a *App) note(ctx context.Context, t portcullis.EventType, reason string, details ...slog.Attr) {
	e := &portcullis.Event{
		Type: t, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Reason: reason,
		Actor: portcullis.Actor{ID: "portcullis"}, Details: append(details, slog.String("version", a.opts.Version)),
	}
	if err := a.core.journal.Record(ctx, e); err != nil {
		a.log.Error("writing the audit journal", "event", string(t), "error", err)
	}
}

// readyParts says which parts are not ready.
func (a *App) readyParts(ctx context.Context) []string {
	var failing []string
	if a.core.sw.Draining() {
		failing = append(failing, "draining")
	}
	if a.core.sw.Maintenance() {
		failing = append(failing, "maintenance")
	}
	if err := a.core.journal.Healthy(); err != nil {
		failing = append(failing, "journal")
	}
	if err := a.core.db.Ping(ctx); err != nil {
		failing = append(failing, "store")
	}
	return append(failing, a.parts.failing(ctx)...)
}
