package jwt

import (
	"context"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// MethodSession names the service of the gateway's own tokens.
const MethodSession = "session"

// Own is what a service asks that verifies tokens which this gateway signs.
type Own interface {
	// Key returns the verification key of a kid, nil if there is none.
	Key(kid string) *jws.Key
	// Live returns nil while the session of a token may be used, a jws.Reason
	// when it may not, and any other error when nobody can tell.
	Live(ctx context.Context, session, subject string) error
	// Epoch changes with every revocation.
	Epoch() uint64
}

// NewOwn returns the service of the gateway's own tokens. Its principals are
// the subjects as they are, and their method is the one that opened the
// session: a route admits them only where it lists that method. clock may be
// nil for time.Now.
func NewOwn(issuer string, audience []string, maxLifetime time.Duration, own Own, clock func() time.Time) (*Service, error) {
	if issuer == "" || len(audience) == 0 {
		return nil, errors.New("own tokens: no issuer or no audience")
	}
	if clock == nil {
		clock = time.Now
	}
	cfg := Config{
		Method: MethodSession, Issuer: issuer, Alias: MethodSession, Audience: audience, Algorithms: []string{"EdDSA"},
		Types: []string{"at+jwt"}, Leeway: ownLeeway, MaxLifetime: maxLifetime, RolesClaim: "roles", JWKSTTL: maxLifetime + ownLeeway,
	}
	return &Service{
		cfg: cfg, algs: cfg.Algorithms, types: cfg.Types, now: clock, cache: newCache(cacheSize), own: own, keys: ownKeys{own},
		revoked: expiring{limit: maxRevoked},
	}, nil
}

// ownLeeway is what a clock that is set right may move back.
const ownLeeway = 5 * time.Second

type ownKeys struct{ own Own }

func (o ownKeys) key(_ context.Context, kid string) (*jws.Key, error) {
	if k := o.own.Key(kid); k != nil && kid != "" {
		return k, nil
	}
	return nil, errUnknownKey
}

// session makes the caller of an own token.
func (c *claims) session(cfg *Config) (portcullis.Principal, error) {
	switch {
	case c.sub == "":
		return portcullis.Principal{}, jws.Reason("no sub")
	case c.sid == "" || c.jti == "":
		return portcullis.Principal{}, jws.Reason("no sid or no jti")
	case len(c.amr) != 1 || c.amr[0] == "":
		return portcullis.Principal{}, jws.Reason("not one method of login")
	}
	return portcullis.Principal{
		ID: c.sub, Name: c.name, Method: c.amr[0], KeyID: c.sid,
		Scopes: cfg.grant(c.scopes), Roles: c.roles, Expires: c.expires(), // no leeway: it is this clock that set it
	}, nil
}

// checkOwn asks whether the session of a token lives, and keeps the token if no
// session was revoked meanwhile: a revocation that comes between the answer
// and the cache would be forgotten.
func (s *Service) checkOwn(ctx context.Context, v *verified) (*verified, error) {
	if !s.now().Before(v.until) {
		return nil, s.ofPrincipal(v, jws.Reason("expired"))
	}
	epoch := s.own.Epoch()
	if err := s.own.Live(ctx, v.principal.KeyID, v.principal.ID); err != nil {
		return nil, s.ofPrincipal(v, err)
	}
	s.cache.put(v, func() bool { return s.own.Epoch() == epoch })
	return v, nil
}

// Forget makes the next use of every token of a session ask whether it lives.
func (s *Service) Forget(session string) {
	s.cache.drop(func(v *verified) bool { return v.principal.KeyID == session })
}

// ForgetSubject is [Service.Forget] of all sessions of a subject; "" = of all.
func (s *Service) ForgetSubject(subject string) {
	s.cache.drop(func(v *verified) bool { return subject == "" || v.principal.ID == subject })
}

// admits reports whether a route that lists methods takes the token: any of an
// issuer, and of the gateway's own those opened by one of the methods.
func (s *Service) admits(v *verified, methods []string) bool {
	if s.own == nil {
		return true
	}
	for _, m := range methods {
		if m == v.principal.Method {
			return true
		}
	}
	return false
}

// SessionOf reads the session of an own token from its payload, whose signature
// was checked.
func SessionOf(payload []byte) (string, error) {
	c, err := readClaims(payload, "roles")
	if err == nil && c.sid == "" {
		err = jws.Reason("no sid or no jti")
	}
	return c.sid, err
}
