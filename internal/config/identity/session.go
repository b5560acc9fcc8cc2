package identity

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

// Session is [identity.session].
type Session struct {
	Enabled     bool          `toml:"enabled" doc:"Turns sessions on where no login method does: for tokens that an operator issues, on routes with auth = [\"jwt\"]. A route with a login method turns them on by itself."`
	Issuer      string        `toml:"issuer" example:"\"https://mcp.example.com\"" doc:"Issuer of access tokens. By default the URL of the gateway: server.public_url, server.https.hostname or the listener's address."`
	Audience    []string      `toml:"audience" list:"text" example:"[\"https://mcp.example.com\"]" doc:"Audience of access tokens. By default the issuer."`
	AccessTTL   time.Duration `toml:"access_ttl" doc:"Life of an access token, at most 15m."`
	TTL         time.Duration `toml:"ttl" doc:"Life of a session, however often it is refreshed."`
	Idle        time.Duration `toml:"idle" doc:"A session ends that was not refreshed for so long."`
	KeyRotation time.Duration `toml:"key_rotation" doc:"How often the key changes that signs access tokens."`
	MaxPerUser  int           `toml:"max_sessions_per_user" doc:"Sessions of one user. A further login ends the one that was longest unused."`
	IssueTTLMax time.Duration `toml:"issue_ttl_max" doc:"Longest life of a token that an operator issues with \"portcullis token issue\", at most 24h."`
}

// DefaultSession returns the defaults of [identity.session].
func DefaultSession() Session {
	d := token.Default()
	return Session{
		AccessTTL: d.AccessTTL, TTL: d.TTL, Idle: d.Idle, KeyRotation: d.KeyRotation,
		MaxPerUser: d.MaxPerSubject, IssueTTLMax: d.IssueTTLMax,
	}
}

// Service returns the settings in the words of the session service, without what
// other sections say.
func (s Session) Service() token.Config {
	return token.Config{
		Issuer: s.Issuer, Audience: s.Audience, AccessTTL: s.AccessTTL, TTL: s.TTL, Idle: s.Idle,
		KeyRotation: s.KeyRotation, MaxPerSubject: s.MaxPerUser, IssueTTLMax: s.IssueTTLMax,
	}
}

// Validate checks [identity.session].
func (s Session) Validate() error { return s.Service().Validate() }

// LoginMethods are the methods of authentication that open sessions.
func LoginMethods() []string { return []string{"basic", "zkp"} }
