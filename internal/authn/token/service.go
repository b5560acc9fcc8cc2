package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
)

// Options are the parts of a [Service].
type Options struct {
	Store         Store
	Recorder      portcullis.Recorder
	Ring          *signing.Ring
	Pepper        []byte             // at least 32 bytes, for refresh tokens
	ValidateScope func(string) error // the grammar of scopes
	Log           *slog.Logger
	Clock         func() time.Time // nil = time.Now
}

// Service opens, refreshes and ends sessions. It is safe for concurrent use.
// Until [Service.Use] it opens none.
type Service struct {
	store         Store
	recorder      portcullis.Recorder
	ring          *signing.Ring
	texts         refreshTexts
	validateScope func(string) error
	log           *slog.Logger
	now           func() time.Time

	cfg   atomic.Pointer[Config]
	epoch atomic.Uint64

	mu        sync.Mutex
	verifiers followers // of own tokens
	foreign   followers // of other issuers' tokens
}

// New returns a service.
func New(o Options) (*Service, error) {
	switch {
	case o.Store == nil, o.Recorder == nil, o.Ring == nil, o.ValidateScope == nil:
		return nil, errors.New("sessions: no store, recorder, keys or scope grammar")
	case len(o.Pepper) < 32:
		return nil, errors.New("sessions: pepper: want at least 32 bytes")
	}
	s := &Service{
		store: o.Store, recorder: o.Recorder, ring: o.Ring, texts: refreshTexts{slices.Clone(o.Pepper)},
		validateScope: o.ValidateScope, log: o.Log, now: o.Clock,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	off := Default()
	s.cfg.Store(&off)
	return s, nil
}

// followers are verifiers that hear of revocations for as long as anybody uses them:
// those in force, and those of settings past under which calls still run. None
// is dropped for their number, or a revoked token would go on working.
type followers []weak.Pointer[jwt.Service]

// living returns those that somebody still uses.
func (f followers) living() []*jwt.Service {
	var out []*jwt.Service
	for _, p := range f {
		if v := p.Value(); v != nil {
			out = append(out, v)
		}
	}
	return out
}

// with returns the living and another one.
func (f followers) with(v *jwt.Service) followers {
	out := make(followers, 0, len(f)+1)
	for _, p := range f {
		if p.Value() != nil {
			out = append(out, p)
		}
	}
	return append(out, weak.Make(v))
}

// Verifier returns what checks access tokens under given settings; it is the
// one before if nothing changed that concerns it. It is not in force before
// a route uses it.
func (s *Service) Verifier(c Config) (*jwt.Service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.verifiers.living() {
		if have := v.Config(); have.Issuer == c.Issuer && slices.Equal(have.Audience, c.Audience) {
			return v, nil
		}
	}
	v, err := jwt.NewOwn(c.Issuer, c.Audience, MaxIssueTTL, own{s}, s.now)
	if err != nil {
		return nil, err
	}
	s.verifiers = s.verifiers.with(v)
	return v, nil
}

// Use puts settings into force, and makes the first signing keys when sessions
// are turned on.
func (s *Service) Use(ctx context.Context, c Config) error {
	if c.On || c.Documents {
		if err := s.maintainKeys(ctx, c); err != nil {
			return err
		}
	}
	s.cfg.Store(&c)
	return nil
}

// own is the service as the verifier sees it.
type own struct{ *Service }

func (o own) Key(kid string) *jws.Key { return o.ring.Key(kid) }

func (o own) Epoch() uint64 { return o.epoch.Load() }

// Live implements jwt.Own.
func (o own) Live(ctx context.Context, id, subject string) error {
	sn, err := o.store.Session(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return jws.Reason("of no session")
	case err != nil:
		return fmt.Errorf("looking for a session: %w", err)
	case sn.Subject != subject:
		return jws.Reason("of another's session")
	}
	return o.lives(&sn)
}

// lives says why a session may not be used any more, or nil.
func (s *Service) lives(sn *Session) error {
	now := s.now()
	switch {
	case !sn.EndedAt.IsZero():
		return jws.Reason("revoked")
	case !now.Before(sn.ExpiresAt):
		return jws.Reason("the session is over")
	case sn.Refreshes() && !now.Before(sn.UsedAt.Add(s.cfg.Load().Idle)):
		return jws.Reason("the session was idle for too long")
	}
	return nil
}

// Maintain rotates the signing keys that are due and removes sessions that are
// over. The gateway calls it from time to time.
func (s *Service) Maintain(ctx context.Context) error {
	var errs []error
	if c := s.cfg.Load(); c.On || c.Documents {
		errs = append(errs, s.maintainKeys(ctx, *c))
	}
	now := s.now()
	errs = append(errs, s.store.Purge(ctx, now.Add(-keepEnded), now.Add(-keepRevoked)))
	return errors.Join(errs...)
}

// How long what is over is kept: a session for `token list` to tell nothing
// wrong, a revoked token for as long as any may live (jwt.Config).
const (
	keepEnded   = time.Hour
	keepRevoked = 367 * 24 * time.Hour
)

func (s *Service) maintainKeys(ctx context.Context, c Config) error {
	made, err := s.ring.Maintain(ctx, c.KeyRotation, MaxIssueTTL+time.Hour)
	for _, kid := range made {
		rerr := s.recorder.Record(ctx, &portcullis.Event{
			Type: portcullis.EventSecretRotated, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
			Actor: portcullis.Actor{ID: "portcullis", Method: "schedule"}, Action: "rotate", Resource: "signing_key:" + kid,
		})
		err = errors.Join(err, rerr)
	}
	return err
}

// ReplaceKeys makes a key that signs from now on; see [signing.Ring.Replace].
// Sessions live on: who has one refreshes it and gets a token of the new key.
func (s *Service) ReplaceKeys(ctx context.Context, keep bool, reason string, by portcullis.Actor) (string, error) {
	made, gone, err := s.ring.Replace(ctx, keep)
	s.eachVerifier(func(v *jwt.Service) { v.ForgetSubject("") }) // also after an error: some may be gone
	if made == "" {
		return "", err
	}
	return made, errors.Join(err, s.record(ctx, portcullis.EventSecretRotated, portcullis.SeverityWarn, by, "rotate", "signing_key:"+made, reason,
		slog.Int("removed", len(gone)), slog.Bool("overlap", keep)))
}

// record writes what became of a session.
func (s *Service) record(ctx context.Context, t portcullis.EventType, sev portcullis.Severity, by portcullis.Actor, action, resource, reason string, details ...slog.Attr) error {
	out := portcullis.OutcomeSuccess
	if t == portcullis.EventAuthFailure {
		out = portcullis.OutcomeFailure
	}
	return s.recorder.Record(context.WithoutCancel(ctx), &portcullis.Event{
		Type: t, Severity: sev, Outcome: out, Actor: by, Action: action, Resource: resource, Reason: reason, Details: details,
	})
}
