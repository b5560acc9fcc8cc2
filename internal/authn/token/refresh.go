package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
)

// ErrGrant says that a refresh token is not good: unknown, used before, or of a
// session that is over. Callers are told no more.
var ErrGrant = errors.New("refresh token is not accepted")

// Refresh takes a refresh token, for the one time it is good, and gives the
// next one with a new access token. A token that was good once and is not now
// has been used twice, by its holder or by a thief: the session ends for both.
// There is no grace for a second use at the same moment, because nothing tells
// a repeated request from a stolen token.
func (s *Service) Refresh(ctx context.Context, text string, by portcullis.Actor) (Grant, Session, error) {
	c := s.cfg.Load()
	if !c.On {
		return Grant{}, Session{}, ErrOff
	}
	id, ok := s.texts.read(text)
	if !ok {
		return Grant{}, Session{}, s.refused(ctx, by, "", "not one of this gateway")
	}
	sn, err := s.store.Session(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Grant{}, Session{}, s.refused(ctx, by, id, "of no session")
	}
	if err != nil {
		return Grant{}, Session{}, fmt.Errorf("looking for a session: %w", err)
	}
	by.ID, by.Method, by.KeyID = sn.Subject, sn.Method, sn.ID
	if err := s.lives(&sn); err != nil {
		return Grant{}, Session{}, s.refused(ctx, by, id, err.Error())
	}
	hash := s.texts.hash(text)
	if sn.Refresh != hash {
		return Grant{}, Session{}, s.reused(ctx, &sn, by)
	}
	now := stored(s.now())
	sn.UsedAt = now
	g, err := s.access(&sn, c.AccessTTL, now)
	if err != nil {
		return Grant{}, Session{}, err
	}
	g.RefreshToken = s.texts.make(c.RefreshPrefix, id)
	done, err := s.store.Refresh(ctx, id, hash, s.texts.hash(g.RefreshToken), now)
	if err != nil {
		return Grant{}, Session{}, fmt.Errorf("refreshing a session: %w", err)
	}
	if !done { // somebody else used the same token a moment ago, or the session has ended
		return Grant{}, Session{}, s.reused(ctx, &sn, by)
	}
	err = s.record(ctx, portcullis.EventSessionRefreshed, portcullis.SeverityInfo, by, "refresh", resource(id), "",
		slog.String("subject", sn.Subject))
	if err != nil { // the old token is used up and the new one not given: the session can only end
		_, undo := s.end(context.WithoutCancel(ctx), id, "refresh was not recorded")
		return Grant{}, Session{}, errors.Join(fmt.Errorf("recording a refresh: %w", err), undo)
	}
	return g, sn, nil
}

// reused ends a session of which a used token was presented.
func (s *Service) reused(ctx context.Context, sn *Session, by portcullis.Actor) error {
	ended, err := s.end(context.WithoutCancel(ctx), sn.ID, "refresh_reuse")
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	if !ended { // it was over already
		return s.refused(ctx, by, sn.ID, "revoked")
	}
	err = s.record(ctx, portcullis.EventSessionRevoked, portcullis.SeverityError, by, "revoke", resource(sn.ID), "refresh_reuse",
		slog.String("subject", sn.Subject))
	return errors.Join(ErrGrant, err)
}

// refused records a refresh token that is not accepted.
func (s *Service) refused(ctx context.Context, by portcullis.Actor, id, detail string) error {
	if by.Method == "" {
		by.Method = "refresh_token"
	}
	where := ""
	if id != "" {
		where = resource(id)
	}
	err := s.record(ctx, portcullis.EventAuthFailure, portcullis.SeverityWarn, by, "refresh", where, "invalid_grant", slog.String("detail", detail))
	return errors.Join(ErrGrant, err)
}
