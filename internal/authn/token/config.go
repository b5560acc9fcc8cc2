package token

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config are the settings of sessions.
type Config struct {
	On            bool     // whether sessions are opened and tokens issued
	Documents     bool     // something else is signed with the keys: they are kept in either case
	Issuer        string   // iss of access tokens
	Audience      []string // aud of access tokens
	AccessTTL     time.Duration
	TTL           time.Duration // longest life of a session
	Idle          time.Duration // longest time without a refresh
	KeyRotation   time.Duration
	MaxPerSubject int           // sessions of one subject
	IssueTTLMax   time.Duration // longest life of a token that an operator issues
	RefreshPrefix string        // begin of refresh tokens, such as "mcprt_"

}

// MaxAccessTTL is the longest life of an access token of a session; MaxIssueTTL
// that of one which an operator issues.
const (
	MaxAccessTTL = 15 * time.Minute
	MaxIssueTTL  = 24 * time.Hour
)

// Default returns the settings that hold when nothing is configured. Issuer and
// Audience have no default here.
func Default() Config {
	return Config{
		AccessTTL: 10 * time.Minute, TTL: 12 * time.Hour, Idle: time.Hour, KeyRotation: 30 * 24 * time.Hour,
		MaxPerSubject: 50, IssueTTLMax: MaxAccessTTL, RefreshPrefix: "mcprt_",
	}
}

// Validate checks the settings. Errors name the key as the configuration file
// has it.
func (c Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		name         string
		v, low, high time.Duration
	}{
		{"access_ttl", c.AccessTTL, time.Minute, MaxAccessTTL},
		{"ttl", c.TTL, c.AccessTTL, 30 * 24 * time.Hour},
		{"idle", c.Idle, c.AccessTTL, 30 * 24 * time.Hour},
		{"key_rotation", c.KeyRotation, 24 * time.Hour, 366 * 24 * time.Hour},
		{"issue_ttl_max", c.IssueTTLMax, time.Minute, MaxIssueTTL},
	} {
		if d.v < d.low || d.v > d.high {
			fail("%s: %q: want between %q and %q", d.name, d.v, d.low, d.high)
		}
	}
	if c.MaxPerSubject < 1 || c.MaxPerSubject > 10_000 {
		fail("max_sessions_per_user: %d: want 1 to 10000", c.MaxPerSubject)
	}
	for i, a := range c.Audience {
		if !isName(a) {
			fail("audience[%d]: %q: want the name that tokens carry", i, a)
		}
	}
	if c.Issuer != "" && !isName(c.Issuer) {
		fail("issuer: %q: want a name such as \"https://mcp.example.com\"", c.Issuer)
	}
	return errors.Join(errs...)
}

// isName accepts what may stand in a claim that is compared as text.
func isName(s string) bool {
	return s != "" && len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r >= 0x7f || r == '"' || r == '\\' })
}
