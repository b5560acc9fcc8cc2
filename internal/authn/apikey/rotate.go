package apikey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/life"
)

// Delivery says how the secret of a successor reaches its holder.
type Delivery uint8

// The deliveries. With the last two the secret does not exist until it is
// fetched, so nobody but its holder ever sees it.
const (
	Reveal   Delivery = iota // shown at once, to who rotates
	ByToken                  // fetched once with a claim token
	ByHolder                 // fetched once with the key that is being rotated
)

// RotateOptions say how to rotate.
type RotateOptions struct {
	Emergency bool // no overlap: the old key ends now
	Delivery  Delivery
	Overlap   time.Duration    // 0 = as configured
	Reason    string           // for the audit log, at most 200 characters
	By        portcullis.Actor // who asks
}

// Rotated is a key's successor. Which of Key and Token is set follows from the
// delivery; both print as [redacted].
type Rotated struct {
	Key   Key
	Token Key
	View  View // of the successor
}

// Rotation is a successor with what is shown once.
type Rotation struct {
	View
	Key        string `json:"key,omitempty"`
	ClaimToken string `json:"claim_token,omitempty"`
}

// Reveal returns the successor with its text or claim token.
func (r Rotated) Reveal() Rotation {
	return Rotation{View: r.View, Key: r.Key.Reveal(), ClaimToken: r.Token.Reveal()}
}

// RotatedError says that a key has a successor that is in its holder's hands,
// so that there is nothing left to rotate.
type RotatedError struct{ ID, Successor string }

// Error names both keys.
func (e *RotatedError) Error() string {
	return fmt.Sprintf("api key %s is rotated already: its successor is %s", e.ID, e.Successor)
}

// Rotate gives a key a successor with the same name, scopes, roles, routes,
// owner, tenant and schedule, and starts the old key's overlap. Both are
// stored in one step, or neither.
//
// Rotating twice makes no second successor. If the first is still unclaimed,
// its secret or a new token (the older one is void) is handed out; if it was
// claimed, the error is a [*RotatedError], or with Emergency the overlap ends
// and the successor is returned without a secret. A revoked key is
// [ErrInvalid]; one that only expired may be rotated, and stays over.
//
// If only the recording fails, the key is rotated and the error says so.
func (s *Service) Rotate(ctx context.Context, id string, o RotateOptions) (Rotated, error) {
	if err := life.Printable("reason", o.Reason, maxReason, true); err != nil {
		return Rotated{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	defer s.Invalidate(id) // whatever the store answers: a write that timed out may have happened
	for range maxLoads {
		old, err := s.get(ctx, id)
		if err != nil {
			return Rotated{}, err
		}
		out, err := s.rotate(ctx, &old, o, s.now())
		if !contended(err) {
			return out, err
		}
	}
	return Rotated{}, fmt.Errorf("rotating api key %s: %w", id, ErrConflict)
}

// contended reports whether somebody else made progress: look again.
func contended(err error) bool { return errors.Is(err, ErrConflict) || errors.Is(err, ErrRegress) }

func (s *Service) rotate(ctx context.Context, old *Record, o RotateOptions, now time.Time) (Rotated, error) {
	switch {
	case old.Successor != "":
		return s.rotateAgain(ctx, old, o, now)
	case old.Status == StatusRevoked:
		return Rotated{}, fmt.Errorf("%w: api key %s is revoked", ErrInvalid, old.ID)
	case old.Unclaimed():
		return Rotated{}, fmt.Errorf("%w: api key %s waits to be claimed; rotate %s to hand it out", ErrInvalid, old.ID, old.Predecessor)
	}
	next := old.Heir(now)
	if next.Expired(now) {
		return Rotated{}, fmt.Errorf("%w: api key %s has reached its own end, %s; create a new key", ErrInvalid, old.ID, old.ExpiresAt.Format(time.RFC3339))
	}
	fresh, err := s.grammar.Generate(s.rand)
	if err != nil {
		return Rotated{}, err
	}
	next.ID, old.Successor = fresh.ID(), fresh.ID()
	out, err := s.hand(&next, o.Delivery, now)
	if err != nil {
		return Rotated{}, err
	}
	old.RotatedBy = o.By.ID
	old.Retire(now, cmp.Or(o.Overlap, s.overlap), o.Emergency, o.Reason)
	if err := s.store.Put(ctx, next, *old); err != nil {
		return Rotated{}, fmt.Errorf("rotating api key %s: %w", old.ID, err)
	}
	s.Invalidate(old.ID) // before the audit log is written, which may take long
	s.Invalidate(next.ID)
	out.View = next.ViewAt(now)
	if err := s.tell(ctx, old.ID, o.By, o.Reason); err != nil {
		return out, fmt.Errorf("api key %s is rotated, but recording it: %w", old.ID, err)
	}
	return out, nil
}

// rotateAgain answers for a key that has a successor.
func (s *Service) rotateAgain(ctx context.Context, old *Record, o RotateOptions, now time.Time) (Rotated, error) {
	next, err := s.get(ctx, old.Successor)
	if err != nil {
		return Rotated{}, err
	}
	open := next.Unclaimed() && next.StatusAt(now) == StatusActive
	if !open && (!o.Emergency || old.Status == StatusRevoked) {
		return Rotated{}, &RotatedError{ID: old.ID, Successor: next.ID}
	}
	put := make([]Record, 0, 2)
	var out Rotated
	if open && o.Delivery != ByHolder {
		if out, err = s.hand(&next, o.Delivery, now); err != nil {
			return Rotated{}, err
		}
		put = append(put, next)
	}
	ends := o.Emergency && old.Status != StatusRevoked
	if ends {
		old.Revoke(now, life.EmergencyReason(o.Reason))
		put = append(put, *old)
	}
	if len(put) > 0 {
		if err := s.store.Put(ctx, put...); err != nil {
			return Rotated{}, fmt.Errorf("rotating api key %s: %w", old.ID, err)
		}
	}
	s.Invalidate(next.ID)
	out.View = next.ViewAt(now)
	if out.Key.ID() != "" {
		if err := s.recordClaim(ctx, &next, o.By); err != nil {
			return out, err
		}
	}
	if !ends {
		return out, nil
	}
	s.Invalidate(old.ID)
	if err := s.tell(ctx, old.ID, o.By, o.Reason); err != nil {
		return out, fmt.Errorf("api key %s is revoked, but recording it: %w", old.ID, err)
	}
	return out, nil
}

// hand gives a new or unclaimed key its secret or a claim token.
func (s *Service) hand(r *Record, d Delivery, now time.Time) (out Rotated, err error) {
	if d != Reveal && r.ClaimUntil.IsZero() {
		r.ClaimUntil = now.Add(2 * s.overlap)
	}
	switch d {
	case Reveal:
		if out.Key, err = s.newSecret(s.grammar, r.ID); err != nil {
			return out, err
		}
		r.Hash = s.mac(out.Key.Secret())
		if r.Unclaimed() {
			r.ClaimedAt, r.ClaimHash = now, [32]byte{}
		}
	case ByToken:
		if out.Token, err = s.newSecret(s.claims, r.ID); err != nil {
			return out, err
		}
		r.ClaimHash = s.tokenHash(out.Token)
	case ByHolder:
	}
	return out, nil
}

func (s *Service) newSecret(g Grammar, id string) (Key, error) {
	var random [keytext.RandomLen]byte
	if _, err := io.ReadFull(s.rand, random[:]); err != nil {
		return Key{}, fmt.Errorf("generating api key secret: %w", err)
	}
	return g.Complete(id, random[:]), nil
}

// due reports whether a key is to be renewed by itself: in time for its
// overlap to end when the key does, so that rotation takes nothing from its
// life. A key with an end of its own, and one that waits to be claimed, is not.
func (s *Service) due(r *Record, now time.Time) bool {
	if r.Successor != "" || r.Unclaimed() || !r.Scheduled() || r.StatusAt(now) != StatusActive {
		return false
	}
	lead := min(2*s.overlap, r.Schedule.Period()/4)
	return !now.Before(r.ExpiresAt.Add(-lead))
}

// RotateDue rotates every key whose schedule says so and returns the
// successors, which their holders fetch. What fails is in the error and is
// tried again at the next call.
func (s *Service) RotateDue(ctx context.Context, by portcullis.Actor) ([]Rotated, error) {
	o := RotateOptions{Delivery: ByHolder, Reason: "schedule", By: by}
	return s.rotateEach(ctx, o, func(r *Record) bool { return s.due(r, s.now()) })
}

// RotateAll rotates every key that is in use and has no successor.
func (s *Service) RotateAll(ctx context.Context, o RotateOptions) ([]Rotated, error) {
	return s.rotateEach(ctx, o, func(r *Record) bool {
		return r.StatusAt(s.now()) == StatusActive && !r.Unclaimed()
	})
}

func (s *Service) rotateEach(ctx context.Context, o RotateOptions, want func(*Record) bool) ([]Rotated, error) {
	var ids []string
	err := s.each(ctx, func(r *Record) error {
		if want(r) {
			ids = append(ids, r.ID)
		}
		return nil
	})
	out := make([]Rotated, 0, len(ids))
	errs := []error{err}
	for _, id := range ids {
		r, err := s.Rotate(ctx, id, o)
		var done *RotatedError
		if errors.As(err, &done) {
			continue // somebody was faster
		}
		if r.View.ID != "" {
			out = append(out, r)
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// now is the time that is written into records.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(life.Grain) }
