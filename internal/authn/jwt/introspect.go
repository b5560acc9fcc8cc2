package jwt

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

const (
	maxIntrospections = 16               // at the same time, per issuer
	inactiveFor       = 10 * time.Second // how long an inactive token is not asked about again
	maxInactive       = 10000            // inactive tokens remembered
)

// introspect asks the issuer about a token that only it can read (RFC 7662).
// The answer is believed until the token ends, and at most for IntrospectTTL.
func (s *Service) introspect(ctx context.Context, token string, d *digest, now time.Time) (*verified, error) {
	if !isToken68(token) {
		return nil, jws.Reason("not a token")
	}
	name := string(d[:])
	if s.inactive.has(name, now) {
		return nil, jws.Reason("not active")
	}
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	answer, err := s.askIssuer(ctx, token)
	if err != nil {
		return nil, err
	}
	c, err := readClaims(answer, s.cfg.RolesClaim)
	if err != nil {
		return nil, err
	}
	if c.active != "true" {
		if err := s.inactive.claim(name, "", now.Add(inactiveFor), now); err != nil {
			s.log.Debug("remembering an inactive token", "issuer", s.cfg.Alias, "error", err)
		}
		return nil, jws.Reason("not active")
	}
	return s.acceptAnswer(&c, d, now)
}

func (s *Service) acceptAnswer(c *claims, d *digest, now time.Time) (*verified, error) {
	switch {
	case c.iss != "" && c.iss != s.cfg.Issuer:
		return nil, jws.Reason("answer of another issuer")
	case c.tokenType != "" && !strings.EqualFold(c.tokenType, "Bearer") && !strings.EqualFold(c.tokenType, "DPoP"):
		return nil, jws.Reason("not an access token")
	}
	if math.IsNaN(c.exp) { // optional in RFC 7662: then only the answer's own time counts
		c.exp = float64(now.Add(time.Minute).Unix())
	}
	if err := c.checkTimes(&s.cfg, now); err != nil {
		return nil, err
	}
	v, err := s.accept(c, "", d, now)
	if err != nil {
		return nil, err
	}
	if end := now.Add(s.cfg.IntrospectTTL); end.Before(v.until) {
		v.until = end
	}
	return v, nil
}

func (s *Service) askIssuer(ctx context.Context, token string) ([]byte, error) {
	target := s.cfg.IntrospectURL
	if target == "" {
		m := s.disco.last.Load()
		if m == nil {
			if _, err := s.keys.key(ctx, ""); err != nil && s.disco.last.Load() == nil {
				return nil, fmt.Errorf("%w: %w", errUnavailable, err)
			}
			m = s.disco.last.Load()
		}
		if target = m.introspectURL; target == "" {
			return nil, jws.Reason("issuer has no introspection endpoint")
		}
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(s.cfg.ClientID), url.QueryEscape(s.cfg.ClientSecret)) // RFC 6749 section 2.3.1
	answer, err := fetch(s.client, r)
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	return answer, nil
}

// isToken68 accepts the characters of a bearer token (RFC 6750 section 2.1).
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		c := body[i]
		if c-'0' > 9 && c-'a' > 25 && c-'A' > 25 && c != '-' && c != '.' && c != '_' && c != '~' && c != '+' && c != '/' {
			return false
		}
	}
	return body != ""
}

func hexDigest(d *digest) string { return hex.EncodeToString(d[:]) }
