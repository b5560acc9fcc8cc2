package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// end ends a session, in the store first and then in what was verified.
func (s *Service) end(ctx context.Context, id, reason string) (bool, error) {
	ended, err := s.store.End(ctx, id, reason, stored(s.now()))
	s.forget(id) // also after an error: it may have happened
	return ended, err
}

// forget makes sure that no token of a session is taken from a cache.
func (s *Service) forget(ids ...string) {
	s.eachVerifier(func(v *jwt.Service) {
		for _, id := range ids {
			v.Forget(id)
		}
	})
}

// eachVerifier tells every verifier that sessions ended. The epoch comes first:
// see jwt.Service.
func (s *Service) eachVerifier(tell func(*jwt.Service)) {
	s.epoch.Add(1)
	s.mu.Lock()
	verifiers := s.verifiers.living()
	s.mu.Unlock()
	for _, v := range verifiers {
		tell(v)
	}
}

// told forgets and records sessions that were ended.
func (s *Service) told(ctx context.Context, ids []string, subject string, by portcullis.Actor, sev portcullis.Severity, reason string) error {
	if len(ids) == 0 {
		return nil
	}
	s.forget(ids...)
	var errs []error
	for _, id := range ids {
		var details []slog.Attr
		if subject != "" {
			details = append(details, slog.String("subject", subject))
		}
		errs = append(errs, s.record(ctx, portcullis.EventSessionRevoked, sev, by, "revoke", resource(id), reason, details...))
	}
	return errors.Join(errs...)
}

// What [Service.Revoke] revoked.
const (
	KindSession = "session" // a session of this gateway, with all its tokens
	KindToken   = "token"   // a token of another issuer
)

const maxReason = 200

// Revoke ends what an id names: a session by its id or by the jti of one of its
// tokens, else the token of another issuer by its jti, by the form of it that
// events show ("jti:…") or by the SHA-256 of the token in hexadecimal. It holds
// from the next call on and after a restart. ErrNotFound: there is no such
// session, and no other issuer whose token it could be.
func (s *Service) Revoke(ctx context.Context, id, reason string, by portcullis.Actor) (kind string, err error) {
	if id == "" || !isText(id, 512) || !isText(reason, maxReason) {
		return "", fmt.Errorf("%w: want an id, and a reason of at most %d characters", ErrInvalid, maxReason)
	}
	session, _, _ := strings.Cut(id, ".")
	if isSessionID(session) {
		sn, err := s.store.Session(ctx, session)
		if err == nil {
			return KindSession, s.revokeSession(ctx, &sn, reason, by)
		}
		if !errors.Is(err, ErrNotFound) {
			return "", fmt.Errorf("looking for a session: %w", err)
		}
	}
	return KindToken, s.revokeForeign(ctx, id, reason, by)
}

func (s *Service) revokeSession(ctx context.Context, sn *Session, reason string, by portcullis.Actor) error {
	ended, err := s.end(ctx, sn.ID, reason)
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	if !ended { // it was over: nothing happened
		return nil
	}
	return s.record(ctx, portcullis.EventSessionRevoked, portcullis.SeverityWarn, by, "revoke", resource(sn.ID), reason, slog.String("subject", sn.Subject))
}

// RevokeSubject ends all sessions of a subject, as when a password changes, and
// returns how many there were.
func (s *Service) RevokeSubject(ctx context.Context, subject, reason string, by portcullis.Actor) (int, error) {
	if subject == "" || !isText(subject, maxSubject) || !isText(reason, maxReason) {
		return 0, fmt.Errorf("%w: want a subject, and a reason of at most %d characters", ErrInvalid, maxReason)
	}
	return s.revokeAll(ctx, subject, reason, by)
}

// RevokeAll ends every session of this gateway and returns how many there were.
func (s *Service) RevokeAll(ctx context.Context, reason string, by portcullis.Actor) (int, error) {
	if !isText(reason, maxReason) {
		return 0, fmt.Errorf("%w: want a reason of at most %d characters", ErrInvalid, maxReason)
	}
	return s.revokeAll(ctx, "", reason, by)
}

func (s *Service) revokeAll(ctx context.Context, subject, reason string, by portcullis.Actor) (int, error) {
	ids, err := s.store.EndAll(ctx, subject, reason, stored(s.now()))
	if err != nil { // it may have happened all the same, and nobody would be told which ended: all of them ask again
		s.eachVerifier(func(v *jwt.Service) { v.ForgetSubject(subject) })
		return 0, fmt.Errorf("ending sessions: %w", err)
	}
	return len(ids), s.told(ctx, ids, subject, by, portcullis.SeverityWarn, reason)
}

// RevokeByHolder ends the session of an access or refresh token: who holds one
// may end it (RFC 7009). A token that is not of this gateway, or of a session
// that is over, does nothing.
func (s *Service) RevokeByHolder(ctx context.Context, text string, by portcullis.Actor) error {
	id, ok := s.texts.read(text)
	if !ok {
		if id, ok = s.sessionOf(text); !ok {
			return nil
		}
	}
	sn, err := s.store.Session(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for a session: %w", err)
	}
	by.ID, by.Method, by.KeyID = sn.Subject, sn.Method, sn.ID
	return s.revokeSession(ctx, &sn, "revoked by its holder", by)
}

// sessionOf returns the session of an access token that this gateway signed. An
// expired token proves as much: its session may live.
func (s *Service) sessionOf(text string) (string, bool) {
	t, err := jws.Parse(text, false)
	if err != nil || t.Header.Alg != "EdDSA" {
		return "", false
	}
	k := s.ring.Key(t.Header.KeyID)
	if k == nil || jws.Verify(t, k) != nil {
		return "", false
	}
	c, err := jwt.SessionOf(t.Payload)
	return c, err == nil && isSessionID(c)
}

// Follow tells the service of another issuer's tokens what was revoked, and
// from now on what is. To be called before the issuer is in force.
func (s *Service) Follow(ctx context.Context, issuer *jwt.Service) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.store.RevokedTokens(ctx)
	if err != nil {
		return fmt.Errorf("reading revoked tokens: %w", err)
	}
	for _, r := range list {
		if err := issuer.InvalidateSince(r.ID, r.RevokedAt); err != nil {
			return err
		}
	}
	s.foreign = s.foreign.with(issuer)
	return nil
}

// revokeForeign revokes a token of another issuer: in force first, so that a
// store that is away does not keep it working, and then for good.
func (s *Service) revokeForeign(ctx context.Context, id, reason string, by portcullis.Actor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	issuers := s.foreign.living()
	if len(issuers) == 0 {
		return ErrNotFound
	}
	r := RevokedToken{ID: jwt.TokenID(id), RevokedAt: stored(s.now()), Reason: reason}
	for _, issuer := range issuers {
		if err := issuer.InvalidateSince(r.ID, r.RevokedAt); err != nil { // stored, it would be too many at the next start
			return err
		}
	}
	if err := s.store.RevokeToken(ctx, r); err != nil {
		return fmt.Errorf("revoking a token: %w", err)
	}
	return s.record(ctx, portcullis.EventSessionRevoked, portcullis.SeverityWarn, by, "revoke", "token:"+r.ID, reason)
}

// Over reports whether the session of a credential's id was revoked or is over;
// known is false if the id is of no session. One that is idle is not over: its
// holder may refresh it.
func (s *Service) Over(ctx context.Context, id, subject string) (over, known bool, err error) {
	if !isSessionID(id) {
		return false, false, nil
	}
	sn, err := s.store.Session(ctx, id)
	if errors.Is(err, ErrNotFound) { // sessions that are over are removed
		return true, true, nil
	}
	if err != nil {
		return false, true, fmt.Errorf("looking for a session: %w", err)
	}
	return sn.Subject != subject || !sn.EndedAt.IsZero() || !s.now().Before(sn.ExpiresAt), true, nil
}

// Revoked reports whether a token of another issuer was revoked, by the id that
// its principal has as that of the credential: the hash of a jti, or for tokens
// without one the beginning of their own.
func (s *Service) Revoked(ctx context.Context, id string) (bool, error) {
	begin, own := strings.CutPrefix(id, "token:")
	if !own && !strings.HasPrefix(id, "jti:") {
		return false, nil
	}
	list, err := s.store.RevokedTokens(ctx)
	if err != nil {
		return false, fmt.Errorf("reading revoked tokens: %w", err)
	}
	return slices.ContainsFunc(list, func(r RevokedToken) bool {
		return r.ID == id || own && begin != "" && strings.HasPrefix(r.ID, begin)
	}), nil
}
