package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/use"
	"github.com/portcullis-dev/portcullis/internal/app/failures"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/app/personal"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/authz/quota"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/inspect/content"
	"github.com/portcullis-dev/portcullis/internal/inspect/handle"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/internal/replies"
	"github.com/portcullis-dev/portcullis/internal/session"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// Purposes for which keys are derived from the data folder's root key. To
// change one invalidates what was made with it.
const (
	purposePepper   = "apikey/pepper/v1"
	purposeSession  = "gateway/session/v1"
	purposeHandle   = "inspect/handle/v1"
	purposeApproval = "authz/approval/v1"
	purposeRefresh  = "token/refresh/v1"
	purposeSigning  = "token/signing/v1"
	purposeNames    = "basic/names/v1"
	purposeContent  = "content/token/v1"
)

// core is what a data folder holds, opened under its lock.
type core struct {
	dir       *datadir.Dir
	db        *sqlite.DB
	journal   *journal.Journal
	subjects  *subject.Book // nil = events are not sealed
	keys      *apikey.Service
	notices   *notify.Queue
	tokens    *token.Service
	ring      *signing.Ring
	proofs    proofs
	sealer    *session.Sealer
	swaps     *content.Tokens
	handles   *handle.Sealer
	approvals *approval.Service
	pins      *toolpin.Book
	use       use.Ledgers
	owners    *ownership.Ledger
	sw        edge.Switch
	metrics   *obs.Metrics
	traces    trace.Switch
	budget    *replies.Budget
	users     *basic.Service
}

func openCore(ctx context.Context, opts Options) (_ *core, err error) {
	c := &core{metrics: obs.NewMetrics(obs.Build{Version: opts.Version}), budget: replies.NewBudget(replies.DefaultBudget)}
	if c.dir, err = datadir.Open(opts.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close(context.WithoutCancel(ctx)))
		}
	}()
	if err = c.dir.Lock(); err != nil {
		return nil, err
	}
	if c.db, err = sqlite.Open(ctx, c.dir.Resolve(opts.Config.Store.URL)); err != nil {
		return nil, err
	}
	if opts.Config.Audit.Personal == audit.Sealed {
		if c.subjects, err = personal.New(c.dir, c.db.Subjects()); err != nil {
			return nil, err
		}
	}
	jcfg := journal.Default()
	jcfg.Durability, jcfg.OnFailure = opts.Config.Audit.Durability, opts.Config.Audit.OnFailure
	if c.journal, err = journal.Open(c.dir.AuditDir(), jcfg, journal.Options{
		Environment: opts.Config.Server.Environment, Service: "portcullis", Log: opts.Log, Observer: c.metrics.Journal(), Personal: c.personal(),
	}); err != nil {
		return nil, err
	}
	if err = c.openKeys(opts); err != nil {
		return nil, err
	}
	if err = c.openTokens(ctx, opts); err != nil {
		return nil, err
	}
	if err = c.openUsers(opts); err != nil {
		return nil, err
	}
	if err = c.openProofs(); err != nil {
		return nil, err
	}
	approvalKey, err := c.dir.Derive(purposeApproval, approval.KeySize)
	if err != nil {
		return nil, err
	}
	if c.approvals, err = approval.New(c.db.Approvals(), c.journal, approvalKey, nil); err != nil {
		return nil, err
	}
	if c.pins, err = toolpin.NewBook(ctx, c.db.Pins(), c.journal, nil); err != nil {
		return nil, err
	}
	c.use = use.Ledgers{Taints: taint.NewLedger(c.db.Taints(), c.journal, 0, nil), Usage: quota.NewLedger(c.db.Usage(), 0, nil)}
	c.owners = ownership.NewLedger(c.db.Owners(), 0, nil)
	handleKey, err := c.dir.Derive(purposeHandle, handle.KeySize)
	if err != nil {
		return nil, err
	}
	if c.handles, err = handle.NewSealer(handleKey, nil); err != nil {
		return nil, err
	}
	sessionKey, err := c.dir.Derive(purposeSession, session.KeySize)
	if err != nil {
		return nil, err
	}
	if c.sealer, err = session.NewSealer(sessionKey); err != nil {
		return nil, err
	}
	tokenKey, err := c.dir.Derive(purposeContent, content.KeySize)
	if err != nil {
		return nil, err
	}
	if c.swaps, err = content.NewTokens(tokenKey); err != nil {
		return nil, err
	}
	return c, nil
}

// services are what parts may look after.
func (c *core) services() part.Services {
	return part.Services{
		Keys: c.keys, Users: c.users, Tokens: c.tokens, Ring: c.ring, Proofs: c.proofs.registry, Approvals: c.approvals,
		Use: c.use, Owners: c.owners, Swaps: c.swaps, Sessions: c.sealer, Subjects: c.subjects,
	}
}

// personal is what seals events, nil if nothing does.
func (c *core) personal() journal.Personal {
	if c.subjects == nil {
		return nil
	}
	return c.subjects
}

// open opens events for those who read the journal. nil = nothing is sealed.
func (c *core) open(log *slog.Logger) func(*portcullis.Event) {
	if c.subjects == nil {
		return nil
	}
	return personal.Opener(c.subjects, log)
}

// subject names principals as sealed events do. nil = nothing is sealed.
func (c *core) subject() func(string) string {
	if c.subjects == nil {
		return nil
	}
	return c.subjects.Name
}

// eraseDays destroys the keys of days that are over. nil = nothing is sealed.
func (c *core) eraseDays() func(context.Context, time.Time) error {
	if c.subjects == nil {
		return nil
	}
	return func(ctx context.Context, t time.Time) error {
		_, err := c.subjects.EraseDays(ctx, t)
		return err
	}
}

func (c *core) openKeys(opts Options) error {
	pepper, err := c.dir.Derive(purposePepper, 32)
	if err != nil {
		return err
	}
	id := opts.Config.Identity
	if c.notices, err = openNotices(id.APIKey.Notify, c.db, opts.Log); err != nil {
		return err
	}
	throttle, err := failures.New("identity.api_key.failures", id.APIKey.Failures)
	if err != nil {
		return err
	}
	c.keys, err = apikey.New(apikey.Options{
		Config: id.APIKey.Service(), Store: c.db.APIKeys(), Recorder: c.journal, Pepper: pepper,
		ValidateScope: scope.Validate, CacheTTL: id.CacheTTL, Log: opts.Log, Notifier: c.notices, Throttle: throttle,
	})
	return err
}

func (c *core) close(ctx context.Context) error {
	var errs []error
	if c.keys != nil {
		errs = append(errs, c.keys.Flush(ctx))
	}
	if c.use.Usage != nil {
		errs = append(errs, c.use.Usage.Flush(ctx))
	}
	if c.owners != nil {
		errs = append(errs, c.owners.Flush(ctx))
	}
	if c.journal != nil {
		errs = append(errs, c.journal.Close(ctx))
	}
	if c.db != nil {
		errs = append(errs, c.db.Close())
	}
	if c.dir != nil {
		errs = append(errs, c.dir.Close())
	}
	return errors.Join(errs...)
}

// ready answers /health and /ready.
func (a *App) probes() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := w.Write([]byte(body)); err != nil {
			a.log.Debug("answering a probe", "error", err)
		}
	}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"status":"healthy"}`)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		overdue := ""
		if names := a.parts.overdue(); len(names) > 0 {
			overdue = `,"overdue":["` + strings.Join(names, `","`) + `"]`
		}
		if failing := a.readyParts(ctx); len(failing) > 0 {
			answer(w, http.StatusServiceUnavailable, `{"status":"unready","failing":["`+strings.Join(failing, `","`)+`"]`+overdue+`}`)
			return
		}
		answer(w, http.StatusOK, `{"status":"ready"`+overdue+`}`)
	})
	return mux
}
