package jwt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

// Service is one issuer: its keys, the tokens of it that were verified, and
// those that were revoked. It is safe for concurrent use.
type Service struct {
	cfg      Config
	algs     []string
	types    []string
	keys     keySource
	own      Own         // nil for the tokens of others
	disco    *discoverer // nil without discovery
	client   Doer
	log      *slog.Logger
	now      func() time.Time
	cache    *cache
	revoked  expiring
	proofs   expiring
	inactive expiring
	asking   chan struct{}
}

// Bounds of a service.
const (
	cacheSize  = 8192    // verified tokens
	maxRevoked = 100_000 // revocations that may be in force
)

// New returns the service of an issuer. Nothing is fetched until a token asks
// for it. client reaches the issuer; clock may be nil for time.Now.
func New(cfg Config, client Doer, log *slog.Logger, clock func() time.Time) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if clock == nil {
		clock = time.Now
	}
	s := &Service{
		cfg: cfg, algs: cfg.algorithms(), client: client, log: log, now: clock, cache: newCache(cacheSize),
		revoked: expiring{limit: maxRevoked}, proofs: expiring{limit: maxProofs}, inactive: expiring{limit: maxInactive},
		asking: make(chan struct{}, maxIntrospections),
	}
	for _, t := range cfg.Types {
		s.types = append(s.types, mediaSubtype(t))
	}
	remote := &remoteKeys{ttl: cfg.JWKSTTL, maxAge: cfg.JWKSMaxAge, every: cfg.MinRefresh, timeout: cfg.RequestTimeout, now: clock}
	switch {
	case cfg.Method == MethodOIDC:
		s.disco = &discoverer{issuer: cfg.Issuer, client: client}
		remote.load, s.keys = s.disco.keys, remote
	case cfg.Secret != "":
		k, err := jws.Secret([]byte(cfg.Secret))
		if err != nil {
			return nil, err
		}
		set, err := jws.NewKeySet([]*jws.Key{k})
		if err != nil {
			return nil, err
		}
		s.keys = fixedKeys{set}
	default:
		remote.load = func(ctx context.Context) (*jws.KeySet, error) { return fetchKeys(ctx, client, cfg.JWKSURL) }
		s.keys = remote
	}
	return s, nil
}

// Config returns the settings of the issuer.
func (s *Service) Config() Config { return s.cfg }

// Invalidate makes a token stop working at once, on this process: by its jti,
// by the form of it that events show as key id ("jti:…"), or by the SHA-256 of
// the token in hexadecimal. It returns an error if too many revocations are in
// force to remember another.
func (s *Service) Invalidate(id string) error {
	id = TokenID(id)
	return s.InvalidateSince(id, s.now())
}

// InvalidateSince is [Service.Invalidate] of a token that was revoked at a
// known time: a process that starts is told again of what was revoked before.
// The id is one of the two forms that [TokenID] returns. What no token can
// outlive is not kept.
func (s *Service) InvalidateSince(id string, since time.Time) error {
	now, until := s.now(), since.Add(s.cfg.MaxLifetime+2*s.cfg.Leeway)
	if !until.After(now) {
		return nil
	}
	if err := s.revoked.claim(id, "", until, now); err != nil {
		return fmt.Errorf("revoking a token: %w revocations are in force", err)
	}
	s.cache.drop(func(v *verified) bool { return v.jti == id || hexDigest(&v.digest) == id })
	return nil
}

// TokenID returns the form in which a revoked token is remembered: the hash of
// a jti ("jti:…", as events show it) or the SHA-256 of a token in hexadecimal.
func TokenID(id string) string {
	if strings.HasPrefix(id, "jti:") || isHexDigest(id) {
		return id
	}
	return JTIHash(id)
}

func isHexDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// Why a token may still be another issuer's.
const (
	errOtherIssuer jws.Reason = "unknown issuer"
	errNotJWT      jws.Reason = "not a JWT"
)

// check verifies a token that is not in the cache.
func (s *Service) check(ctx context.Context, token string, d *digest, now time.Time) (*verified, error) {
	var v *verified
	var err error
	switch {
	case jws.LooksLike(token):
		v, err = s.checkJWT(ctx, token, d, now)
	case s.cfg.ClientID != "":
		v, err = s.introspect(ctx, token, d, now)
	default:
		err = errNotJWT
	}
	if err != nil {
		return nil, err
	}
	if s.own != nil {
		return s.checkOwn(ctx, v)
	}
	if s.isRevoked(v) {
		return nil, jws.Reason("revoked")
	}
	s.cache.put(v, func() bool { return !s.isRevoked(v) })
	return v, nil
}

func (s *Service) isRevoked(v *verified) bool {
	now := s.now()
	return v.jti != "" && s.revoked.has(v.jti, now) || s.revoked.has(hexDigest(&v.digest), now)
}

// checkJWT verifies a JWT. What costs most comes last.
func (s *Service) checkJWT(ctx context.Context, token string, d *digest, now time.Time) (*verified, error) {
	t, err := jws.Parse(token, false)
	if err != nil {
		return nil, err
	}
	c, err := readClaims(t.Payload, s.cfg.RolesClaim)
	if err != nil {
		return nil, err
	}
	switch {
	case c.iss != s.cfg.Issuer:
		return nil, errOtherIssuer
	case !slices.Contains(s.algs, t.Header.Alg):
		return nil, jws.Reason("algorithm is not allowed")
	case !slices.Contains(s.types, mediaSubtype(t.Header.Type)):
		return nil, jws.Reason("not an access token by its typ")
	}
	k, err := s.keys.key(ctx, t.Header.KeyID)
	if err != nil {
		return nil, err
	}
	if err := jws.Verify(t, k); err != nil {
		return nil, err
	}
	if err := c.checkTimes(&s.cfg, now); err != nil {
		return nil, s.of(&c, err)
	}
	v, err := s.accept(&c, t.Header.KeyID, d, now)
	if err != nil {
		return nil, s.of(&c, err)
	}
	return v, nil
}

// of names the subject of a token whose signature is good.
func (s *Service) of(c *claims, err error) error {
	if c.sub == "" {
		return err
	}
	if s.own != nil {
		return &subjectError{c.sub, err}
	}
	return &subjectError{s.cfg.Alias + "|" + c.sub, err}
}

// accept turns verified claims into a token that may be used.
func (s *Service) accept(c *claims, kid string, d *digest, now time.Time) (*verified, error) {
	if len(c.aud) == 0 {
		return nil, jws.Reason("no aud")
	}
	if c.idToken {
		return nil, jws.Reason("an ID token is not an access token")
	}
	p, err := s.caller(c, kid, d)
	if err != nil {
		return nil, err
	}
	v := &verified{digest: *d, principal: p, audience: c.aud, jkt: c.jkt, x5t: c.x5t, since: now, until: p.Expires}
	if c.jti != "" {
		v.jti = JTIHash(c.jti)
	}
	if again := now.Add(s.cfg.JWKSTTL); again.Before(v.until) { // a key that the issuer withdrew must stop working
		v.until = again
	}
	if s.cfg.DPoPRequired && v.jkt == "" {
		return nil, jws.Reason("not bound to a key")
	}
	return v, nil
}

func (s *Service) caller(c *claims, kid string, d *digest) (portcullis.Principal, error) {
	if s.own != nil {
		return c.session(&s.cfg)
	}
	return c.principal(&s.cfg, kid, hexDigest(d))
}

// mediaSubtype is a typ without the prefix that RFC 7515 section 4.1.9 lets
// senders leave out, in lower case.
func mediaSubtype(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// isUnavailable reports whether an error says nothing about the token.
func isUnavailable(err error) bool {
	var r jws.Reason
	return errors.Is(err, errUnavailable) || !errors.As(err, &r)
}
