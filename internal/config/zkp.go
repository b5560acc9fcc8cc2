package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
)

// ZKPAudience returns what challenges are bound to; listen is the address the
// gateway really listens on.
func (c *Config) ZKPAudience(listen string) string {
	if a := c.Identity.ZKP.Audience; a != "" {
		return strings.TrimSuffix(a, "/")
	}
	return c.Server.PublicBase(listen)
}

// checkProofs checks that a route that takes logins by proof can have any.
func (c *Config) checkProofs(i int) error {
	if j := slices.Index(c.Routes[i].Auth, zkp.Method); j >= 0 && c.Identity.ZKP.VerificationKey == "" {
		return fmt.Errorf("auth[%d]: %q: needs identity.zkp.verification_key", j, zkp.Method)
	}
	return nil
}

func (c *Config) checkZKPAudience() error {
	z := c.Identity.ZKP
	if z.VerificationKey != "" && z.Audience == "" && !c.Server.HasName() {
		return errors.New("audience: want one, or server.public_url, because server.listen is no address that challenges could be for")
	}
	return nil
}
