// Package alerts is the part of the process that wakes people: it follows the
// journal for what makes alerts, and sends them through the channels of the
// configuration.
package alerts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/alerts"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

const (
	feedName  = "alerts"
	saveEvery = time.Second
)

// Part implements part.Part.
type Part struct {
	env    part.Env
	engine *alert.Engine
	file   string // of the state
	wake   chan struct{}

	saving sync.Mutex // one save at a time
	saved  uint64     // version

	mu   sync.Mutex
	on   bool       // there are channels
	feed *feed.Feed // nil while there are none
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ api.Desk          = (*Part)(nil)
)

// New returns the part, without channels.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, file: filepath.Join(env.Dir.Path(), "alerts", "state"), wake: make(chan struct{}, 1)}
	state, err := os.ReadFile(p.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the state of alerts: %w", err)
	}
	m := newMetrics(p)
	if err := env.Metrics.Register(m); err != nil {
		return nil, fmt.Errorf("registering the metrics of alerts: %w", err)
	}
	p.engine, err = alert.New(alert.Options{
		State: state, Record: env.Journal, Open: env.Open, Erased: subject.Erased, Mask: obs.Redact, Watch: m, Log: env.Log,
	})
	if err != nil { // people must be woken all the same
		env.Log.Error("the state of alerts is lost: what was told may be told again", "file", p.file, "error", err)
		if err := os.Rename(p.file, p.file+".damaged"); err != nil {
			env.Log.Error("putting a damaged file aside", "error", err)
		}
	}
	return p, nil
}

// Next makes the channels of a configuration ready. Nothing is connected.
func (p *Part) Next(_ context.Context, cfg *config.Config, secrets part.Secrets) (func(), error) {
	c, err := p.config(cfg, secrets)
	if err != nil {
		return nil, err
	}
	return func() {
		p.engine.Use(c)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.on = len(c.Channels) > 0
		if p.on && p.feed == nil { // from now on: before anybody can call
			if err := p.open(); err != nil {
				p.env.Log.Error("following the journal for alerts", "error", err) // Run tries again
			}
		}
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}, nil
}

// open opens the feed. The caller holds mu.
func (p *Part) open() (err error) {
	p.feed, err = feed.Open(p.env.Dir.AuditDir(), feedName, feed.Options{Log: p.env.Log, FromEnd: true, Window: p.env.Window})
	return err
}

// Run follows the journal and sends until ctx ends.
func (p *Part) Run(ctx context.Context) {
	var sending sync.WaitGroup
	sending.Go(func() { p.engine.Run(ctx) })
	for ctx.Err() == nil {
		f, err := p.follow()
		if err == nil && f == nil { // no channels
			select {
			case <-ctx.Done():
			case <-p.wake:
			}
			continue
		}
		if err == nil {
			err = p.take(ctx, f)
		}
		if err != nil && ctx.Err() == nil {
			p.env.Log.Error("following the journal for alerts", "error", err)
			wait(ctx, time.Second)
		}
	}
	sending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.feed != nil {
		if err := errors.Join(p.save(p.feed), p.feed.Close()); err != nil {
			p.env.Log.Error("saving the state of alerts", "error", err)
		}
		p.feed = nil
	}
}

// follow returns the feed, nil if there are no channels. Who has none is not
// told later of what came meanwhile.
func (p *Part) follow() (*feed.Feed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.on && p.feed == nil:
		err := p.open()
		return p.feed, err
	case !p.on:
		var err error
		if p.feed != nil {
			err = p.feed.Close()
			p.feed = nil
		}
		gone := os.Remove(filepath.Join(p.env.Dir.AuditDir(), feed.Folder, feedName))
		if errors.Is(gone, fs.ErrNotExist) {
			gone = nil
		}
		return nil, errors.Join(err, gone)
	}
	return p.feed, nil
}

// take reads records until there is something else to do.
func (p *Part) take(ctx context.Context, f *feed.Feed) error {
	last := time.Now()
	for ctx.Err() == nil {
		r, ok, err := f.Poll()
		if err != nil {
			return errors.Join(err, f.Rewind())
		}
		if ok {
			p.engine.Observe(r.Seq, &r.Event)
		}
		if time.Since(last) >= saveEvery {
			last = time.Now()
			if err := p.save(f); err != nil {
				return err
			}
		}
		if ok {
			continue
		}
		timer := time.NewTimer(feed.Interval)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-p.wake: // another configuration
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
	return nil
}

// save stores the state, and then that the journal was read up to there.
func (p *Part) save(f *feed.Feed) error {
	if err := p.store(); err != nil {
		return err
	}
	if f.Committed() == f.Cursor() {
		return nil
	}
	return f.Commit(f.Cursor())
}

// store stores the state if it changed.
func (p *Part) store() error {
	p.saving.Lock()
	defer p.saving.Unlock()
	if p.engine.Version() == p.saved {
		return nil
	}
	raw, version, err := p.engine.Snapshot()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(p.file), 0o700)
	}
	if err == nil {
		err = durable.Replace(p.file, raw)
	}
	if err != nil {
		return fmt.Errorf("storing the state of alerts: %w", err)
	}
	p.saved = version
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// List implements api.Desk.
func (p *Part) List(all bool) []alert.View { return p.engine.List(all) }

// Channels implements api.Desk.
func (p *Part) Channels() []alert.ChannelView { return p.engine.Channels() }

// Silences implements api.Desk.
func (p *Part) Silences() []alert.Silence { return p.engine.Silences() }

// Test implements api.Desk.
func (p *Part) Test(ctx context.Context, channel string) ([]alert.Tested, error) {
	return p.engine.Test(ctx, channel)
}

// Ack implements api.Desk.
func (p *Part) Ack(ctx context.Context, id string, by portcullis.Actor) (alert.View, error) {
	v, err := p.engine.Ack(ctx, id, by)
	return v, errors.Join(err, p.store())
}

// AddSilence implements api.Desk.
func (p *Part) AddSilence(ctx context.Context, s alert.Silence, by portcullis.Actor) (alert.Silence, error) {
	s, err := p.engine.AddSilence(ctx, s, by)
	return s, errors.Join(err, p.store())
}

// RemoveSilence implements api.Desk.
func (p *Part) RemoveSilence(ctx context.Context, id string, by portcullis.Actor) (alert.Silence, error) {
	s, err := p.engine.RemoveSilence(ctx, id, by)
	return s, errors.Join(err, p.store())
}
