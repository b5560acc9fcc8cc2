// Package identity is the section [identity] of the configuration: who may call.
package identity

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// Identity is [identity].
type Identity struct {
	CacheTTL time.Duration `toml:"cache_ttl" doc:"How long a verified key is accepted when the store cannot be asked."`
	APIKey   APIKey        `toml:"api_key" doc:"API keys."`
	Basic    Basic         `toml:"basic" doc:"Users with a name and a password. For routes with auth = [\"basic\"] and for POST /auth/login."`
	JWT      JWT           `toml:"jwt" doc:"Access tokens of an issuer whose keys are known: by URL, or a shared secret. For routes with auth = [\"jwt\"]."`
	OIDC     OIDC          `toml:"oidc" doc:"Access tokens of an issuer with discovery (OpenID Connect, OAuth 2.1). For routes with auth = [\"oidc\"]."`
	Session  Session       `toml:"session" doc:"Sessions and tokens of the gateway's own: what a login gives."`
	ZKP      ZKP           `toml:"zkp" doc:"Login by zero-knowledge proof, for routes with auth = [\"zkp\"]."`
	MTLS     MTLS          `toml:"mtls" doc:"Client certificates of the authorities in server.tls.client_ca. For routes with auth = [\"mtls\"]."`
}

// Default returns the defaults of [identity].
func Default() Identity {
	return Identity{CacheTTL: time.Minute, APIKey: DefaultAPIKey(), Basic: DefaultBasic(), JWT: DefaultJWT(), OIDC: DefaultOIDC(), Session: DefaultSession(), MTLS: DefaultMTLS(), ZKP: DefaultZKP()}
}

// Validate checks [identity].
func (i Identity) Validate() error { return field.Between("cache_ttl", i.CacheTTL, 0, time.Hour) }
