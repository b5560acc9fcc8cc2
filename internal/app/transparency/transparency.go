// Package transparency keeps the audit log of the process signed: it runs the
// follower of the journal that fills the Merkle tree, asks witnesses and
// publishes checkpoints.
package transparency

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

// Purpose is what the key of the log is derived for from the root key. To change
// it begins another log.
const Purpose = "audit/checkpoints/v1"

// KeyOf returns the key of the log of that name whose seed this is. An empty
// origin is the default.
func KeyOf(seed []byte, origin string) (*tlog.Key, error) {
	if origin == "" {
		origin = tlog.DefaultOrigin(seed)
	}
	return tlog.NewKey(origin, seed)
}

// Key returns the key of a data folder's log. An empty origin is the one that
// the log has, or its default.
func Key(dir *datadir.Dir, origin string) (*tlog.Key, error) {
	seed, err := dir.Derive(Purpose, tlog.SeedSize)
	if err != nil {
		return nil, err
	}
	return keyOf(dir.AuditDir(), seed, origin)
}

func keyOf(auditDir string, seed []byte, origin string) (*tlog.Key, error) {
	has, err := begun(auditDir)
	if err != nil {
		return nil, err
	}
	switch {
	case has != "" && origin != "" && has != origin:
		return nil, fmt.Errorf("audit.origin: %q: this log has the name %q in every checkpoint and cannot get another: set that, or leave it out", origin, has)
	case origin == "":
		origin = has
	}
	return KeyOf(seed, origin)
}

// begun returns the name of the log in an audit folder, "" if there is none. A
// key that cannot be read says nothing: the log will be refused.
func begun(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, auditlog.KeyFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	v, err := auditlog.NewVerifier(string(text))
	if err != nil {
		return "", nil
	}
	return v.Name(), nil
}

// Part runs the follower. It implements [part.Part].
type Part struct {
	env      part.Env
	seed     []byte
	failures *prometheus.CounterVec
	size     atomic.Uint64

	mu       sync.Mutex // guards what follows
	follower *tlog.Follower
	outside  tlog.Outside
	changed  chan struct{} // closed when outside was replaced
	client   *http.Client
}

var _ part.Part = (*Part)(nil)

// New returns the part and registers its metrics.
func New(env part.Env) (part.Part, error) {
	seed, err := env.Dir.Derive(Purpose, tlog.SeedSize)
	if err != nil {
		return nil, err
	}
	p := &Part{
		env: env, seed: seed, changed: make(chan struct{}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_audit_log_failures_total",
			Help: "Failures to continue, witness or publish the transparency log; refused: its files do not fit what was signed.",
		}, []string{"operation"}),
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	for _, operation := range []string{"append", "refused", "witness", "publish"} {
		p.failures.WithLabelValues(operation)
	}
	return p, errors.Join(env.Metrics.Register(p.failures),
		env.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_audit_log_size", Help: "Records of the audit log that the newest checkpoint covers.",
		}, func() float64 { return float64(p.size.Load()) })),
		env.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_audit_log_lag_seconds", Help: "How long the oldest record that no checkpoint covers has waited.",
		}, func() float64 { return p.lag().Seconds() })))
}

func (p *Part) lag() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.follower == nil {
		return 0
	}
	return p.follower.Lag()
}

// Signed and Failed count for the follower.
func (p *Part) Signed(size uint64)      { p.size.Store(size) }
func (p *Part) Failed(operation string) { p.failures.WithLabelValues(operation).Inc() }

// Next implements [part.Part]. The name of the log and the intervals of its
// checkpoints are those of the start; witnesses and publication change with
// the configuration.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (use func(), err error) {
	a := cfg.Audit.Tree
	key, err := keyOf(p.env.Dir.AuditDir(), p.seed, a.Origin)
	if err != nil {
		return nil, err
	}
	outside, err := p.outsideOf(a)
	if err != nil {
		return nil, err
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.follower == nil {
			p.follower = tlog.NewFollower(tlog.Options{
				Dir: p.env.Dir.AuditDir(), Key: key, Journal: p.env.Journal, Interval: a.CheckpointInterval, Keep: a.CheckpointKeep,
				Log: p.env.Log, Observer: p, Refused: p.refused,
			})
		}
		p.outside = outside
		close(p.changed)
		p.changed = make(chan struct{})
	}, nil
}

func (p *Part) outsideOf(a audit.Tree) (tlog.Outside, error) {
	o := tlog.Outside{Every: a.PublishInterval}
	for i, w := range a.Witnesses {
		witness, err := tlog.NewWitness(w.URL, w.Key, p.client)
		if err != nil {
			return o, fmt.Errorf("audit.witnesses[%d]: %w", i, err)
		}
		o.Witnesses = append(o.Witnesses, witness)
	}
	for i, target := range a.Publish {
		publisher, err := tlog.NewPublisher(target, p.client)
		if err != nil {
			return o, fmt.Errorf("audit.publish[%d]: %w", i, err)
		}
		o.Publishers = append(o.Publishers, publisher)
	}
	return o, nil
}

// refused records that the log does not fit what was signed: whoever reads
// events hears of it.
func (p *Part) refused(err error) {
	e := &portcullis.Event{
		Type: journal.EventLogDamaged, Severity: portcullis.SeverityCritical, Outcome: portcullis.OutcomeFailure,
		Actor: portcullis.Actor{ID: "portcullis", Method: "system"}, Reason: "log_refused",
		Details: []slog.Attr{slog.String("error", err.Error())},
	}
	if err := p.env.Journal.Record(context.Background(), e); err != nil {
		p.env.Log.Error("recording that the audit log is refused", "error", err)
	}
}

// Run implements [part.Part].
func (p *Part) Run(ctx context.Context) {
	p.mu.Lock()
	f := p.follower
	p.mu.Unlock()
	if f == nil { // no configuration was taken
		return
	}
	var telling sync.WaitGroup
	telling.Go(func() { p.tell(ctx, f) })
	f.Run(ctx)
	telling.Wait()
}

// Finish implements [part.Finishing]: it signs what the process said last.
func (p *Part) Finish(ctx context.Context) {
	p.mu.Lock()
	f := p.follower
	p.mu.Unlock()
	if f == nil {
		return
	}
	if err := f.Finish(ctx); err != nil {
		p.Failed("append")
		p.env.Log.Error("the last records are not signed; the next start does it", "error", err)
	}
}

// tell shows new checkpoints to witnesses and publishes them until ctx ends.
func (p *Part) tell(ctx context.Context, f *tlog.Follower) {
	told := uint64(0)
	for ctx.Err() == nil {
		p.mu.Lock()
		outside, changed := p.outside, p.changed
		p.mu.Unlock()
		timer := time.NewTimer(outside.Every)
		select {
		case <-ctx.Done():
		case <-changed:
			told = 0
		case <-timer.C:
			if l := f.Log(); l != nil && l.Head().Size > told {
				told = f.Tell(ctx, outside)
			}
		}
		timer.Stop()
	}
}
