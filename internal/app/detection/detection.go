// Package detection runs anomaly detection in the process: it feeds the audit
// journal to the detector, writes what the detector finds back into the
// journal, and keeps what it learned in the data folder.
//
// What was learned is saved every few minutes and at the end, with the number
// of the last record in it. After a crash the records since then are judged
// again: an incident may be told twice, with the same id, and none is lost. A
// file that cannot be read is put aside, and learning begins anew: detection
// never keeps the gateway from its work.
package detection

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin"
	admindetection "github.com/portcullis-dev/portcullis/internal/admin/detection"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/sample"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

const (
	feedName = "anomaly"
	folder   = "detect"
	fileName = "baselines"
	damaged  = ".damaged" // of a file that was put aside
	// saveEvery is how much of its work a crash makes detection do again.
	saveEvery = 5 * time.Minute
	// told is how many incidents are remembered for those who ask.
	told = 200
	// measureEvery is how often the metrics are brought up to date.
	measureEvery = 5 * time.Second
)

// Part is anomaly detection. Its methods may be called from any goroutine.
type Part struct {
	env     part.Env
	metrics *obs.Detection
	file    string

	mu       sync.Mutex // guards what follows
	enabled  bool
	detector *anomaly.Detector
	latest   []anomaly.Anomaly // by incident, the latest last
	seq      uint64            // of the last record that was judged
	started  bool              // a record was seen: seq counts

	// Only Run uses these.
	saved    time.Time
	measured time.Time
	dirty    bool
}

// New reads what was learned before.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, metrics: env.Metrics.Detection(), file: filepath.Join(env.Dir.Path(), folder, fileName)}
	p.restore()
	return p, nil
}

// restore reads the state file, or begins anew.
func (p *Part) restore() {
	p.detector = anomaly.New(anomaly.Default())
	raw, err := os.ReadFile(p.file)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var d *anomaly.Detector
	var seq uint64
	if err == nil {
		d, seq, err = anomaly.Restore(anomaly.Default(), raw)
	}
	if err == nil {
		p.detector, p.seq, p.started = d, seq, true
		p.latest = d.Open()
		return
	}
	p.env.Log.Warn("what detection learned cannot be read: it is put aside, and learning begins anew", "file", p.file, "error", err)
	if err := os.Rename(p.file, p.file+damaged); err != nil {
		p.env.Log.Warn("putting the file aside", "file", p.file, "error", err)
	}
}

// Next takes the settings of a configuration.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	c, err := cfg.Detect.Anomaly.Detector()
	if err != nil {
		return nil, err
	}
	enabled := cfg.Detect.Anomaly.Enabled
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.detector.Configure(c)
		p.enabled = enabled
	}, nil
}

// Run follows the journal.
func (p *Part) Run(ctx context.Context) {
	p.saved = time.Now()
	for ctx.Err() == nil {
		if err := p.follow(ctx); err != nil && ctx.Err() == nil {
			p.env.Log.Error("following the audit journal for anomalies", "error", err)
			wait(ctx, time.Second)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (p *Part) follow(ctx context.Context) (err error) {
	f, err := feed.Open(p.env.Dir.AuditDir(), feedName, feed.Options{Log: p.env.Log, Open: p.env.Open, Window: p.env.Window})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for ctx.Err() == nil {
		r, ok, err := f.Poll()
		if err != nil {
			return err
		}
		if !ok {
			p.metrics.Lag(0)
			p.measure()
			if err := p.save(f, saveEvery); err != nil {
				return err
			}
			wait(ctx, feed.Interval)
			continue
		}
		p.judge(ctx, &r)
		if time.Since(p.measured) >= measureEvery {
			p.metrics.Lag(time.Since(r.Event.Time))
			p.measure()
			if err := p.save(f, saveEvery); err != nil {
				return err
			}
		}
	}
	return p.save(f, 0)
}

// judge gives a record to the detector and writes down what it says.
func (p *Part) judge(ctx context.Context, r *feed.Record) {
	s, ok := sample.FromEvent(&r.Event)
	if ip := r.Event.Actor.IP; p.env.Known != nil && ip.IsValid() {
		s.Country = p.env.Known.Country(ip)
	}
	p.mu.Lock()
	seen := p.started && r.Seq <= p.seq && !r.Event.Time.After(p.detector.Now())
	var found []anomaly.Anomaly
	if ok && !seen && p.enabled {
		found = slices.Clone(p.detector.Observe(&s))
		p.remember(found)
	}
	if !seen {
		p.seq, p.started, p.dirty = r.Seq, true, true
	}
	p.mu.Unlock()
	for i := range found {
		if err := p.env.Journal.Record(context.WithoutCancel(ctx), found[i].Event()); err != nil {
			p.env.Log.Error("writing an anomaly to the audit journal", "anomaly_id", found[i].ID, "kind", found[i].Kind, "metric", found[i].Metric, "error", err)
		}
		p.tell(&found[i])
	}
}

func (p *Part) tell(a *anomaly.Anomaly) {
	if a.State == anomaly.Opened {
		p.metrics.Anomaly(a.Metric, string(a.Severity))
	}
	if a.State == anomaly.Closed {
		return
	}
	// Whom it is about stands in the event, sealed; log lines name nobody.
	p.env.Log.Warn("anomaly detected", "anomaly_id", a.ID, "state", string(a.State), "severity", string(a.Severity),
		"kind", a.Kind, "route", a.Route, "metric", a.Metric, "pattern", a.Pattern,
		slog.Float64("value", a.Value), slog.Float64("mean", a.Mean), slog.Float64("z", a.Z))
}

// remember keeps what was told last of each incident.
func (p *Part) remember(found []anomaly.Anomaly) {
	for _, a := range found {
		p.latest = slices.DeleteFunc(p.latest, func(b anomaly.Anomaly) bool { return b.ID == a.ID })
		p.latest = append(p.latest, a)
	}
	if over := len(p.latest) - told; over > 0 {
		p.latest = slices.Delete(p.latest, 0, over)
	}
}

func (p *Part) measure() {
	if time.Since(p.measured) < measureEvery {
		return
	}
	p.measured = time.Now()
	p.mu.Lock()
	s := p.detector.Stats()
	p.mu.Unlock()
	for k, n := range s.Subjects {
		p.metrics.Subjects(anomaly.Kind(k).String(), n)
	}
	p.metrics.State(s.Open, s.Evicted)
}

// save writes what was learned, and then that the records up to there are done.
func (p *Part) save(f *feed.Feed, after time.Duration) error {
	if !p.dirty || time.Since(p.saved) < after {
		return nil
	}
	p.saved = time.Now()
	p.mu.Lock()
	err := p.write()
	p.mu.Unlock()
	if err != nil { // a full disk: what is in memory is still good
		p.env.Log.Error("saving what detection learned", "file", p.file, "error", err)
		return nil
	}
	p.dirty = false
	return f.Commit(f.Cursor())
}

// Forget takes out what is known of a caller, by the id of the principal or the
// key or by the address, and out of the file too before it returns.
func (p *Part) Forget(who string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.latest {
		anomaly.Redact(&p.latest[i], who)
	}
	if p.detector.Forget(who) {
		if err := p.write(); err != nil {
			return err
		}
	}
	if err := os.Remove(p.file + damaged); !errors.Is(err, os.ErrNotExist) { // nobody knows whom it names
		return err
	}
	return nil
}

// write replaces the file. The caller holds mu. The place in the journal is for
// whoever follows it: a file that is ahead of it means that records are passed
// over that were judged already.
func (p *Part) write() error {
	raw, err := p.detector.Snapshot(p.seq)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(p.file), 0o700)
	}
	if err == nil {
		err = durable.Replace(p.file, raw)
	}
	return err
}

// Groups shows what detection knows.
func (p *Part) Groups() []admin.Group { return []admin.Group{admindetection.Group(p)} }

// Status tells how many subjects are known.
func (p *Part) Status() admindetection.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.detector.Stats()
	out := admindetection.Status{Enabled: p.enabled, Judged: s.Samples, Late: s.Late, Evicted: s.Evicted, Incidents: s.Open, Subjects: p.detector.Warmth()}
	if now := p.detector.Now(); now.Unix() > 0 {
		out.Now = &now
	}
	return out
}

// Anomalies returns what was told last, latest first.
func (p *Part) Anomalies(most int) []admindetection.Anomaly {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []admindetection.Anomaly{}
	for _, a := range slices.Backward(p.latest) {
		if len(out) == most {
			break
		}
		out = append(out, admindetection.Of(&a))
	}
	return out
}

// Baselines tells what is usual for a subject.
func (p *Part) Baselines(subject string) []anomaly.View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.detector.Subjects(subject)
}

var (
	_ part.Administered     = (*Part)(nil)
	_ admindetection.Source = (*Part)(nil)
)
