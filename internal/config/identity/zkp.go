package identity

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// ZKP is [identity.zkp].
type ZKP struct {
	VerificationKey string        `toml:"verification_key" example:"\"verification_key.json\"" doc:"File with the verification key of the login's circuit, in the form of snarkjs: a ceremony's result, or for development one that \"portcullis zkp setup\" makes. Without it nobody logs in by proof. The file is read again at every reload."`
	ChallengeTTL    time.Duration `toml:"challenge_ttl" doc:"How long a challenge waits for its proof, at most 5m."`
	Audience        string        `toml:"audience" example:"\"https://mcp.example.com\"" doc:"What callers know the gateway by; challenges are bound to it. By default server.public_url or the address of the listener."`

	InsecureAllowDevelopmentKey bool `toml:"insecure_allow_development_key" doc:"Take a verification_key that \"portcullis zkp setup\" made. Whoever made it could keep what forges proofs for everyone."`
}

// DefaultZKP returns the defaults of [identity.zkp]: off.
func DefaultZKP() ZKP { return ZKP{ChallengeTTL: zkp.MaxChallengeTTL} }

// Validate checks [identity.zkp].
func (z ZKP) Validate() error {
	errs := []error{field.Between("challenge_ttl", z.ChallengeTTL, time.Second, zkp.MaxChallengeTTL)}
	if z.VerificationKey == "" {
		if z.Audience != "" || z.InsecureAllowDevelopmentKey {
			errs = append(errs, errors.New("verification_key: want the file with the verification key of the login's circuit"))
		}
		return errors.Join(errs...)
	}
	if z.Audience != "" {
		u, err := url.Parse(z.Audience)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.ContainsAny(z.Audience, "?#\x00") {
			errs = append(errs, fmt.Errorf(`audience: %q: want a URL such as "https://mcp.example.com"`, z.Audience))
		}
	}
	return errors.Join(errs...)
}
