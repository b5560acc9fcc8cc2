package token

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// Errors that the caller of a method can do something about.
var (
	// ErrInvalid marks a request that a person must correct.
	ErrInvalid = errors.New("invalid session request")
	// ErrOff says that no login method is configured and identity.session is
	// not enabled.
	ErrOff = errors.New("sessions are off: set identity.session.enabled, or configure a login method")
)

// Bounds on what a session may carry.
const (
	maxSubject = 255
	maxScopes  = 256
)

// Open begins a session. The grant is the only place that shows its tokens.
// What the login method got wrong is [ErrInvalid]; a session that could not be
// recorded is ended again and not returned.
func (s *Service) Open(ctx context.Context, l Login) (Grant, error) {
	c := s.cfg.Load()
	if !c.On {
		return Grant{}, ErrOff
	}
	now := stored(s.now())
	sn := Session{
		ID: newSessionID(), Subject: l.Subject, Name: l.Name, Method: l.Method, Roles: unique(l.Roles), Scopes: unique(l.Scopes),
		CreatedAt: now, UsedAt: now, ExpiresAt: now.Add(c.TTL),
	}
	if !l.Until.IsZero() && l.Until.Before(sn.ExpiresAt) {
		sn.ExpiresAt = stored(l.Until)
	}
	if err := s.check(&sn, now); err != nil {
		return Grant{}, err
	}
	refresh := s.texts.make(c.RefreshPrefix, sn.ID)
	sn.Refresh = s.texts.hash(refresh)
	g, err := s.begin(ctx, &sn, c.AccessTTL, l.By, portcullis.EventSessionOpened, "open")
	if err != nil {
		return Grant{}, err
	}
	g.RefreshToken = refresh
	return g, nil
}

// begin signs the access token of a new session, stores the session and records
// it, in this order: what cannot be told of is not given.
func (s *Service) begin(ctx context.Context, sn *Session, ttl time.Duration, by portcullis.Actor, event portcullis.EventType, action string) (Grant, error) {
	if by.IP.IsValid() {
		sn.IP = by.IP.String()
	}
	g, err := s.access(sn, ttl, sn.CreatedAt)
	if err != nil {
		return Grant{}, err
	}
	ended, err := s.store.AddSession(ctx, *sn, s.cfg.Load().MaxPerSubject, "max_sessions")
	if err != nil {
		return Grant{}, fmt.Errorf("storing a session: %w", err)
	}
	err = s.record(ctx, event, portcullis.SeverityInfo, by, action, resource(sn.ID), "",
		slog.String("subject", sn.Subject), slog.String("method", sn.Method), slog.Time("expires_at", sn.ExpiresAt),
		slog.String("scopes", strings.Join(sn.Scopes, " ")), slog.String("roles", strings.Join(sn.Roles, " ")))
	if err == nil {
		err = s.told(ctx, ended, sn.Subject, portcullis.Actor{ID: "portcullis", Method: "limit"}, portcullis.SeverityWarn, "max_sessions")
	}
	if err != nil {
		_, undo := s.store.End(context.WithoutCancel(ctx), sn.ID, "opening was not recorded", stored(s.now()))
		return Grant{}, errors.Join(fmt.Errorf("recording a session: %w", err), undo)
	}
	return g, nil
}

// Issue is a request of an operator for an access token without a login.
type Issue struct {
	Subject string
	Name    string
	Roles   []string
	Scopes  []string
	TTL     time.Duration // 0 = 15 minutes, or the configured bound if that is less
	By      portcullis.Actor
}

// Issue gives an access token, and no refresh token, that is accepted on routes
// which list the method "jwt".
func (s *Service) Issue(ctx context.Context, i Issue) (Grant, error) {
	c := s.cfg.Load()
	if !c.On {
		return Grant{}, ErrOff
	}
	if i.TTL == 0 {
		i.TTL = min(MaxAccessTTL, c.IssueTTLMax)
	}
	if i.TTL < time.Second || i.TTL > c.IssueTTLMax {
		return Grant{}, fmt.Errorf("%w: ttl: %q: want between \"1s\" and identity.session.issue_ttl_max, %q", ErrInvalid, i.TTL, c.IssueTTLMax)
	}
	now := stored(s.now())
	sn := Session{
		ID: newSessionID(), Subject: i.Subject, Name: i.Name, Method: jwt.MethodJWT, Roles: unique(i.Roles), Scopes: unique(i.Scopes),
		CreatedAt: now, UsedAt: now, ExpiresAt: now.Add(i.TTL),
	}
	if err := s.check(&sn, now); err != nil {
		return Grant{}, err
	}
	return s.begin(ctx, &sn, i.TTL, i.By, portcullis.EventTokenIssued, "issue")
}

// check refuses what a token could not carry or nobody could mean.
func (s *Service) check(sn *Session, now time.Time) error {
	switch {
	case !isText(sn.Subject, maxSubject) || sn.Subject == "":
		return fmt.Errorf("%w: subject: want 1 to %d printable characters", ErrInvalid, maxSubject)
	case !isText(sn.Name, maxSubject):
		return fmt.Errorf("%w: name: want at most %d printable characters", ErrInvalid, maxSubject)
	case !isText(sn.Method, 32) || sn.Method == "":
		return fmt.Errorf("%w: method: want the name of a method", ErrInvalid)
	case !sn.ExpiresAt.After(now):
		return fmt.Errorf("%w: the session would be over", ErrInvalid)
	case len(sn.Scopes) == 0 && len(sn.Roles) == 0:
		return fmt.Errorf("%w: scopes: want at least one, or a role", ErrInvalid)
	case len(sn.Scopes) > maxScopes || len(sn.Roles) > maxScopes:
		return fmt.Errorf("%w: want at most %d scopes and roles", ErrInvalid, maxScopes)
	}
	for _, scope := range sn.Scopes {
		if err := s.validateScope(scope); err != nil {
			return fmt.Errorf("%w: scopes: %w", ErrInvalid, err)
		}
		if !isName(scope) {
			return fmt.Errorf("%w: scopes: %q: a token carries no scope with such characters", ErrInvalid, scope)
		}
	}
	for _, role := range sn.Roles {
		if role == "" || !isText(role, maxSubject) {
			return fmt.Errorf("%w: roles: %q: want the name of a role", ErrInvalid, role)
		}
	}
	return nil
}

func isText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, jws.IsControl)
}

// accessClaims is the payload of an access token (RFC 9068).
type accessClaims struct {
	Issuer    string   `json:"iss"`
	Audience  []string `json:"aud"`
	Subject   string   `json:"sub"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	ID        string   `json:"jti"`
	Session   string   `json:"sid"`
	Methods   []string `json:"amr"`
	Scope     string   `json:"scope,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Name      string   `json:"name,omitempty"`
}

// access signs an access token of a session. It ends when the session does.
func (s *Service) access(sn *Session, ttl time.Duration, now time.Time) (Grant, error) {
	c := s.cfg.Load()
	until := now.Add(ttl)
	if until.After(sn.ExpiresAt) {
		until = sn.ExpiresAt
	}
	part := make([]byte, 9)
	_, _ = rand.Read(part) // never fails
	payload, err := json.Marshal(accessClaims{
		Issuer: c.Issuer, Audience: c.Audience, Subject: sn.Subject, IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: until.Unix(),
		ID: sn.ID + "." + base64.RawURLEncoding.EncodeToString(part), Session: sn.ID, Methods: []string{sn.Method},
		Scope: strings.Join(sn.Scopes, " "), Roles: sn.Roles, Name: sn.Name,
	})
	if err != nil {
		return Grant{}, fmt.Errorf("access token: %w", err)
	}
	text, err := s.ring.Sign(payload)
	if err != nil {
		return Grant{}, err
	}
	if len(text) > jws.MaxToken {
		return Grant{}, fmt.Errorf("%w: scopes and roles make a token of %d bytes, over %d", ErrInvalid, len(text), jws.MaxToken)
	}
	return Grant{AccessToken: text, ExpiresIn: until.Sub(now).Truncate(time.Second), SessionID: sn.ID}, nil
}

func resource(id string) string { return "session:" + id }

// stored is a time as a store keeps it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// unique returns the texts without repetition, in their order.
func unique(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
