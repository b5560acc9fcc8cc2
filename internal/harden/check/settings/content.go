package settings

import (
	"slices"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// contentRules are about what messages hold, and the schemas of tools.
func contentRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-inspect-off", Kind: rule.Config, Severity: rule.Medium, Title: "What messages hold is looked at",
				Why:    "Credentials and personal data pass to models and strangers, and orders hidden in results reach the model.",
				Guides: []string{"S0-54", "S0-56"}, OWASP: []string{"MCP01:2025", "MCP06:2025", "MCP10:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T4", "MCP-T5"}, CWE: []string{"CWE-200", "CWE-20"},
				Verify: "route.inspect.preset is off and the route has no rules of its own.", Fix: "Set route.inspect.preset to \"standard\".",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Inspect.Preset == "off" && len(r.Inspect.Results) == 0 && len(r.Inspect.Arguments) == 0 {
					out.at(at+".inspect.preset", "Nobody looks at what messages of %s hold.", r.Name)
				}
			}),
		}, `"standard"`),
		{
			Meta: rule.Meta{
				ID: "config-secrets-let-through", Kind: rule.Config, Severity: rule.High, Title: "Credentials are taken out of results",
				Why:    "A rule that lets all secrets pass hands every key that a tool reads to the model and its provider.",
				Guides: []string{"S0-56", "S0-57"}, OWASP: []string{"MCP01:2025", "MCP10:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-200"},
				Verify: "route.inspect.results has a rule with action allow for secret or *, without except_tools.", Fix: `Take "secret" out of what detect of the rule names, or narrow the rule with except_paths and except_tools.`,
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				for _, c := range r.Inspect.Results {
					all := slices.Contains(c.Detect, "secret") || slices.Contains(c.Detect, "*")
					if all && c.Action == "allow" {
						out.at(at+".inspect.results", "Results of %s may hold any credential.", r.Name)
						return
					}
				}
			}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-schema-off", Kind: rule.Config, Severity: rule.Medium, Title: "Arguments must fit the schema of the tool",
				Why:    "Tools get input that they never said they take; many do not check it themselves.",
				Guides: []string{"S0-54", "S3-50"}, OWASP: []string{"MCP05:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T3"}, CWE: []string{"CWE-20"},
				Verify: "route.schema.arguments is warn or off.", Fix: "Set route.schema.arguments to \"block\".",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Protocol == "mcp" && r.Schema.Arguments != "block" {
					out.at(at+".schema.arguments", "Arguments of %s that break the schema of the tool pass.", r.Name)
				}
			}),
		}, `"block"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-schema-results-off", Kind: rule.Config, Severity: rule.Low, Title: "Results must fit the schema of the tool",
				Why:    "A server that was taken over answers with whatever it likes, and programs behind trust it.",
				Guides: []string{"S0-54"}, OWASP: []string{"API10:2023", "MCP03:2025"}, CoSAI: rule.L3, Threats: []string{"MCP-T4", "MCP-T6"}, CWE: []string{"CWE-20"},
				Verify: "route.schema.results is off.", Fix: "Set route.schema.results to \"block\", or to \"warn\" for a server that is not exact.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Protocol == "mcp" && r.Schema.Results == "off" {
					out.at(at+".schema.results", "Results of %s are not held against the schema of the tool.", r.Name)
				}
			}),
		}, `"block"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-schema-unusable", Kind: rule.Config, Severity: rule.Low, Title: "A tool whose schema cannot be used is not called",
				Why:    "A server gets round the check of arguments by naming a schema that nobody can check.",
				Guides: []string{"S0-54"}, OWASP: []string{"MCP03:2025", "MCP05:2025"}, Threats: []string{"MCP-T3", "MCP-T6"}, CWE: []string{"CWE-20", "CWE-636"},
				Verify: "route.schema.unusable is allow.", Fix: "Set route.schema.unusable to \"deny\".",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Protocol == "mcp" && r.Schema.Unusable == "allow" {
					out.at(at+".schema.unusable", "Tools of %s whose schema cannot be used are called unchecked.", r.Name)
				}
			}),
		}, `"deny"`),
	}
}

// pinRules are about tools that change.
func pinRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-pins-weak", Kind: rule.Config, Severity: rule.High, Title: "Tools that change are held until somebody approves them",
				Why:    "A server shows harmless tools first and others later; the model follows what their descriptions say.",
				Guides: []string{"S0-54"}, OWASP: []string{"MCP03:2025", "MCP04:2025"}, CoSAI: rule.L3, Threats: []string{"MCP-T6", "MCP-T11"}, CWE: []string{"CWE-494", "CWE-345"},
				Verify: "route.pins.policy is warn or trust.", Fix: "Set route.pins.policy to \"block\" and approve changes with 'portcullis tools approve'.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Pins.Policy != "block" {
					out.at(at+".pins.policy", "Tools of %s that change may be used at once.", r.Name)
				}
			}),
		}, `"block"`),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-pins-shadowing", Kind: rule.Config, Severity: rule.Medium, Title: "A tool cannot take the name of another server's",
				Why:    "A server offers a tool with a trusted name, and the model gives it what was meant for the other.",
				Guides: []string{"S0-54"}, OWASP: []string{"MCP03:2025", "MCP09:2025"}, CoSAI: rule.L3, Threats: []string{"MCP-T6", "MCP-T9"}, CWE: []string{"CWE-345"},
				Verify: "route.pins.other_routes is false.", Fix: "Set route.pins.other_routes to true.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if !r.Pins.OtherRoutes {
					out.at(at+".pins.other_routes", "Tools of %s may bear the name of another route's.", r.Name)
				}
			}),
		}, "true"),
	}
}

// agentRules are about routes to agents.
func agentRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-agent-card-plain", Kind: rule.Config, Severity: rule.High, Title: "The card of an agent comes over TLS",
				Why:    "Whoever is on the way changes what the agent says of itself: its skills, its address, how callers prove who they are.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP07:2025", "API10:2023"}, Threats: []string{"MCP-T6", "MCP-T7"}, CWE: []string{"CWE-319", "CWE-345"},
				Verify: "route.a2a.card.insecure_http is true.", Fix: "Take it out and name the upstream with https://.",
			},
			Check: agents(func(r *config.Route, at string, out *found) {
				if r.A2A.Card.InsecureHTTP {
					out.at(at+".a2a.card.insecure_http", "The card of %s is taken without TLS.", r.Name)
				}
			}),
		}, "false"),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-agent-push-private", Kind: rule.Config, Severity: rule.High, Title: "Notifications do not go into private networks",
				Why:    "A caller has the agent send requests to machines that the caller cannot reach.",
				Guides: []string{"S0-55"}, OWASP: []string{"API7:2023"}, Threats: []string{"MCP-T8"}, CWE: []string{"CWE-918"},
				Verify: "route.a2a.push.insecure_private is true.", Fix: "Take it out and name public hosts in route.a2a.push.hosts.",
			},
			Check: agents(func(r *config.Route, at string, out *found) {
				if r.A2A.Push.InsecurePrivate {
					out.at(at+".a2a.push.insecure_private", "Notifications of %s may go to private addresses.", r.Name)
				}
			}),
		}, "false"),
		{
			Meta: rule.Meta{
				ID: "config-agent-card-unsigned", Kind: rule.Config, Severity: rule.Info, Title: "The signature of an agent's card counts",
				Why:    "Without it nobody notices when somebody else serves a card under the agent's address.",
				Guides: []string{"S0-54"}, OWASP: []string{"MCP03:2025", "MCP09:2025"}, CoSAI: rule.L4, Threats: []string{"MCP-T6"}, CWE: []string{"CWE-345"},
				Verify: "route.a2a.card.signature is off.", Fix: "Ask the agent's operator for the public key, name it in route.a2a.card.keys and set signature to \"verify\".",
			},
			Check: agents(func(r *config.Route, at string, out *found) {
				if r.A2A.Card.Signature == "off" {
					out.at(at+".a2a.card.signature", "Nobody looks at the signature of the card of %s.", r.Name)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-agent-contexts", Kind: rule.Config, Severity: rule.Low, Title: "Contexts of conversations come from the agent",
				Why:    "A caller who chooses the name of a context can guess, or take first, that of another.",
				Guides: []string{"S0-52"}, OWASP: []string{"API1:2023"}, Threats: []string{"MCP-T2", "MCP-T7"}, CWE: []string{"CWE-639"},
				Verify: "route.a2a.caller_contexts is true and message.uuid_contexts is false.", Fix: "Take caller_contexts out, or set route.a2a.message.uuid_contexts to true.",
			},
			Check: agents(func(r *config.Route, at string, out *found) {
				if r.A2A.CallerContexts && !r.A2A.Message.UUIDContexts {
					out.at(at+".a2a.caller_contexts", "Callers of %s choose names of contexts freely.", r.Name)
				}
			}),
		},
	}
}
