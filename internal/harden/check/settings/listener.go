package settings

import (
	"net/netip"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

const showConfig = "Read the section in the output of 'portcullis config show'."

// listenerRules are about [server]: where the gateway listens.
func listenerRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-tls-missing", Kind: rule.Config, Severity: rule.High, Title: "What other machines can reach is encrypted",
				Why:    "Keys, tokens and results travel in clear text to the gateway; whoever is on the way reads and changes them.",
				Guides: []string{"S0-53", "S1-22", "S3-50"}, OWASP: []string{"MCP07:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T7", "MCP-T8"}, CWE: []string{"CWE-319"},
				Verify: "server.listen names no loopback address, server.tls.cert is empty and server.trusted_proxies names nobody who could end TLS.",
				Fix:    "Give server.tls a certificate and its key, or put a proxy that ends TLS in front and name it in server.trusted_proxies.",
			},
			Check: look(func(c *config.Config, out *found) {
				s := c.Server
				if exposed(s.Listen) && s.TLS.Cert == "" && len(s.TrustedProxies) == 0 {
					out.at("server.listen", "The gateway listens on %s, without a certificate and without a proxy that could end TLS.", s.Listen)
				}
			}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-https-never", Kind: rule.Config, Severity: rule.High, Title: "Calls over plain HTTP are refused",
				Why:    "With insecure_never a call is answered that came in clear text over the network, with its key in it.",
				Guides: []string{"S0-53", "S1-22"}, OWASP: []string{"MCP07:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-319"},
				Verify: "server.https.require is insecure_never.", Fix: "Set server.https.require to \"auto\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Server.HTTPS.Require == edge.HTTPSNever {
					out.at("server.https.require", "Calls that did not arrive over TLS are answered.")
				}
			}),
		}, `"auto"`),
		{
			Meta: rule.Meta{
				ID: "config-public-url-plain", Kind: rule.Config, Severity: rule.Medium, Title: "The public address is https",
				Why:    "Clients send their tokens to the address that the metadata names.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP07:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-319"},
				Verify: "server.public_url begins with http:// and names no loopback address.", Fix: "Write server.public_url with https://.",
			},
			Check: look(func(c *config.Config, out *found) {
				if host, plain := plainHost(c.Server.PublicURL); plain && !nearby(host) {
					out.at("server.public_url", "Clients are told an address without TLS.")
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-admin-exposed", Kind: rule.Config, Severity: rule.Medium, Title: "Administration listens on this machine only",
				Why:    "The listener for administration has no TLS of its own: whoever is on the way reads the operator's key and what it does.",
				Guides: []string{"S0-55", "S1-22"}, OWASP: []string{"MCP07:2025", "API8:2023"}, CoSAI: rule.L1, Threats: []string{"MCP-T8"}, CWE: []string{"CWE-668"},
				Verify: "server.admin_listen names no loopback address.",
				Fix:    "Set server.admin_listen to \"127.0.0.1:9090\", or to \"\" and use the command line, which goes through the data folder.",
			},
			Check: look(func(c *config.Config, out *found) {
				if exposed(c.Server.AdminListen) {
					out.at("server.admin_listen", "Administration can be reached from other machines, on %s.", c.Server.AdminListen)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-trusted-proxies-wide", Kind: rule.Config, Severity: rule.Medium, Title: "Only proxies of one's own are trusted",
				Why:    "Whoever is trusted says which address a call comes from and whether it came over TLS: with it, limits and address lists are passed by.",
				Guides: []string{"S0-55"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T8", "MCP-T9"}, CWE: []string{"CWE-348"},
				Verify: showConfig + " A range of public addresses is wider than /24 (IPv6: /48), or one of private addresses wider than /8.",
				Fix:    "Name the addresses of the proxies in server.trusted_proxies, or the one range that they are in.",
			},
			Check: look(func(c *config.Config, out *found) {
				for _, text := range c.Server.TrustedProxies {
					if wide(text) {
						out.at("server.trusted_proxies", "Everybody in %s is believed.", text)
					}
				}
			}),
		},
	}
}

// floodRules are about who takes more than a share, and what the log tells.
func floodRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-header-timeouts", Kind: rule.Config, Severity: rule.Medium, Title: "Slow callers are cut off",
				Why:    "A caller who sends a byte now and then holds a connection open; many of them hold all.",
				Guides: []string{"S0-55"}, OWASP: []string{"API4:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-400"},
				Verify: "server.limits.header_timeout is above one minute, or body_timeout above ten.",
				Fix:    "Set header_timeout to \"10s\" and body_timeout to \"30s\", or what the slowest honest caller needs.",
			},
			Check: look(func(c *config.Config, out *found) {
				l := c.Server.Limits
				if l.HeaderTimeout > time.Minute {
					out.at("server.limits.header_timeout", "A caller may take %s to send the header.", l.HeaderTimeout)
				}
				if l.BodyTimeout > 10*time.Minute {
					out.at("server.limits.body_timeout", "A caller may take %s to send the body.", l.BodyTimeout)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-connections-unbounded", Kind: rule.Config, Severity: rule.Low, Title: "One address cannot take all connections",
				Why:    "Whoever opens all connections locks everybody else out without a single valid call.",
				Guides: []string{"S0-55"}, OWASP: []string{"API4:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-770"},
				Verify: "server.limits.max_connections_per_address is not below max_connections.",
				Fix:    "Set max_connections_per_address well below max_connections.",
			},
			Check: look(func(c *config.Config, out *found) {
				if l := c.Server.Limits; l.MaxConnectionsPerAddress >= l.MaxConnections {
					out.at("server.limits.max_connections_per_address", "One address may open %d connections of %d in all.", l.MaxConnectionsPerAddress, l.MaxConnections)
				}
			}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-log-debug", Kind: rule.Config, Severity: rule.Low, Title: "The log is not at debug",
				Why:    "Debugging output tells more about calls and surroundings than a log in production should hold.",
				Guides: []string{"S0-56"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-532"},
				Verify: "server.log.level is debug.", Fix: "Set server.log.level to \"info\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Server.Log.Level == "debug" {
					out.at("server.log.level", "The log is written at debug.")
				}
			}),
		}, `"info"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-log-text", Kind: rule.Config, Severity: rule.Low, Title: "Programs can read the log",
				Why:    "What reads logs takes lines of text apart by guessing, and misses what it does not guess.",
				Guides: []string{"S1-22"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "server.log.format is text.", Fix: "Set server.log.format to \"json\", or to \"auto\", which is json wherever nobody watches.",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Server.Log.Format == "text" {
					out.at("server.log.format", "The log is text, also where nobody watches.")
				}
			}),
		}, `"json"`),
	}
}

// wide reports whether a range of addresses holds more than one network of
// one's own.
func wide(text string) bool {
	p, err := netip.ParsePrefix(strings.TrimSpace(text))
	if err != nil {
		return false
	}
	least := 24
	switch private := p.Addr().IsPrivate() || p.Addr().IsLoopback(); {
	case private && p.Addr().Is4():
		least = 8
	case private:
		least = 8 // fd00::/8 is the private range itself
	case p.Addr().Is6():
		least = 48
	}
	return p.Bits() < least
}
