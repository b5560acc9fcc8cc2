// Package keyrotation rotates the keys of providers in the wallet while the
// gateway runs: those that are due and whose new value a hook or the provider
// itself gives. Of the others it tells, so that people do it. It also drops old
// values after their overlap.
//
// It works one entry at a time, on a wallet that is open only for that. All that
// has to outlive the process stands in the wallet file: when an entry was
// rotated, which value waits, who staged it, and until when the old one is kept.
package keyrotation

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/app/secrets/opener"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/hook"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/mint"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// actor is who rotates, in the journal.
const actor = "portcullis"

const (
	look     = 2 * time.Second // how often the wallet file is looked at
	again    = time.Hour       // after which the wallet is opened though nothing is known to be due
	firstTry = 5 * time.Minute // after a failure; doubled up to lastTry
	lastTry  = 12 * time.Hour  // between tries
	notices  = 24 * time.Hour  // between two notices about one entry
)

// Part is the piece of the process.
type Part struct {
	env part.Env
	now func() time.Time

	mu    sync.Mutex
	cfg   secrets.Secrets
	get   part.Secrets
	fresh bool // the settings are others than at the last look
	wake  chan struct{}

	seen    os.FileInfo // of the wallet as it was looked at last
	next    time.Time   // when something is due
	entries map[string]*memory
}

// memory is what the process remembers of an entry. It may forget.
type memory struct {
	tryAt  time.Time // not before this
	wait   time.Duration
	told   time.Time // the last notice
	picked time.Time // when a due entry gets its turn
}

var _ part.Part = (*Part)(nil)

// New returns the part. It does nothing unless the configuration enables it.
func New(env part.Env) (part.Part, error) { return ByHand(env), nil }

// ByHand returns a part that is not run: it rotates what [Part.Now] names.
func ByHand(env part.Env) *Part {
	return &Part{env: env, now: time.Now, wake: make(chan struct{}, 1), entries: map[string]*memory{}}
}

// Next takes the settings of a configuration.
func (p *Part) Next(_ context.Context, cfg *config.Config, get part.Secrets) (func(), error) {
	next := cfg.Secrets
	for _, e := range next.Rotation.Entries {
		if c, ok := e.Probe.Settings(""); ok && next.Rotation.Enabled {
			if _, err := probe.New(c); err != nil { // a CA that cannot be read
				return nil, err
			}
		}
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.fresh = p.fresh || !reflect.DeepEqual(p.cfg, next)
		p.cfg, p.get = next, get
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}, nil
}

// Run looks after the wallet until ctx ends.
func (p *Part) Run(ctx context.Context) {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		p.Look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-t.C:
		}
	}
}

// Look does what is due now. It opens the wallet only if the file changed or a
// known time has come.
func (p *Part) Look(ctx context.Context) {
	p.mu.Lock()
	cfg, get := p.cfg, p.get
	if p.fresh {
		p.fresh, p.seen = false, nil
	}
	p.mu.Unlock()
	if !cfg.Rotation.Enabled {
		return
	}
	o := opener.Opener{Config: cfg, DataDir: p.env.Dir.Path(), Getenv: p.env.Getenv}
	info, err := os.Lstat(o.Path())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			p.env.Log.Error("looking at the wallet", "error", err)
		}
		return
	}
	same := p.seen != nil && os.SameFile(info, p.seen) && info.ModTime().Equal(p.seen.ModTime()) && info.Size() == p.seen.Size()
	if same && p.now().Before(p.next) {
		return
	}
	w, err := o.Open(ctx, wallet.Options{Recorder: p.env.Journal, Actor: portcullis.Actor{ID: actor}, Clock: p.now})
	p.seen, p.next = info, p.now().Add(again)
	if err != nil {
		p.env.Log.Error("opening the wallet to rotate keys: it is tried again when its file changes, and every hour", "error", err)
		return
	}
	defer w.Close()
	if err := p.all(ctx, run{p, cfg, get, w}); err != nil {
		p.env.Log.Error("looking for keys to rotate", "error", err)
	}
	if info, err = os.Lstat(o.Path()); err == nil { // our own changes are no reason to look again
		p.seen = info
	}
}

// run is one look at an open wallet.
type run struct {
	*Part
	cfg secrets.Secrets
	get part.Secrets
	w   *wallet.Wallet
}

func (p *Part) all(ctx context.Context, r run) error {
	list, err := r.w.List()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, e := range list {
		names[e.Name] = true
		if e.Provider == "" && !r.cfg.Rotation.Named(e.Name) && e.Previous == 0 {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if at := r.one(ctx, e); !at.IsZero() && at.Before(p.next) {
			p.next = at
		}
	}
	for name := range p.entries {
		if !names[name] {
			delete(p.entries, name)
		}
	}
	return nil
}

// one does what an entry needs and returns when to look at it again.
func (r run) one(ctx context.Context, e wallet.Entry) time.Time {
	c, now := r.cfg.Rotation.Entry(e.Name), r.now()
	m := r.entries[e.Name]
	if m == nil {
		m = &memory{}
		r.entries[e.Name] = m
	}
	s := rotation.Schedule{Every: c.Every, Ahead: r.cfg.Rotation.Ahead}
	if e.Provider == "" && !r.cfg.Rotation.Named(e.Name) {
		s.Every = 0 // only what is left of a rotation by a person
	}
	mints := len(c.Hook) > 0 || c.Mint.Kind != mint.None
	for {
		step, at := s.Next(e, mints, now)
		if step != rotation.StepRotate {
			m.picked = time.Time{}
		}
		switch {
		case step == rotation.StepNone:
			m.wait = 0
			return at
		case step == rotation.StepNotice:
			return r.notice(ctx, m, e, s.Due(e), at)
		case now.Before(m.tryAt):
			return earlier(m.tryAt, at)
		case step == rotation.StepRotate && m.picked.IsZero():
			m.picked = now.Add(r.delay())
		}
		if step == rotation.StepRotate && now.Before(m.picked) {
			return earlier(m.picked, at)
		}
		if err := r.do(ctx, step, c, e); err != nil {
			m.wait = min(max(2*m.wait, firstTry), lastTry)
			m.tryAt = now.Add(m.wait + r.delay())
			r.env.Log.Error("rotating the key of a provider: the old one stays active", "entry", e.Name, "provider", e.Provider, "step", string(step), "error", err, "again", m.tryAt)
			return earlier(m.tryAt, at)
		}
		m.tryAt, m.wait = time.Time{}, 0
		r.env.Log.Info("the key of a provider", "entry", e.Name, "provider", e.Provider, "done", string(step))
		next, err := r.w.Entry(e.Name)
		if err != nil { // removed meanwhile
			return at
		}
		e = next
	}
}

// delay is how long a due entry waits.
func (r run) delay() time.Duration {
	return rand.N(r.cfg.Rotation.Jitter + 1) //nolint:gosec // a delay is no secret
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

func (r run) do(ctx context.Context, step rotation.Step, c secrets.RotationEntry, e wallet.Entry) error {
	rot := rotation.Rotator{Wallet: r.w, Recorder: r.env.Journal, Actor: portcullis.Actor{ID: actor}}
	if step == rotation.StepPurge {
		return r.w.Purge(ctx, e.Name)
	}
	plan := rotation.Plan{Name: e.Name, Overlap: c.Overlap, Discard: c.OnRefused == secrets.Discard, Automatic: true}
	check, err := question(c, e)
	if err != nil {
		return errors.Join(err, rot.Failed(ctx, e))
	}
	if check != nil {
		plan.Check = check
	}
	if step == rotation.StepFinish {
		_, err := rot.Finish(ctx, plan)
		return err
	}
	value, err := r.value(ctx, c, e)
	if err != nil {
		return errors.Join(err, rot.Failed(ctx, e))
	}
	defer clear(value)
	_, err = rot.Rotate(ctx, plan, value)
	if errors.Is(err, wallet.ErrInvalid) { // the value it has, or had: the hook gives no new one
		err = errors.Join(err, rot.Failed(ctx, e))
	}
	return err
}

// question returns what is asked about values of an entry; nil only if the
// operator said so.
func question(c secrets.RotationEntry, e wallet.Entry) (rotation.Check, error) {
	if c.NoVerify {
		return nil, nil
	}
	settings, ok := c.Probe.Settings(e.Provider)
	if !ok {
		return nil, errors.New("there is no probe for this provider: set secrets.rotation.entry.probe, or insecure_no_verify")
	}
	return probe.New(settings)
}

// value gets a new value.
func (r run) value(ctx context.Context, c secrets.RotationEntry, e wallet.Entry) ([]byte, error) {
	if c.Mint.Kind == mint.None {
		return hook.Hook{Command: c.Hook, Env: c.HookEnv, Timeout: c.HookTimeout, Lookup: r.env.Getenv}.Value(ctx, e.Name, e.Provider)
	}
	key, err := r.get.Secret(c.Mint.AdminKey)
	if err != nil {
		return nil, err
	}
	text, _, err := key.Get()
	if err != nil {
		return nil, err
	}
	return mint.Config{Kind: c.Mint.Kind, URL: c.Mint.URL, Project: c.Mint.Project, ServiceAccount: c.Mint.ServiceAccount}.Key(ctx, text)
}

// notice tells people that an entry needs a new value, once a day.
func (r run) notice(ctx context.Context, m *memory, e wallet.Entry, due, at time.Time) time.Time {
	now := r.now()
	if !m.told.IsZero() && now.Before(m.told.Add(notices)) {
		return earlier(m.told.Add(notices), at)
	}
	severity, why := portcullis.SeverityInfo, "soon"
	if !now.Before(due) {
		severity, why = portcullis.SeverityWarn, "overdue"
	}
	ev := &portcullis.Event{
		Type: portcullis.EventSecretRotationDue, Severity: severity, Outcome: portcullis.OutcomePending, Actor: portcullis.Actor{ID: actor},
		Action: "wallet.rotate", Resource: "secret:wallet/" + e.Name, Reason: why,
		Details: []slog.Attr{slog.String("provider", e.Provider), slog.String("due", due.UTC().Format(time.RFC3339))},
	}
	if err := r.env.Journal.Record(ctx, ev); err != nil {
		r.env.Log.Error("writing the audit journal", "event", string(ev.Type), "error", err)
		return earlier(now.Add(firstTry), at)
	}
	r.env.Log.Warn("the key of a provider is to be rotated by a person", "entry", e.Name, "provider", e.Provider, "due", due, "mend", "portcullis wallet rotate "+e.Name)
	m.told = now
	return earlier(now.Add(notices), at)
}
