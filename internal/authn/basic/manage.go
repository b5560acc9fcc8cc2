package basic

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
)

var (
	// ErrInvalid marks a request that a person must correct.
	ErrInvalid = errors.New("invalid request")

	errPanicked = errors.New("checking a password was broken off")
)

const (
	maxGrants = 100
	maxWord   = 100
	maxReason = 200
)

// Add asks for a user.
type Add struct {
	Name     string
	Password string // "" = one is generated
	Roles    []string
	Scopes   []string
	By       portcullis.Actor
}

// Added is a user with the password that was generated for it; "" if it was
// given.
type Added struct {
	User     User
	Password string
}

// Generate returns a password of 128 random bits.
func Generate() string { return rand.Text() }

// Add makes a user and records USER_CREATED. Errors that the request causes are
// [ErrInvalid] or [ErrExists]. A user whose creation could not be recorded is
// taken back.
func (s *Service) Add(ctx context.Context, req Add) (Added, error) {
	name, err := Canonical(req.Name)
	if err != nil {
		return Added{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	now := s.clock().UTC().Truncate(time.Microsecond)
	rec := Record{Name: name, Roles: unique(req.Roles), Scopes: unique(req.Scopes), CreatedAt: now, ChangedAt: now, Epoch: 1}
	if err := s.validateGrants(rec.Roles, rec.Scopes); err != nil {
		return Added{}, err
	}
	made, hash, err := s.newHash(ctx, name, req.Password)
	if err != nil {
		return Added{}, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	rec.ID, rec.Hash = hex.EncodeToString(id[:]), hash
	if err := s.store.Put(ctx, rec); err != nil {
		return Added{}, fmt.Errorf("storing user: %w", err)
	}
	if err := s.record(ctx, portcullis.EventUserCreated, &rec, req.By, "create", ""); err != nil {
		undo := s.store.Remove(context.WithoutCancel(ctx), rec.ID, 1)
		return Added{}, errors.Join(fmt.Errorf("recording a new user: %w", err), undo)
	}
	return Added{User: rec.User(), Password: made}, nil
}

// newHash hashes a new password; made is the one that was generated.
func (s *Service) newHash(ctx context.Context, name, given string) (made, hash string, err error) {
	text := given
	if given == "" {
		made = Generate()
		for utf8.RuneCountInString(made) < s.cfg.MinLength {
			made += Generate()
		}
		text = made
	}
	text, err = s.cfg.newPassword(name, text)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	hash, err = s.hasher.Hash(ctx, text)
	if err != nil {
		return "", "", fmt.Errorf("hashing a password: %w", err)
	}
	return made, hash, nil
}

func (s *Service) validateGrants(roles, scopes []string) error {
	if len(roles) > maxGrants || len(scopes) > maxGrants {
		return fmt.Errorf("%w: roles, scopes: want at most %d of each", ErrInvalid, maxGrants)
	}
	for _, r := range roles {
		if !isWord(r) {
			return fmt.Errorf("%w: roles: %q: want 1 to %d letters, digits and . _ - : /", ErrInvalid, r, maxWord)
		}
	}
	for _, sc := range scopes {
		if err := s.validateScope(sc); err != nil {
			return fmt.Errorf("%w: scopes: %w", ErrInvalid, err)
		}
	}
	return nil
}

func isWord(s string) bool {
	return s != "" && len(s) <= maxWord && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-:/", r)
	})
}

// List returns all users by name.
func (s *Service) List(ctx context.Context) ([]User, error) {
	recs, err := s.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	users := make([]User, len(recs))
	for i := range recs {
		users[i] = recs[i].User()
	}
	return users, nil
}

// SetPassword gives a user another password, "" for one that is generated and
// returned, ends the user's sessions and records USER_PASSWORD_CHANGED.
func (s *Service) SetPassword(ctx context.Context, name, password string, by portcullis.Actor) (Added, error) {
	canonical, err := Canonical(name)
	if err != nil {
		return Added{}, ErrNotFound
	}
	if _, err := s.get(ctx, canonical); err != nil { // before the work of a hash
		return Added{}, err
	}
	made, hash, err := s.newHash(ctx, canonical, password)
	if err != nil {
		return Added{}, err
	}
	user, err := s.change(ctx, canonical, change{event: portcullis.EventUserPasswordChanged, action: "password", reason: "password changed", by: by}, func(r *Record) {
		r.Hash, r.ChangedAt = hash, s.clock().UTC().Truncate(time.Microsecond)
	})
	return Added{User: user, Password: made}, err
}

// SetGrants replaces the roles or the scopes of a user, or both; nil leaves
// them. It ends the user's sessions, which hold the old ones, and records
// USER_ROLES_CHANGED.
func (s *Service) SetGrants(ctx context.Context, name string, roles, scopes []string, by portcullis.Actor) (User, error) {
	if err := s.validateGrants(roles, scopes); err != nil {
		return User{}, err
	}
	return s.change(ctx, name, change{event: portcullis.EventUserRolesChanged, action: "roles", reason: "roles changed", by: by}, func(r *Record) {
		if roles != nil {
			r.Roles = unique(roles)
		}
		if scopes != nil {
			r.Scopes = unique(scopes)
		}
	})
}

// SetDisabled bars a user, or admits one again, ends the user's sessions and
// records USER_DISABLED or USER_ENABLED.
func (s *Service) SetDisabled(ctx context.Context, name string, disabled bool, reason string, by portcullis.Actor) (User, error) {
	c := change{event: portcullis.EventUserEnabled, action: "enable", reason: reason, by: by}
	if disabled {
		c.event, c.action = portcullis.EventUserDisabled, "disable"
	}
	return s.change(ctx, name, c, func(r *Record) { r.Disabled = disabled })
}

// Remove deletes a user and records USER_REMOVED. The user is disabled first,
// so that whatever fails afterwards leaves one who is kept out, and Remove can
// be repeated.
func (s *Service) Remove(ctx context.Context, name, reason string, by portcullis.Actor) error {
	canonical, err := Canonical(name)
	if err != nil {
		return ErrNotFound
	}
	if err := validReason(reason); err != nil {
		return err
	}
	for range maxTries {
		rec, err := s.disable(ctx, canonical)
		if err != nil {
			return err
		}
		if err := s.endSessions(ctx, &rec, "user removed", by); err != nil {
			return err
		}
		err = s.store.Remove(ctx, rec.ID, rec.Version)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("removing user: %w", err)
		}
		if err := s.record(ctx, portcullis.EventUserRemoved, &rec, by, "remove", reason); err != nil {
			return fmt.Errorf("the user is removed, but recording it: %w", err)
		}
		return nil
	}
	return fmt.Errorf("removing user: %w", ErrConflict)
}

// change is what happens to a user beside the change of the record.
type change struct {
	event  portcullis.EventType
	action string
	reason string
	by     portcullis.Actor
}

// change stores a change, drops what was proved before, ends the sessions, and
// records it, in this order: a failure on the way leaves less access, not more.
func (s *Service) change(ctx context.Context, name string, c change, apply func(*Record)) (User, error) {
	canonical, err := Canonical(name)
	if err != nil {
		return User{}, ErrNotFound
	}
	if err := validReason(c.reason); err != nil {
		return User{}, err
	}
	rec, err := s.update(ctx, canonical, apply)
	if err != nil {
		return User{}, err
	}
	if err := s.endSessions(ctx, &rec, c.reason, c.by); err != nil {
		return User{}, err
	}
	if err := s.record(ctx, c.event, &rec, c.by, c.action, c.reason); err != nil {
		return rec.User(), fmt.Errorf("the user is changed, but recording it: %w", err)
	}
	return rec.User(), nil
}

// update applies a change to the stored record, whoever else changes it.
func (s *Service) update(ctx context.Context, name string, apply func(*Record)) (Record, error) {
	defer s.forget(name) // whatever the store answers: a write that timed out may have happened
	for range maxTries {
		rec, err := s.get(ctx, name)
		if err != nil {
			return Record{}, err
		}
		apply(&rec)
		rec.Epoch++
		switch err := s.store.Put(ctx, rec); {
		case errors.Is(err, ErrConflict):
			continue
		case err != nil:
			return Record{}, fmt.Errorf("storing user: %w", err)
		}
		rec.Version++
		return rec, nil
	}
	return Record{}, fmt.Errorf("storing user: %w", ErrConflict)
}

// disable makes sure that a user is disabled.
func (s *Service) disable(ctx context.Context, name string) (Record, error) {
	rec, err := s.get(ctx, name)
	if err != nil {
		return Record{}, err
	}
	if rec.Disabled {
		s.forget(name)
		return rec, nil
	}
	return s.update(ctx, name, func(r *Record) { r.Disabled = true })
}

// forget drops what this process remembers of a user, the lock included.
func (s *Service) forget(name string) {
	s.names.Forget(lockKey(s.tag("name", name)))
	s.verified.drop(name)
	s.familiar.drop(name)
}

func (s *Service) endSessions(ctx context.Context, rec *Record, reason string, by portcullis.Actor) error {
	if s.sessions == nil {
		return nil
	}
	if err := s.sessions.EndSessions(ctx, rec.Subject(), reason, by); err != nil {
		return fmt.Errorf("the user is changed, but sessions from before may go on; ending them: %w", err)
	}
	return nil
}

// record writes what an operator did. The name stands in it: it is a user's.
func (s *Service) record(ctx context.Context, typ portcullis.EventType, rec *Record, by portcullis.Actor, action, reason string) error {
	return s.recorder.Record(context.WithoutCancel(ctx), &portcullis.Event{
		Time: s.clock(), Type: typ, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Actor: by, Resource: rec.Subject(), Action: "user/" + action, Reason: reason,
		Details: []slog.Attr{
			slog.String("name", rec.Name), slog.String("roles", strings.Join(rec.Roles, " ")), slog.String("scopes", strings.Join(rec.Scopes, " ")),
		},
	})
}

func validReason(reason string) error {
	if len(reason) > maxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: reason: want at most %d printable characters", ErrInvalid, maxReason)
	}
	return nil
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
