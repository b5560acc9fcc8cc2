package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/life"
)

// ErrInvalid marks a request that a person must correct.
var ErrInvalid = errors.New("invalid api key request")

const (
	maxScopes  = 100
	maxName    = 100
	maxOwner   = 200
	maxReason  = 200
	ownerStart = "key:"
)

// CreateRequest asks for a key.
type CreateRequest struct {
	Name     string    // 1 to 100 printable characters
	Scopes   []string  // at least one, unless there are Roles
	Roles    []string  // names of roles
	Routes   []string  // names of the routes it is good for; empty = all
	Owner    string    // principal it speaks for; "" = one of its own, "key:<id>"
	Tenant   string    // may be empty
	Schedule Schedule  // "" = the configured one
	Expires  time.Time // zero = what Schedule gives

	By portcullis.Actor // who asks, for the audit log
}

// Created is a new key. Key prints as [redacted]; see [Created.Reveal].
type Created struct {
	Key  Key
	View View
}

// Revealed is a new key with its text, for the one time it is shown.
type Revealed struct {
	View
	Key string `json:"key"`
}

// Reveal returns the key with its text.
func (c Created) Reveal() Revealed { return Revealed{View: c.View, Key: c.Key.Reveal()} }

// Create makes and stores a key and records API_KEY_CREATED. Errors that the
// request causes are [ErrInvalid]. A key whose creation could not be recorded
// is revoked again and not returned.
func (s *Service) Create(ctx context.Context, req CreateRequest) (Created, error) {
	now := s.now()
	rec, err := s.newRecord(req, now)
	if err != nil {
		return Created{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	key, err := s.grammar.Generate(s.rand)
	if err != nil {
		return Created{}, err
	}
	rec.ID, rec.Hash = key.ID(), s.mac(key.Secret())
	if rec.Owner == "" {
		rec.Owner = ownerStart + rec.ID
	}
	if err := s.store.Put(ctx, rec); err != nil {
		return Created{}, fmt.Errorf("storing api key: %w", err)
	}
	s.Invalidate(rec.ID)
	err = s.record(ctx, portcullis.EventAPIKeyCreated, &rec, req.By, "create", "",
		slog.String("keyId", rec.ID), slog.String("scopes", strings.Join(rec.Scopes, " ")),
		slog.String("schedule", string(rec.Schedule)))
	if err != nil {
		rec.Version = 1
		rec.Status, rec.RevokedAt, rec.RevokeReason = StatusRevoked, now, "creation was not recorded"
		rec.Told = StatusRevoked // the key was never there
		undo := s.store.Put(context.WithoutCancel(ctx), rec)
		return Created{}, errors.Join(fmt.Errorf("recording a new api key: %w", err), undo)
	}
	return Created{Key: key, View: rec.ViewAt(now)}, nil
}

func (s *Service) newRecord(req CreateRequest, now time.Time) (Record, error) {
	rec := Record{
		Name: req.Name, Scopes: unique(req.Scopes), Roles: unique(req.Roles), Routes: unique(req.Routes),
		Owner: req.Owner, Tenant: req.Tenant, Schedule: req.Schedule, Status: StatusActive, Told: StatusActive,
		CreatedAt: now, ExpiresAt: req.Expires.UTC().Truncate(life.Grain),
	}
	if rec.Schedule == "" {
		rec.Schedule = s.schedule
	}
	if err := rec.Schedule.Validate(); err != nil {
		return rec, err
	}
	if req.Expires.IsZero() {
		rec.ExpiresAt = time.Time{}
		if p := rec.Schedule.Period(); p > 0 {
			rec.ExpiresAt = now.Add(p)
		}
	} else if !rec.ExpiresAt.After(now) {
		return rec, fmt.Errorf("expires: %s is in the past", rec.ExpiresAt.Format(time.RFC3339))
	}
	if err := errors.Join(
		life.Printable("name", rec.Name, maxName, false),
		life.Printable("owner", rec.Owner, maxOwner, true),
		life.Printable("tenant", rec.Tenant, maxOwner, true),
	); err != nil {
		return rec, err
	}
	return rec, s.validateGrants(&rec)
}

func (s *Service) validateGrants(rec *Record) error {
	if len(rec.Scopes)+len(rec.Roles) == 0 {
		return errors.New("scopes: none given, the key could do nothing")
	}
	if len(rec.Scopes) > maxScopes || len(rec.Roles) > maxScopes || len(rec.Routes) > maxScopes {
		return fmt.Errorf("scopes, roles, routes: want at most %d of each", maxScopes)
	}
	for _, scope := range rec.Scopes {
		if err := s.validateScope(scope); err != nil {
			return fmt.Errorf("scopes: %w", err)
		}
	}
	for _, role := range rec.Roles {
		if err := life.Printable("roles", role, maxName, false); err != nil {
			return err
		}
	}
	for _, route := range rec.Routes {
		if err := life.Printable("routes", route, maxName, false); err != nil {
			return err
		}
	}
	return nil
}

// Show returns a key by its id, or [ErrNotFound].
func (s *Service) Show(ctx context.Context, id string) (View, error) {
	rec, err := s.get(ctx, id)
	if err != nil {
		return View{}, err
	}
	return rec.ViewAt(s.clock()), nil
}

// List returns keys, oldest first.
func (s *Service) List(ctx context.Context, page Page) ([]View, error) {
	recs, err := s.store.List(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("listing api keys: %w", err)
	}
	now := s.clock()
	views := make([]View, len(recs))
	for i := range recs {
		views[i] = recs[i].ViewAt(now)
	}
	return views, nil
}

// Revoke ends a key for ever and records API_KEY_REVOKED. When it returns, no
// call that starts later is accepted with the key. Revoking a revoked key
// changes and records nothing. If only the recording fails, the key is revoked
// all the same and the error says so.
func (s *Service) Revoke(ctx context.Context, id, reason string, by portcullis.Actor) (View, error) {
	if err := life.Printable("reason", reason, maxReason, true); err != nil {
		return View{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	// Whatever the store answers: a write that timed out may have happened.
	defer s.Invalidate(id)
	for {
		rec, err := s.get(ctx, id)
		if err != nil {
			return View{}, err
		}
		now := s.now()
		if rec.Status == StatusRevoked {
			return rec.ViewAt(now), nil
		}
		rec.Revoke(now, reason)
		switch err := s.store.Put(ctx, rec); {
		case contended(err):
			continue // somebody else made progress; look again
		case err != nil:
			return View{}, fmt.Errorf("revoking api key %s: %w", id, err)
		}
		s.Invalidate(id) // before the audit log is written, which may take long
		if err := s.tell(ctx, id, by, reason); err != nil {
			return rec.ViewAt(now), fmt.Errorf("api key %s is revoked, but recording it: %w", id, err)
		}
		return rec.ViewAt(now), nil
	}
}

// Verification tells the holder of a key how it stands.
type Verification struct {
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitempty"` // why it is not valid
	Key    *View  `json:"key,omitempty"`    // only if the secret is right
}

// Verify says what [Authenticator] would decide on a key, without side
// effects: no event, no last-used time. It is for operators; a remote caller
// must not see the reason.
func (s *Service) Verify(ctx context.Context, text string) (Verification, error) {
	now := s.clock()
	e, v, err := s.check(ctx, text, now)
	if err != nil {
		return Verification{}, err
	}
	if v != accepted {
		out := Verification{Reason: v.String()}
		if v == refusedExpired || v == refusedRevoked {
			view := e.rec.ViewAt(now)
			out.Key = &view
		}
		return out, nil
	}
	view := e.rec.ViewAt(now)
	return Verification{Valid: true, Key: &view}, nil
}

func (s *Service) get(ctx context.Context, id string) (Record, error) {
	if !keytext.ValidID(id) {
		return Record{}, ErrNotFound
	}
	rec, err := s.store.Get(ctx, id)
	if err != nil {
		return Record{}, fmt.Errorf("reading api key %s: %w", id, err)
	}
	return rec, nil
}

func (s *Service) record(ctx context.Context, typ portcullis.EventType, rec *Record, by portcullis.Actor,
	action, reason string, details ...slog.Attr,
) error {
	return s.recorder.Record(ctx, &portcullis.Event{
		Time: s.clock(), Type: typ, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Actor: by, Resource: "api_key:" + rec.ID, Action: "api_key/" + action, Reason: reason, Details: details,
	})
}

func unique(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
