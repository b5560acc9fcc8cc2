package settings

import (
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

const day = 24 * time.Hour

// callerRules are about who may call a route, with a key or a password.
func callerRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-auth-none", Kind: rule.Config, Severity: rule.High, Title: "Every route asks who is calling",
				Why:    "Anybody who reaches the gateway uses the tools behind it, and the audit log cannot say who it was.",
				Guides: []string{"S0-52", "S1-22", "S3-50"}, OWASP: []string{"MCP07:2025", "API2:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-306"},
				Verify: "A route has auth = [\"none\"].", Fix: "Take out insecure_no_auth and name a method: auth = [\"api_key\"].",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if slices.Contains(r.Auth, "none") {
					out.at(at+".auth", "Anyone may call the route %s.", r.Name)
				}
			}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-key-rotation-never", Kind: rule.Config, Severity: rule.Medium, Title: "Keys rotate by themselves",
				Why:    "A key that leaked works until somebody notices.",
				Guides: []string{"S0-52", "S3-52"}, OWASP: []string{"MCP01:2025", "API2:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-324"},
				Verify: "identity.api_key.schedule is never.", Fix: "Set identity.api_key.schedule to \"quarterly\" or shorter.",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Identity.APIKey.Schedule == "never" {
					out.at("identity.api_key.schedule", "Keys without a schedule of their own never rotate.")
				}
			}),
		}, `"quarterly"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-key-overlap-long", Kind: rule.Config, Severity: rule.Low, Title: "A rotated key soon stops working",
				Why:    "While the old key works, rotation has not ended what a thief can do.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-324"},
				Verify: "identity.api_key.overlap is above seven days.", Fix: "Set identity.api_key.overlap to as long as clients need to fetch the new key: \"1d\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if o := c.Identity.APIKey.Overlap; o > 7*day {
					out.at("identity.api_key.overlap", "A rotated key goes on working for twice %s.", o)
				}
			}),
		}, `"1d"`),
		{
			Meta: rule.Meta{
				ID: "config-password-rules", Kind: rule.Config, Severity: rule.Medium, Title: "Passwords are long enough",
				Why:    "Short passwords are found by trying, in the store and at the login.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP07:2025", "API2:2023"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-521"},
				Verify: "identity.basic.min_length is below 12.", Fix: "Take min_length, or what else is weaker, out: the default is 12.",
			},
			Check: look(func(c *config.Config, out *found) {
				if n := c.Identity.Basic.MinLength; n < 12 {
					out.at("identity.basic.min_length", "Passwords of %d characters are accepted.", n)
				}
			}),
		},
	}
}

// proofRules are about client certificates and proofs.
func proofRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-certificates-unrevoked", Kind: rule.Config, Severity: rule.Medium, Title: "Revoked client certificates are refused",
				Why:    "The certificate of a stolen machine works until it ends, whatever its authority says.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP07:2025", "API2:2023"}, CoSAI: rule.L3, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-299"},
				Verify: "A route has mtls among auth, identity.mtls.crl is empty and ocsp.mode is off.", Fix: "Name revocation lists in identity.mtls.crl, or set identity.mtls.ocsp.mode.",
			},
			Check: when("no route takes client certificates", func(r *config.Route) bool { return slices.Contains(r.Auth, "mtls") },
				func(r *config.Route, at string, out *found) {
					if m := out.file.Config.Identity.MTLS; len(m.CRL) == 0 && m.OCSP.Mode == "off" {
						out.at(at+".auth", "Nobody is asked whether certificates of callers of %s are revoked.", r.Name)
					}
				}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-crl-stale", Kind: rule.Config, Severity: rule.High, Title: "Outdated revocation lists are not believed",
				Why:    "Whoever holds new lists back keeps revoked certificates working.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP07:2025", "API2:2023"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-299"},
				Verify: "identity.mtls.crl_stale is insecure_allow.", Fix: "Set identity.mtls.crl_stale to \"refuse\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Identity.MTLS.CRLStale == "insecure_allow" {
					out.at("identity.mtls.crl_stale", "Lists that have ended go on deciding.")
				}
			}),
		}, `"refuse"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-zkp-development-key", Kind: rule.Config, Severity: rule.High, Title: "Proofs are checked with the key of a ceremony",
				Why:    "Whoever made a development key could keep what forges proofs for everyone.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP07:2025", "API2:2023"}, Threats: []string{"MCP-T1", "MCP-T6"}, CWE: []string{"CWE-1394"},
				Verify: "identity.zkp.insecure_allow_development_key is true.", Fix: "Take it out and use a verification key from a ceremony.",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Identity.ZKP.InsecureAllowDevelopmentKey {
					out.at("identity.zkp.insecure_allow_development_key", "Verification keys for development are taken.")
				}
			}),
		}, "false"),
	}
}

// tokenRules are about access tokens and sessions.
func tokenRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-token-lifetime", Kind: rule.Config, Severity: rule.Medium, Title: "Access tokens live a day at most",
				Why:    "A token that leaked works until it ends; nobody is asked again.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP01:2025", "API2:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T1", "MCP-T7"}, CWE: []string{"CWE-613"},
				Verify: "identity.jwt.max_lifetime or identity.oidc.max_lifetime is above one day.", Fix: "Set max_lifetime to the life of the issuer's tokens, such as \"1h\".",
			},
			Check: look(func(c *config.Config, out *found) {
				for at, life := range map[string]time.Duration{"identity.jwt": c.Identity.JWT.MaxLifetime, "identity.oidc": c.Identity.OIDC.MaxLifetime} {
					if life > day {
						out.at(at+".max_lifetime", "Tokens are accepted that live for %s.", life)
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-token-shared-secret", Kind: rule.Config, Severity: rule.Low, Title: "Tokens are signed with a key pair",
				Why:    "With a shared secret whoever can check a token can also make one.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP01:2025", "API2:2023"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-321"},
				Verify: "identity.jwt.secret is set.", Fix: "Let the issuer sign with a key pair and name identity.jwt.jwks_url.",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Identity.JWT.Secret != "" {
					out.at("identity.jwt.secret", "Tokens are signed with a secret that the gateway shares.")
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-token-types", Kind: rule.Config, Severity: rule.Low, Title: "Only access tokens count as access tokens",
				Why:    "An identity token that a web page was given may otherwise be used to call tools.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP07:2025", "API2:2023"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-287"},
				Verify: "identity.oidc.types or identity.jwt.types names something else than at+jwt, JWT and the empty text.", Fix: "Take the unusual types out.",
			},
			Check: look(func(c *config.Config, out *found) {
				for at, types := range map[string][]string{"identity.jwt": c.Identity.JWT.Types, "identity.oidc": c.Identity.OIDC.Types} {
					for _, typ := range types {
						if !slices.Contains([]string{"at+jwt", "application/at+jwt", "JWT", ""}, typ) {
							out.at(at+".types", "Tokens of the type %q are taken for access tokens.", typ)
						}
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-session-long", Kind: rule.Config, Severity: rule.Medium, Title: "Sessions end",
				Why:    "A session that was taken over, or left open, can be used until it ends.",
				Guides: []string{"S0-52"}, OWASP: []string{"API2:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-613"},
				Verify: "identity.session.ttl is above one day, or idle above eight hours.", Fix: "Set ttl to \"12h\" and idle to \"1h\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if s := c.Identity.Session; s.TTL > day {
					out.at("identity.session.ttl", "A session lives for %s.", s.TTL)
				} else if s.Idle > 8*time.Hour {
					out.at("identity.session.idle", "A session that nobody uses lives for %s.", s.Idle)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-signing-key-old", Kind: rule.Config, Severity: rule.Low, Title: "The key that signs sessions changes",
				Why:    "The longer a signing key is used, the more a copy of it is worth.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-324"},
				Verify: "identity.session.key_rotation is above 90 days.", Fix: "Set identity.session.key_rotation to \"30d\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if k := c.Identity.Session.KeyRotation; k > 90*day {
					out.at("identity.session.key_rotation", "The signing key changes every %d days.", k/day)
				}
			}),
		},
	}
}
