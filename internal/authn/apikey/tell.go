package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Notice tells the owner of a key what became of it: ids and times, never a
// secret.
type Notice struct {
	ID          string               `json:"id"` // the same for the same change
	Type        portcullis.EventType `json:"type"`
	Time        time.Time            `json:"time"`
	KeyID       string               `json:"key_id"`
	Owner       string               `json:"owner"`
	Successor   string               `json:"successor,omitempty"`
	DeprecateAt *time.Time           `json:"deprecate_at,omitempty"`
	RevokeAt    *time.Time           `json:"revoke_at,omitempty"`
}

// Notifier passes notices on. Notify returns when the notice is stored, not
// when it has arrived, and takes the same notice twice for one.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// pageSize is how many records a sweep reads at a time.
const pageSize = 500

// Sweep writes down and tells what has become of keys by the passing of time:
// API_KEY_DEPRECATED, API_KEY_REVOKED, and whatever a process that was killed
// did not come to tell. Nothing depends on it for safety: a status is computed
// whenever a key is used. Each change is told once, and again only if the
// process ends between the telling and the note of it.
func (s *Service) Sweep(ctx context.Context) error {
	return s.each(ctx, func(r *Record) error {
		if quiet(r, s.now()) {
			return nil
		}
		return s.tell(ctx, r.ID, portcullis.Actor{ID: sweeper}, "")
	})
}

// quiet reports whether there is nothing to write down or to tell.
func quiet(r *Record, now time.Time) bool {
	at := r.StatusAt(now)
	return at == r.Status && at <= max(r.Told, StatusActive)
}

// sweeper is the actor of what time alone does.
const sweeper = "portcullis"

// each calls fn with every record, and with the next one if it fails.
func (s *Service) each(ctx context.Context, fn func(*Record) error) error {
	var errs []error
	page := Page{Limit: pageSize}
	for {
		recs, err := s.store.List(ctx, page)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("listing api keys: %w", err))...)
		}
		for i := range recs {
			errs = append(errs, fn(&recs[i]))
		}
		if len(recs) < pageSize || ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		page.After = recs[len(recs)-1].ID
	}
}

// settle writes down that a key is over, before a caller is told so: a clock
// that is set back does not revive it.
func (s *Service) settle(ctx context.Context, id string) {
	ctx = context.WithoutCancel(ctx) // the caller may be gone
	if err := s.tell(ctx, id, portcullis.Actor{ID: sweeper}, ""); err != nil {
		s.log.WarnContext(ctx, "end of an api key not written, trying again", "key_id", id, "error", err)
	}
}

// tell makes the stored status what it is now, then records and passes on what
// nobody has heard of yet, then notes that it did. One at a time, so that no
// two tell the same; whoever comes second finds nothing left.
func (s *Service) tell(ctx context.Context, id string, by portcullis.Actor, reason string) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	for range maxLoads {
		rec, err := s.get(ctx, id)
		if err != nil {
			return err
		}
		if err = s.tellOnce(ctx, rec, by, reason); !contended(err) {
			return err
		}
	}
	return fmt.Errorf("writing the status of api key %s: %w", id, ErrConflict)
}

func (s *Service) tellOnce(ctx context.Context, rec Record, by portcullis.Actor, reason string) error {
	now := s.now()
	if quiet(&rec, now) {
		return nil
	}
	at := rec.StatusAt(now)
	if at == StatusRevoked && rec.RevokedAt.IsZero() {
		rec.RevokedAt, rec.RevokeReason = now, rec.WhyOver(now)
	}
	if at != rec.Status {
		rec.Status = at
		if err := s.put(ctx, &rec); err != nil {
			return err
		}
	}
	for _, typ := range untold(&rec) {
		if err := s.announce(ctx, &rec, typ, by, reason, now); err != nil {
			return err
		}
	}
	return s.note(ctx, rec, at)
}

// note remembers what was told. If the key changed meanwhile, what is to be
// told of that is left to whoever changed it.
func (s *Service) note(ctx context.Context, rec Record, told Status) error {
	for range maxLoads {
		rec.Told = told
		err := s.put(ctx, &rec)
		if !contended(err) {
			return err
		}
		if rec, err = s.get(ctx, rec.ID); err != nil {
			return err
		}
	}
	return fmt.Errorf("noting what was told of api key %s: %w", rec.ID, ErrConflict)
}

// put stores one changed record.
func (s *Service) put(ctx context.Context, rec *Record) error {
	if err := s.store.Put(ctx, *rec); err != nil {
		return fmt.Errorf("storing api key %s: %w", rec.ID, err)
	}
	rec.Version++
	s.Invalidate(rec.ID)
	return nil
}

// untold lists the events of a key that nobody has heard of.
func untold(r *Record) []portcullis.EventType {
	var out []portcullis.EventType
	if r.Told < StatusRotating && !r.RotatedAt.IsZero() {
		out = append(out, portcullis.EventAPIKeyRotated)
	}
	switch r.Status {
	case StatusDeprecated:
		out = append(out, portcullis.EventAPIKeyDeprecated)
	case StatusRevoked:
		out = append(out, portcullis.EventAPIKeyRevoked)
	case StatusActive, StatusRotating:
	}
	return out
}

func (s *Service) announce(ctx context.Context, r *Record, typ portcullis.EventType, by portcullis.Actor, reason string, now time.Time) error {
	details := []slog.Attr{slog.String("keyId", r.ID)}
	n := Notice{
		ID: r.ID + ":" + string(typ), Type: typ, Time: now, KeyID: r.ID, Owner: r.Owner, Successor: r.Successor,
		DeprecateAt: optional(r.DeprecateAt), RevokeAt: optional(r.End()),
	}
	action := "revoke"
	switch typ {
	case portcullis.EventAPIKeyRotated:
		action = "rotate"
		details = append(details, slog.String("successor", r.Successor), slog.String("rotatedBy", r.RotatedBy))
	case portcullis.EventAPIKeyDeprecated:
		action = "deprecate"
		details = append(details, slog.String("successor", r.Successor))
	default:
		reason = r.RevokeReason
		details = append(details, slog.String("reason", reason))
	}
	if err := s.record(ctx, typ, r, by, action, reason, details...); err != nil {
		return err
	}
	if s.notifier == nil {
		return nil
	}
	if err := s.notifier.Notify(ctx, n); err != nil {
		return fmt.Errorf("storing a notice: %w", err)
	}
	return nil
}
