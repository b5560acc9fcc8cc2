package settings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// rateRules are about how often callers may call.
func rateRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-rate-missing", Kind: rule.Config, Severity: rule.High, Title: "Calls are limited per caller",
				Why:    "One caller, or one loop in an agent, uses up the server and whatever it pays for.",
				Guides: []string{"S0-55", "S1-22", "S3-50"}, OWASP: []string{"API4:2023"}, CoSAI: rule.L3, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-770"},
				Verify: "route.rate of a route has no rule per key, tool or address.", Fix: "Take rate out of the route: the default is 1000/1m per address and 100/1m per key.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if !slices.ContainsFunc(rates(r), func(l ratelimit.Rule) bool { return l.Scope != ratelimit.ScopeRoute }) {
					out.at(at+".rate", "Nothing limits how often one caller uses the route %s.", r.Name)
				}
			}),
		}, `["1000/1m per address", "100/1m per key"]`),
		{
			Meta: rule.Meta{
				ID: "config-rate-generous", Kind: rule.Config, Severity: rule.Low, Title: "The limit of calls is one that can be reached",
				Why:    "A limit above what any honest caller needs limits nobody.",
				Guides: []string{"S0-55"}, OWASP: []string{"API4:2023"}, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-770"},
				Verify: "A rule of route.rate allows one caller more than 100 calls a second on average.", Fix: "Set rate to a few times of what callers really do, such as 100/1m per key; 'portcullis metrics' shows it.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				for _, l := range rates(r) {
					if l.Scope != ratelimit.ScopeRoute && time.Duration(l.Rate.Limit)*time.Second > 100*l.Rate.Window {
						out.at(at+".rate", "One caller may make %d calls in %s.", l.Rate.Limit, l.Rate.Window)
					}
				}
			}),
		},
	}
}

// sizeRules are about how much a call may take.
func sizeRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-limits-raised", Kind: rule.Config, Severity: rule.Medium, Title: "Messages of callers are small and flat",
				Why:    "Huge and deep messages cost memory and time in everything that reads them, here and behind.",
				Guides: []string{"S0-54"}, OWASP: []string{"API4:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T3", "MCP-T10"}, CWE: []string{"CWE-400", "CWE-770"},
				Verify: "route.limits of a route allows more than 16 MiB, a depth above 64, or more than 100,000 elements.", Fix: "Take route.limits out, or set what the largest honest message needs.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				l := r.Limits
				if int64(l.Bytes) > 16<<20 {
					out.at(at+".limits.bytes", "A message may have %d MiB.", int64(l.Bytes)>>20)
				}
				if l.Depth > 64 {
					out.at(at+".limits.depth", "A message may be nested %d deep.", l.Depth)
				}
				if l.Array > 100_000 {
					out.at(at+".limits.array", "A list may have %d elements.", l.Array)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-replies-unbounded", Kind: rule.Config, Severity: rule.Low, Title: "Replies are bounded",
				Why:    "A server that was taken over, or a tool that reads too much, floods the caller and its model.",
				Guides: []string{"S0-54"}, OWASP: []string{"API4:2023", "API10:2023", "MCP10:2025"}, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-770"},
				Verify: "route.reply_limits.bytes is above 64 MiB, or route.stream_bytes above 4 GiB.", Fix: "Set reply_limits.bytes to what the largest honest result needs; the default is 16MiB.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if b := int64(r.ReplyLimits.Bytes); b > 64<<20 {
					out.at(at+".reply_limits.bytes", "A reply may have %d MiB.", b>>20)
				}
				if b := int64(r.StreamBytes); b > 4<<30 {
					out.at(at+".stream_bytes", "A stream may have %d GiB.", b>>30)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-timeout-long", Kind: rule.Config, Severity: rule.Low, Title: "Calls that hang are given up",
				Why:    "Calls that wait for a server that does not answer hold connections and memory.",
				Guides: []string{"S0-55"}, OWASP: []string{"API4:2023"}, Threats: []string{"MCP-T10"}, CWE: []string{"CWE-400"},
				Verify: "route.timeout is above one hour.", Fix: "Set route.timeout to what the slowest honest call needs.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Timeout > time.Hour {
					out.at(at+".timeout", "A call may hang for %s.", r.Timeout)
				}
			}),
		},
	}
}

// browserRules are about calls from web pages.
func browserRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-cors-origin-any", Kind: rule.Config, Severity: rule.High, Title: "Only named web pages may call",
				Why:    "With * every page that somebody opens can call the gateway from inside their network.",
				Guides: []string{"S0-55"}, OWASP: []string{"MCP07:2025", "API8:2023"}, CoSAI: rule.L1, Threats: []string{"MCP-T7", "MCP-T8"}, CWE: []string{"CWE-942"},
				Verify: "route.cors.origins names \"*\".", Fix: "Name the origins whose pages may call, such as \"https://app.example.com\".",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if slices.Contains(r.CORS.Origins, "*") {
					out.at(at+".cors.origins", "Pages of every origin may call the route %s.", r.Name)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-cors-origin-plain", Kind: rule.Config, Severity: rule.Medium, Title: "Web pages that may call come over TLS",
				Why:    "Whoever is on the way to a page without TLS puts a script into it, which then calls.",
				Guides: []string{"S0-55"}, OWASP: []string{"MCP07:2025", "API8:2023"}, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-942", "CWE-319"},
				Verify: "route.cors.origins names an origin with http:// that is not on this machine.", Fix: "Write the origin with https://.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				for _, origin := range r.CORS.Origins {
					if host, plain := plainHost(origin); plain && !nearby(host) {
						out.at(at+".cors.origins", "Pages of %s may call, which come without TLS.", origin)
					}
				}
			}),
		},
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-cors-credentials", Kind: rule.Config, Severity: rule.Low, Title: "Web pages send no credentials of the browser",
				Why:    "With credentials a page calls with what the browser has stored, without the person knowing.",
				Guides: []string{"S0-55"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-352", "CWE-942"},
				Verify: "route.cors.credentials is true.", Fix: "Set it to false: pages send their key or token in a header.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.CORS.Credentials && len(r.CORS.Origins) > 0 {
					out.at(at+".cors.credentials", "Pages of other origins call the route %s with what the browser has stored.", r.Name)
				}
			}),
		}, "false"),
		{
			Meta: rule.Meta{
				ID: "config-headers-removed", Kind: rule.Config, Severity: rule.Medium, Title: "Security headers are sent",
				Why:    "Browsers that see a reply may then frame it, guess its type, or come back without TLS.",
				Guides: []string{"S0-55", "S3-50"}, OWASP: []string{"API8:2023"}, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-693"},
				Verify: "route.headers.overrides gives a security header an empty value.", Fix: "Take the line out of overrides.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				for name, value := range r.Headers.Overrides {
					if value == "" && slices.ContainsFunc(guardingHeaders[:], func(h string) bool { return strings.EqualFold(h, name) }) {
						out.at(at+".headers.overrides", "%s is not sent.", name)
					}
				}
			}),
		},
	}
}

// routeRules are about what lies behind a route.
func routeRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-tools-open", Kind: rule.Config, Severity: rule.Info, Title: "Routes say which tools may be used",
				Why:    "Every tool that the server has, or gets, can be called by whoever has a key for all tools.",
				Guides: []string{"S0-52"}, OWASP: []string{"MCP02:2025", "API5:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T2", "MCP-T9"}, CWE: []string{"CWE-732"},
				Verify: "A route has no tools.allow, tools.scopes, access rule and policy.", Fix: "List what is needed in route.tools.allow, or say in access.rules who may do what.",
			},
			Check: when("there is no route to tools", func(r *config.Route) bool { return r.Protocol == "mcp" }, func(r *config.Route, at string, out *found) {
				c := out.file.Config
				if len(r.Tools.Allow) == 0 && len(r.Tools.Scopes) == 0 && len(c.Access.PolicyFiles) == 0 && len(c.Access.Rules) == 0 {
					out.at(at+".tools", "Nothing says which tools of %s may be used.", r.Name)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-transport-deprecated", Kind: rule.Config, Severity: rule.Info, Title: "Upstreams speak Streamable HTTP",
				Why:    "The older transport with SSE is deprecated: servers that only speak it are not kept up.",
				Guides: []string{"S0-58"}, OWASP: []string{"MCP04:2025", "API9:2023"}, Threats: []string{"MCP-T11"}, CWE: []string{"CWE-477"},
				Verify: "route.transport is sse, or the upstream's path ends with /sse.", Fix: "Update the server, and name its Streamable HTTP endpoint.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.OldTransport() {
					out.at(at+".upstream", "The server behind %s is spoken to by the transport of 2024-11-05.", r.Name)
				}
			}),
		},
	}
}

// guardingHeaders are those that browsers protect people by.
var guardingHeaders = [...]string{
	"Strict-Transport-Security", "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cache-Control", "Cross-Origin-Resource-Policy",
}

// rates returns the limits of a route. They were parsed when the file was.
func rates(r *config.Route) []ratelimit.Rule {
	var out []ratelimit.Rule
	for _, text := range r.Rate {
		if l, err := ratelimit.ParseRule(text); err == nil {
			out = append(out, l)
		}
	}
	return out
}

// names words a few of a list.
func names(list []string) string {
	if len(list) <= 3 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ", "), len(list)-3)
}
