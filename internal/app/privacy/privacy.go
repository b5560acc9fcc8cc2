// Package privacy is the part of the process for the rights of persons: it
// knows each place of the data folder that holds something about them, shows
// and erases it, for the person at the public listener and for operators.
package privacy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/privacy"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/audit/retention"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/privacy/receipt"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

// Purposes for which keys are derived from the data folder's root key.
const (
	purposeSeal    = "privacy/erasures/v1"
	purposeHash    = "privacy/subjects/v1"
	purposeReceipt = "privacy/receipts/v1"
)

// Part implements part.Part.
type Part struct {
	env     part.Env
	store   *wishbook.Privacy
	hashKey []byte
	key     *tlog.Key // of receipts
	index   *index.Index
	keeper  *retention.Keeper // read for holds only
	holders []subject.Holder
	metrics *metrics

	cfg   atomic.Pointer[config.Config]
	hooks atomic.Pointer[[]subject.Hook]
	guard *guard
	wake  chan struct{}

	running sync.Mutex // one erasure at a time
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ part.Publishing   = (*Part)(nil)
	_ part.Containing   = (*Part)(nil)
	_ api.Desk          = (*Part)(nil)
)

// New returns the part. Whose processing is restricted is refused from now on.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, wake: make(chan struct{}, 1), guard: newGuard()}
	sealing, err := env.Dir.Derive(purposeSeal, envelope.KeySize)
	if err != nil {
		return nil, err
	}
	ring, err := envelope.NewRing("privacy", envelope.Key{ID: 1, Secret: sealing})
	if err != nil {
		return nil, fmt.Errorf("key of erasures: %w", err)
	}
	p.store = wishbook.New(env.DB, ring)
	if p.hashKey, err = env.Dir.Derive(purposeHash, sha256.Size); err != nil {
		return nil, err
	}
	seed, err := env.Dir.Derive(purposeReceipt, tlog.SeedSize)
	if err != nil {
		return nil, err
	}
	if p.key, err = tlog.NewKey(receiptOrigin(seed), seed); err != nil {
		return nil, err
	}
	p.index = index.New(env.Dir.AuditDir(), index.Options{Log: env.Log, Open: env.Open, Subject: env.Subject})
	p.keeper = retention.New(retention.Options{Dir: env.Dir.AuditDir(), Recorder: env.Journal, Log: env.Log}, retention.Policy{})
	p.holders = p.allHolders()
	if p.metrics, err = newMetrics(env.Metrics, p); err != nil {
		return nil, fmt.Errorf("registering the metrics of privacy: %w", err)
	}
	wishes, err := p.store.Wishes(context.Background(), "")
	if err != nil {
		return nil, err
	}
	for _, w := range wishes {
		p.guard.set(w.ID, w.Restricted)
	}
	p.hooks.Store(new([]subject.Hook))
	return p, nil
}

// receiptOrigin names the key of receipts.
func receiptOrigin(seed []byte) string { return tlog.DefaultOrigin(seed) + "/receipts" }

// hash is what erasures and wishes are found by.
func (p *Part) hash(id string) string {
	mac := hmac.New(sha256.New, p.hashKey)
	mac.Write([]byte(id)) //nolint:errcheck // a hash takes all
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, secrets part.Secrets) (func(), error) {
	hooks, err := p.newHooks(cfg, secrets)
	if err != nil {
		return nil, err
	}
	return func() {
		p.cfg.Store(cfg)
		p.hooks.Store(&hooks)
		p.nudge()
	}, nil
}

func (p *Part) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Pauses between two looks at erasures that are not finished.
const (
	shortest = time.Second
	longest  = 5 * time.Minute
)

// Run implements part.Part: it brings erasures to their end that wait for an
// upstream or a hold, or that a crash cut short.
func (p *Part) Run(ctx context.Context) {
	pause := shortest
	for ctx.Err() == nil {
		open, err := p.resume(ctx)
		if err != nil && ctx.Err() == nil {
			p.env.Log.Warn("an erasure is not finished, it will be tried again", "error", err)
		}
		if pause = min(2*pause, longest); open == 0 {
			pause = longest
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.wake:
			pause = shortest
		}
		timer.Stop()
	}
	_ = p.index.Close() // it was only read
}

// resume advances what is open.
func (p *Part) resume(ctx context.Context) (open int, err error) {
	p.running.Lock()
	defer p.running.Unlock()
	runs, err := p.store.OpenErasures(ctx)
	for i := range runs {
		err = errors.Join(err, p.advance(ctx, &runs[i]))
		if runs[i].State != subject.Finished {
			open++
		}
	}
	return open, err
}

func (p *Part) advance(ctx context.Context, r *subject.Run) error {
	e := subject.Eraser{Store: p.store, Holders: p.holders, Hooks: *p.hooks.Load(), Sign: p.sign, Finish: p.finished, Told: p.told, Now: time.Now}
	return e.Advance(ctx, r)
}

// sign returns the receipt of a run.
func (p *Part) sign(r *subject.Run) (string, error) {
	out := receipt.Receipt{ID: r.ID, State: r.State.String(), Asked: r.At.UTC(), By: r.By, Places: []receipt.Place{}}
	if !r.Ended.IsZero() {
		out.Ended = &r.Ended
	}
	for _, s := range r.Steps {
		out.Places = append(out.Places, receipt.Place{Name: s.Place, Count: s.Count, Kept: s.Kept, Open: s.Wait, At: s.At, Outcome: s.Outcome, Attempts: s.Attempts})
	}
	return receipt.Sign(out, p.signer())
}

func (p *Part) signer() note.Signer { return p.key.Signer() }

// finished records the end of an erasure. It names nobody: that is the point.
func (p *Part) finished(ctx context.Context, r *subject.Run) error {
	count, kept := 0, 0
	for _, s := range r.Steps {
		count += s.Count
		kept += len(s.Kept)
	}
	p.metrics.erased.Inc()
	return p.env.Journal.Record(ctx, &portcullis.Event{
		Type: portcullis.EventDataErased, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess,
		Actor: portcullis.Actor{ID: "portcullis", Method: "privacy"}, Resource: "erasure:" + r.ID, Action: "privacy/erase",
		Details: []slog.Attr{slog.String("asked_by", r.By), slog.Int("removed", count), slog.Int("kept", kept), slog.Int("places", len(r.Steps))},
	})
}

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// Container implements part.Containing.
func (p *Part) Container() portcullis.Container { return p.guard }
