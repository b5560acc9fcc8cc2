package apikey

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
)

const (
	minPepper        = 32
	defaultCacheSize = 8192
	unknownCacheSize = 1024
	unknownTTL       = 5 * time.Second // a key made on another replica works this soon
	maxLoads         = 8               // store reads per call while keys change under it
)

// Options are what a [Service] needs. Store, Recorder, Pepper and
// ValidateScope have no default: without one of them New refuses, so nothing
// admits callers by omission (requirement S1-10).
type Options struct {
	Config        Config
	Store         Store
	Recorder      portcullis.Recorder
	Pepper        []byte             // at least 32 secret bytes, the same on every replica
	ValidateScope func(string) error // grammar of a scope that is granted

	CacheTTL  time.Duration    // how long a verified key works unasked; 0 = DefaultCacheTTL
	CacheSize int              // verified keys remembered; 0 = 8192
	Notifier  Notifier         // told of every change of status; nil = nobody
	Throttle  Throttle         // counts failed attempts; nil = no limit
	Clock     func() time.Time // nil = time.Now
	Rand      io.Reader        // nil = crypto/rand.Reader
	Log       *slog.Logger     // nil = no log
}

// Service manages keys and checks them. All methods are safe for concurrent
// use. [Service.Run] must run for last-used times to reach the store.
type Service struct {
	grammar       Grammar
	claims        Grammar // of claim tokens
	schedule      Schedule
	overlap       time.Duration
	selfClaim     bool
	store         Store
	recorder      portcullis.Recorder
	validateScope func(string) error
	ttl           time.Duration
	clock         func() time.Time
	rand          io.Reader
	log           *slog.Logger

	notifier Notifier
	throttle Throttle

	mac     func(secret *[32]byte) [32]byte // HMAC-SHA256 under the pepper
	derive  func(parts ...string) [32]byte  // the same for a purpose and texts
	dummy   [32]byte                        // what unknown ids are compared with
	salt    [tagSaltLen]byte                // of the cache's tags, new in each process
	known   *cache
	unknown *cache
	uses    usage

	telling sync.Mutex // one change is told at a time
	told    hourly     // stale uses that were recorded
}

// New checks the options and returns a service.
func New(o Options) (*Service, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("api keys: %w", err)
	}
	switch {
	case o.Store == nil:
		return nil, errors.New("api keys: no store")
	case o.Recorder == nil:
		return nil, errors.New("api keys: no recorder")
	case o.ValidateScope == nil:
		return nil, errors.New("api keys: no scope grammar")
	case len(o.Pepper) < minPepper:
		return nil, fmt.Errorf("api keys: pepper of %d bytes: want at least %d", len(o.Pepper), minPepper)
	case o.CacheTTL < 0 || o.CacheSize < 0:
		return nil, errors.New("api keys: negative cache lifetime or size")
	}
	s := &Service{
		schedule: o.Config.Schedule, store: o.Store, recorder: o.Recorder,
		validateScope: o.ValidateScope, ttl: o.CacheTTL, clock: o.Clock, rand: o.Rand, log: o.Log,
		overlap: o.Config.Overlap, selfClaim: o.Config.SelfClaim, notifier: o.Notifier, throttle: o.Throttle,
		mac: keyedHash(slices.Clone(o.Pepper)), derive: derivation(slices.Clone(o.Pepper)),
		unknown: newCache(unknownCacheSize), uses: usage{store: o.Store},
	}
	s.grammar, _ = NewGrammar(o.Config.Prefix) // checked by Validate
	s.claims, _ = NewGrammar(claimPrefix)
	if s.ttl == 0 {
		s.ttl = DefaultCacheTTL
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	size := o.CacheSize
	if size == 0 {
		size = defaultCacheSize
	}
	s.known = newCache(size)
	// Not from o.Rand: these protect the process, not a key.
	_, _ = rand.Read(s.dummy[:])
	_, _ = rand.Read(s.salt[:])
	return s, nil
}

func keyedHash(pepper []byte) func(*[32]byte) [32]byte {
	return func(secret *[32]byte) (sum [32]byte) {
		h := hmac.New(sha256.New, pepper)
		h.Write(secret[:])
		h.Sum(sum[:0])
		return sum
	}
}

// derivation returns HMAC-SHA256 over texts, the first of which names the
// purpose. No text holds a zero byte, so no two lists of texts read the same.
func derivation(pepper []byte) func(...string) [32]byte {
	return func(parts ...string) (sum [32]byte) {
		h := hmac.New(sha256.New, pepper)
		for _, p := range parts {
			_, _ = io.WriteString(h, p) // a hash takes everything
			h.Write([]byte{0})
		}
		h.Sum(sum[:0])
		return sum
	}
}

// Grammar returns the grammar of the service's keys.
func (s *Service) Grammar() Grammar { return s.grammar }

// Run writes last-used times every 10 s until ctx ends, and once more then.
// It returns nil: a store that is away is logged and asked again.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flushLogged(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushInterval)
			defer cancel()
			s.flushLogged(last)
			return nil
		}
	}
}

// Flush writes the last-used times that are pending now.
func (s *Service) Flush(ctx context.Context) error { return s.uses.flush(ctx) }

func (s *Service) flushLogged(ctx context.Context) {
	if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "last use of api keys not written, trying again", "error", err)
	}
}

// Invalidate makes the next call with the key ask the store: for changes made
// by another process or replica.
func (s *Service) Invalidate(id string) {
	if keytext.ValidID(id) {
		s.known.invalidate(id)
		s.unknown.invalidate(id)
	}
}
