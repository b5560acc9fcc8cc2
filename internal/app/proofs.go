package app

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/authn/anonymous"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// proofs is what login by zero-knowledge proof keeps across reloads.
type proofs struct {
	registry   *zkp.Registry
	challenges *zkp.Memory
}

func (c *core) openProofs() (err error) {
	c.proofs.challenges = zkp.NewMemory(nil)
	c.proofs.registry, err = zkp.NewRegistry(zkp.Options{
		Store: c.db.ZKP(), Sessions: c.tokens, Recorder: c.journal, ValidateScope: scope.Validate,
	})
	return err
}

// nextProofs returns the login by proof of a configuration; nil if no route
// takes it. The verification key is read anew each time.
func (a *App) nextProofs(cfg *config.Config) (*zkp.Login, error) {
	if !slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return slices.Contains(r.Auth, zkp.Method) }) {
		return nil, nil
	}
	z := cfg.Identity.ZKP
	key, origin, err := setup.LoadKey(z.VerificationKey)
	if err != nil {
		return nil, fmt.Errorf("identity.zkp.verification_key: %w", err)
	}
	switch {
	case origin == setup.Development && !z.InsecureAllowDevelopmentKey:
		return nil, fmt.Errorf("identity.zkp.verification_key: %s: %s (To try it out all the same: insecure_allow_development_key = true)", z.VerificationKey, setup.Warning)
	case a.publicAddr == nil: // what follows is said once, when calls can come
	case origin == setup.Development:
		a.log.Warn("login by proof with a development key", "file", z.VerificationKey, "warning", setup.Warning)
	case origin == setup.Unknown:
		a.log.Warn("nothing says where the verification key comes from", "file", z.VerificationKey, "mend", "portcullis zkp setup --import FILE --zkey FILE")
	}
	verifier, err := zkp.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("identity.zkp.verification_key: %s: %w", z.VerificationKey, err)
	}
	l, err := zkp.NewLogin(zkp.LoginOptions{
		Registry: a.core.proofs.registry, Challenges: a.core.proofs.challenges, Verifier: verifier,
		Audience: cfg.ZKPAudience(a.listening(cfg)), TTL: z.ChallengeTTL, Log: a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("identity.zkp: %w", err)
	}
	return l, nil
}

// proofRate bounds each address on either endpoint of the login.
const proofRate = "30/1m per address"

// proofEndpoints are there while a route takes logins by proof. The proof in
// the body is the credential, so the pipeline in front admits anyone.
func proofEndpoints(l *zkp.Login) []gateway.Endpoint {
	if l == nil {
		return nil
	}
	e := gateway.Endpoint{
		Methods: []string{http.MethodPost}, Rate: proofRate, MaxBody: zkp.MaxBody, JSON: true,
		Auth: []portcullis.Authenticator{anonymous.Authenticator{}},
	}
	ask, prove := e, e
	ask.Name, ask.Path, ask.Handler = "zkp_challenge", zkp.ChallengePath, l.ChallengeHandler()
	prove.Name, prove.Path, prove.Handler = "zkp_verify", zkp.VerifyPath, l.VerifyHandler()
	return []gateway.Endpoint{ask, prove}
}
