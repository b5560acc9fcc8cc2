package settings

import (
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// recordRules are about [audit]: what is left of what happened.
func recordRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-audit-allow", Kind: rule.Config, Severity: rule.High, Title: "What cannot be recorded is not done",
				Why:    "Whoever fills the disk first acts without leaving a trace.",
				Guides: []string{"S0-56", "S3-50", "S1-22"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778", "CWE-636"},
				Verify: "audit.on_failure is allow.", Fix: "Set audit.on_failure to \"refuse\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Audit.OnFailure == "allow" {
					out.at("audit.on_failure", "Calls go through when the journal cannot be written.")
				}
			}),
		}, `"refuse"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-personal-data-plain", Kind: rule.Config, Severity: rule.Medium, Title: "Personal data in the audit log is sealed",
				Why:    "Who asks to be erased cannot be, because the log must not change.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP10:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-312", "CWE-359"},
				Verify: "audit.personal_data is insecure_plain.", Fix: "Set audit.personal_data to \"sealed\".",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Audit.Personal != "sealed" {
					out.at("audit.personal_data", "Ids, addresses and user agents of callers stand in the log in clear text.")
				}
			}),
		}, `"sealed"`),
		{
			Meta: rule.Meta{
				ID: "config-retention-short", Kind: rule.Config, Severity: rule.High, Title: "Records are kept as long as they have to be",
				Why:    "What an attacker did is forgotten before anybody looks: intrusions are noticed after months.",
				Guides: []string{"S0-42", "S0-56"}, OWASP: []string{"MCP08:2025"}, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "audit.retention keeps access for less than 90d, security for less than 1y or audit for less than 7y.",
				Fix:    "Take access, security, audit and insecure_short_retention out of [audit.retention]: the defaults are 90d, 1y and 7y.",
			},
			Check: look(func(c *config.Config, out *found) {
				r := c.Audit.Retention
				for _, class := range []struct {
					name        string
					keep, least time.Duration
				}{{"access", r.Access, 90 * day}, {"security", r.Security, 365 * day}, {"audit", r.Audit, 7 * 365 * day}} {
					if class.keep < class.least {
						out.at("audit.retention."+class.name, "Records of the class %s are kept for %d days, not %d.", class.name, class.keep/day, class.least/day)
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-sinks-missing", Kind: rule.Config, Severity: rule.Low, Title: "Events also go where an intruder of this machine cannot reach",
				Why:    "Whoever takes over the machine takes the only copy of the log along.",
				Guides: []string{"S0-56", "S3-50"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L3, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "There is no [[audit.sinks]] that goes to another machine and no archive.", Fix: "Add a sink, such as type = \"syslog\" with address = \"tls://logs.example.com:6514\".",
			},
			Check: look(func(c *config.Config, out *found) {
				away := slices.ContainsFunc(c.Audit.Sinks, func(s audit.Sink) bool { return s.Type != "file" })
				if !away && c.Audit.Archive.S3.Bucket == "" {
					out.at("audit.sinks", "Events stay on this machine.")
				}
			}),
		},
	}
}

// sinkRules are about where events go, and who hears of them.
func sinkRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-sink-plain", Kind: rule.Config, Severity: rule.High, Title: "Events travel encrypted",
				Why:    "Whoever is on the way reads who did what, and the token of the server.",
				Guides: []string{"S0-53", "S0-56"}, OWASP: []string{"MCP01:2025", "MCP08:2025"}, Threats: []string{"MCP-T5", "MCP-T12"}, CWE: []string{"CWE-319"},
				Verify: "A sink has insecure_plain = true.", Fix: "Take it out and give the sink an address with https:// or tls://.",
			},
			Check: sinks(func(s *audit.Sink) (string, bool) { return "insecure_plain", s.Plain }, "Events travel to %s in clear text."),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-sink-unverified", Kind: rule.Config, Severity: rule.High, Title: "Servers that get events are who they say they are",
				Why:    "Whoever stands in between reads the events and the token, and can drop what tells of them.",
				Guides: []string{"S0-53", "S0-56"}, OWASP: []string{"MCP01:2025", "MCP08:2025"}, Threats: []string{"MCP-T5", "MCP-T12"}, CWE: []string{"CWE-295"},
				Verify: "A sink has tls.insecure_skip_verify = true.", Fix: "Take it out and name the authority of the server in tls.ca.",
			},
			Check: sinks(func(s *audit.Sink) (string, bool) { return "tls.insecure_skip_verify", s.TLS.Insecure }, "The certificate of %s is not looked at."),
		}, "false"),
		{
			Meta: rule.Meta{
				ID: "config-alerts-missing", Kind: rule.Config, Severity: rule.Low, Title: "Somebody is told when something is wrong",
				Why:    "Events that nobody is told of are found when it is too late.",
				Guides: []string{"S0-56", "S3-50"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L3, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "There is no [[detect.alerts.channel]].", Fix: "Add a channel, such as type = \"slack\" or \"email\", and try it with 'portcullis alert test'.",
			},
			Check: look(func(c *config.Config, out *found) {
				if len(c.Detect.Alerts.Channels) == 0 {
					out.at("detect.alerts", "There is no channel for alerts.")
				}
			}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-anomalies-off", Kind: rule.Config, Severity: rule.Medium, Title: "What is unlike before is noticed",
				Why:    "A stolen key is used in ways that its owner never used it; nobody sees it otherwise.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L3, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "detect.anomaly.enabled is false.", Fix: "Set detect.anomaly.enabled to true.",
			},
			Check: look(func(c *config.Config, out *found) {
				if !c.Detect.Anomaly.Enabled {
					out.at("detect.anomaly.enabled", "Nobody watches for what is unlike before.")
				}
			}),
		}, "true"),
	}
}

// noticeRules are about what is noticed, done about it and shown of it.
func noticeRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-response-missing", Kind: rule.Config, Severity: rule.Info, Title: "Callers who are too risky are contained",
				Why:    "Between an alert and a person who acts on it, an attacker has minutes or hours.",
				Guides: []string{"S0-60"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L4, Threats: []string{"MCP-T12"}, CWE: []string{"CWE-778"},
				Verify: "No [[incident.response]] has throttle, step_up, block or quarantine_tool among its actions.", Fix: "Add a response, at first with dry_run = true, and read what it would have done.",
			},
			Check: look(func(c *config.Config, out *found) {
				for _, r := range c.Incident.Response {
					if slices.ContainsFunc(r.Actions, func(a string) bool { return a != "alert" }) {
						return
					}
				}
				out.at("incident.response", "No response contains anybody.")
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-checkpoints-unpublished", Kind: rule.Config, Severity: rule.Info, Title: "The head of the audit log is also kept elsewhere",
				Why:    "Whoever owns the machine and the log's key writes another past, which verifies.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP08:2025"}, CoSAI: rule.L4, Threats: []string{"MCP-T6", "MCP-T12"}, CWE: []string{"CWE-778", "CWE-354"},
				Verify: "audit.publish is empty and there is no [[audit.witnesses]].", Fix: "Name a place in audit.publish that this machine cannot change, or a witness.",
			},
			Check: look(func(c *config.Config, out *found) {
				if len(c.Audit.Tree.Publish) == 0 && len(c.Audit.Tree.Witnesses) == 0 {
					out.at("audit.publish", "Nobody else knows how far the log has got.")
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-traces-plain", Kind: rule.Config, Severity: rule.Medium, Title: "Traces travel encrypted",
				Why:    "Traces name callers, tools and times, and carry the collector's token.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP10:2025", "API8:2023"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-319"},
				Verify: "telemetry.traces.endpoint begins with http:// and names no private host.", Fix: "Write the endpoint with https://.",
			},
			Check: look(func(c *config.Config, out *found) {
				if host, plain := plainHost(c.Telemetry.Traces.Endpoint); plain && !inside(host) {
					out.at("telemetry.traces.endpoint", "Traces travel to %s in clear text.", host)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-alerts-personal", Kind: rule.Config, Severity: rule.Low, Title: "Alerts do not name callers",
				Why:    "What was sent to a chat or a mailbox is not erased when a caller is.",
				Guides: []string{"S0-56"}, OWASP: []string{"MCP10:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-359"},
				Verify: "A channel of detect.alerts has personal = true.", Fix: "Take personal out: messages then hold the name that stands in the sealed log.",
			},
			Check: look(func(c *config.Config, out *found) {
				for i := range c.Detect.Alerts.Channels {
					if ch := &c.Detect.Alerts.Channels[i]; ch.Personal {
						out.at(indexed("detect.alerts.channel", i)+".personal", "Messages of %s name callers.", ch.Name)
					}
				}
			}),
		},
	}
}
