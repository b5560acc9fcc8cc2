// Package a2a holds the section of a route that only routes to A2A agents
// have.
package a2a

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// What is done about the signatures of an agent's card.
const (
	SignatureOff     = "off"
	SignatureVerify  = "verify"
	SignatureRequire = "require"
)

// Card is [route.a2a.card].
type Card struct {
	Path         string        `toml:"path" example:"\"/agents/planner/.well-known/agent-card.json\"" doc:"Where on the agent's host its card is. By default /.well-known/agent-card.json, then /.well-known/agent.json."`
	Signature    string        `toml:"signature" enum:"off|verify|require" doc:"Whether signatures of the agent's card count: verify refuses a signed card that none of keys has signed, and, once a signed one was seen, one that is not signed; require refuses every card that none of keys has signed."`
	Keys         []string      `toml:"keys" list:"text" example:"[\"/etc/portcullis/planner.jwks\"]" doc:"Files with the public keys that count: a JWK set, a JWK or PEM. Keys and addresses that a card itself names never count."`
	Sign         bool          `toml:"sign" doc:"Whether the card that callers see is signed with the gateway's key, which stands in /.well-known/jwks.json."`
	Refresh      time.Duration `toml:"refresh" doc:"How often the agent is asked for its card. A longer time that the agent allows is taken, up to an hour."`
	Timeout      time.Duration `toml:"timeout" doc:"How long the agent may take to show its card."`
	MaxAge       time.Duration `toml:"max_age" doc:"How long callers may keep the card."`
	Extended     bool          `toml:"extended" doc:"Whether callers may ask for the extended card, cut down to what they may use."`
	ScopeArrays  bool          `toml:"scope_arrays" doc:"Writes scopes in securityRequirements as arrays. The specification wants {\"list\": […]}, which the Go SDK up to 2.3.1 cannot read."`
	InsecureHTTP bool          `toml:"insecure_http" doc:"INSECURE: takes the card of an upstream on another machine without TLS: whoever is on the way can change it."`
}

// DefaultCard returns the defaults of [route.a2a.card].
func DefaultCard() Card {
	return Card{Signature: SignatureOff, Sign: true, Refresh: 5 * time.Minute, Timeout: 10 * time.Second, MaxAge: 5 * time.Minute, Extended: true}
}

// Validate checks the section.
func (c Card) Validate() error {
	var errs []error
	if c.Path != "" && (c.Path[0] != '/' || strings.HasPrefix(c.Path, "//") || strings.ContainsAny(c.Path, "?#\\% \t\r\n") || hasDots(c.Path)) {
		errs = append(errs, fmt.Errorf(`path: %q: want a plain path such as "/.well-known/agent-card.json"`, c.Path))
	}
	switch c.Signature {
	case SignatureOff:
		if len(c.Keys) > 0 {
			errs = append(errs, errors.New(`keys: have no effect with signature = "off": want "verify" or "require"`))
		}
	case SignatureVerify, SignatureRequire:
		if len(c.Keys) == 0 {
			errs = append(errs, fmt.Errorf("signature: %q: needs keys", c.Signature))
		}
	default:
		errs = append(errs, fmt.Errorf(`signature: %q: want "off", "verify" or "require"`, c.Signature))
	}
	for i, k := range c.Keys {
		if k == "" {
			errs = append(errs, fmt.Errorf("keys[%d]: want the name of a file", i))
		}
	}
	return errors.Join(append(errs,
		field.Between("refresh", c.Refresh, 10*time.Second, 24*time.Hour),
		field.Between("timeout", c.Timeout, 100*time.Millisecond, time.Minute),
		field.Between("max_age", c.MaxAge, 0, 24*time.Hour))...)
}

func hasDots(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}
