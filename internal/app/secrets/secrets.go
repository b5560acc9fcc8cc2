// Package secrets keeps the secrets of the configuration in force ready: it
// opens the sources that references name, reads every secret before a
// configuration is taken, and reads them again while it is in force.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Options say what a keeper works with.
type Options struct {
	Getenv   func(string) (string, bool)
	Log      *slog.Logger
	DataDir  string              // where the wallet is by default
	Recorder portcullis.Recorder // nil = nothing is recorded
	Metrics  *obs.Metrics        // nil = nothing is counted
}

// Keeper holds the secrets in force. It is safe for concurrent use.
type Keeper struct {
	opts  Options
	watch *watch
	now   atomic.Pointer[Set]
}

// New returns a keeper that holds none.
func New(opts Options) (*Keeper, error) {
	k := &Keeper{opts: opts}
	k.watch = newWatch(opts)
	if opts.Metrics != nil {
		if err := opts.Metrics.Register(collector{k}); err != nil {
			return nil, fmt.Errorf("registering the metrics of secrets: %w", err)
		}
		if err := opts.Metrics.Register(k.watch.reads); err != nil {
			return nil, fmt.Errorf("registering the metrics of secrets: %w", err)
		}
	}
	return k, nil
}

// Set are the secrets of one configuration.
type Set struct {
	cfg      secrets.Secrets
	sources  map[string]source.Source
	resolver *source.Resolver
	handles  map[string]*source.Handle // by reference as written
}

// Next reads the secrets of a configuration. Those that the one in force has
// too are taken over. An error names each reference that came to nothing and
// the route that needs it; nothing has changed then.
func (k *Keeper) Next(ctx context.Context, cfg *config.Config) (*Set, error) {
	s := &Set{cfg: cfg.Secrets, sources: map[string]source.Source{}, handles: map[string]*source.Handle{}}
	old := k.now.Load()
	if old != nil && reflect.DeepEqual(old.cfg, s.cfg) {
		s.sources = maps.Clone(old.sources)
	} else {
		old = nil
	}
	var errs []error
	opened := map[string]error{}
	for _, r := range cfg.References() {
		ref, err := source.Parse(r.Text)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", r.Where, r.Field, err)
		}
		if _, tried := opened[ref.Source]; !tried && s.sources[ref.Source] == nil {
			s.sources[ref.Source], opened[ref.Source] = k.open(ctx, s.cfg, ref.Source)
		}
		if err := opened[ref.Source]; err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: secrets.%s: %w", r.Where, ref, ref.Source, err))
			delete(s.sources, ref.Source)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.resolver = source.New(s.sources, s.cfg.Rules(), k.watch)
	if old != nil {
		s.resolver = old.resolver.Next(s.sources)
	}
	return s, s.load(ctx, cfg)
}

// load reads all and says of each reference that failed who needs it.
func (s *Set) load(ctx context.Context, cfg *config.Config) error {
	needed := cfg.References()
	for _, r := range needed {
		if s.handles[r.Text] != nil {
			continue
		}
		ref, err := source.Parse(r.Text)
		if err != nil {
			return err // was read before: not reached
		}
		h, err := s.resolver.Handle(ref)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Where, err)
		}
		s.handles[r.Text] = h
	}
	s.resolver.Load(ctx)
	var errs []error
	for _, r := range needed {
		if _, err := s.handles[r.Text].Get(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", r.Where, r.Field, err))
		}
	}
	return errors.Join(errs...)
}

// Use puts a set into force: its secrets are kept fresh from now on.
func (k *Keeper) Use(s *Set) { k.now.Store(s) }

// Settings are the settings that sources are made of, for comparison.
func (s *Set) Settings() secrets.Secrets { return s.cfg }

// Secret returns a secret of the configuration by its reference.
func (s *Set) Secret(text string) (inject.Secret, error) {
	h := s.handles[text]
	if h == nil {
		return nil, errors.New("a reference was not read with its configuration")
	}
	return kept{h}, nil
}

// kept gives a handle the form that credentials take.
type kept struct{ handle *source.Handle }

func (k kept) Get() (string, uint64, error) {
	v, err := k.handle.Get()
	return v.Text, v.Reading, err
}

func (k kept) Refresh(ctx context.Context, seen uint64) (bool, error) {
	return k.handle.Refresh(ctx, seen)
}

// Check reads one secret and returns what may be told about it.
func (k *Keeper) Check(ctx context.Context, cfg secrets.Secrets, ref source.Ref) (source.Info, error) {
	h, err := k.one(ctx, cfg, ref)
	if err != nil {
		return source.Info{}, err
	}
	return h.Info(), nil
}

// Read reads one secret, for a verb that needs it once.
func (k *Keeper) Read(ctx context.Context, cfg secrets.Secrets, ref source.Ref) (string, error) {
	h, err := k.one(ctx, cfg, ref)
	if err != nil {
		return "", err
	}
	v, err := h.Get()
	return v.Text, err
}

func (k *Keeper) one(ctx context.Context, cfg secrets.Secrets, ref source.Ref) (*source.Handle, error) {
	if err := cfg.Check(ref.String()); err != nil {
		return nil, err
	}
	opened, err := k.open(ctx, cfg, ref.Source)
	if err != nil {
		return nil, fmt.Errorf("secrets.%s: %w", ref.Source, err)
	}
	r := source.New(map[string]source.Source{ref.Source: opened}, cfg.Rules(), k.watch)
	h, err := r.Handle(ref)
	if err != nil {
		return nil, err
	}
	r.Load(ctx)
	_, err = h.Get()
	return h, err
}

// tick is how often it is looked which secrets are due.
const tick = time.Second

// Run keeps the secrets in force fresh until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if s := k.now.Load(); s != nil {
				s.resolver.Refresh(ctx)
			}
		}
	}
}
