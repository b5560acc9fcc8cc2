package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config/a2a"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/guardrails"
	"github.com/portcullis-dev/portcullis/internal/config/privacy"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// Route is one [[route]]: a server behind the gateway.
type Route struct {
	Name           string                   `toml:"name" required:"true" example:"\"files\"" doc:"Name in logs, metrics and audit events: letters, digits, dashes, dots and underscores."`
	Path           string                   `toml:"path" required:"true" example:"\"/mcp\"" doc:"URL path of the route."`
	Protocol       string                   `toml:"protocol" doc:"Protocol of the server: mcp, or a2a (an agent)."`
	Upstream       string                   `toml:"upstream" example:"\"https://mcp.example.com/mcp\"" doc:"URL of the server. Give this or command."`
	Command        []string                 `toml:"command" example:"[\"npx\", \"-y\", \"@modelcontextprotocol/server-filesystem\", \"/srv\"]" doc:"Command that starts a server speaking over standard input and output, and its arguments; no shell is involved. Give this or upstream."`
	Env            map[string]string        `toml:"env" secret:"true" example:"{ GITHUB_TOKEN = \"${GITHUB_TOKEN}\" }" doc:"Environment of the command. It gets nothing else but pass_env and PATH, HOME, LANG, LC_ALL and TMPDIR. A value may be a secret reference, which is read when the command starts."`
	PassEnv        []string                 `toml:"pass_env" example:"[\"SSH_AUTH_SOCK\"]" doc:"Variables of the gateway's own environment that the command gets as they are."`
	Dir            string                   `toml:"dir" example:"\"/srv\"" doc:"Working directory of the command."`
	IdleTimeout    time.Duration            `toml:"idle_timeout" doc:"How long a command without calls is kept running."`
	MaxChildren    int                      `toml:"max_children" doc:"Commands that run at the same time, one for each session."`
	MaxPerCaller   int                      `toml:"max_children_per_caller" doc:"Of these, commands of one caller. When all are taken, a new session ends the one that was longest unused and that nobody listens to."`
	Credential     secrets.Credential       `toml:"credential" text:"secret" doc:"What the server asks of the gateway. The caller's own credential never travels on. A text is the reference to a bearer token: credential = \"secret://env/GITHUB_TOKEN\"."`
	Credentials    []secrets.ToolCredential `toml:"credentials" doc:"Another credential for calls of some tools."`
	Transport      string                   `toml:"transport" enum:"auto|streamable|sse" doc:"Transport of an upstream URL: Streamable HTTP, the older HTTP+SSE, or whichever it answers to."`
	Timeout        time.Duration            `toml:"timeout" doc:"How long the server may take to begin its answer, and then to end one that is no stream."`
	Auth           []string                 `toml:"auth" list:"text" doc:"How callers prove who they are: api_key, jwt and oidc (access tokens), basic (name and password), mtls (client certificate), or none together with insecure_no_auth."`
	InsecureNoAuth bool                     `toml:"insecure_no_auth" doc:"INSECURE: lets anyone call the route. Needed for auth = [\"none\"], so that it never happens by accident."`
	Rate           []string                 `toml:"rate" list:"text" doc:"Calls that may be made: a number and a time, such as 100/1m or 10/minute, then per address, key, route, tool or tool:NAME; all of them hold. Without \"per\" it is per key."`
	Limits         MessageLimits            `toml:"limits" doc:"Limits on what callers send."`
	ReplyLimits    MessageLimits            `toml:"reply_limits" doc:"Limits on what the server sends, for each message of a stream."`
	StreamBytes    Size                     `toml:"stream_bytes" doc:"What the server may stream in answer to one call, all events together. Listening streams have no such end."`
	Tools          ToolRules                `toml:"tools" doc:"Which tools may be called; tools/list shows only those."`
	Prompts        Rules                    `toml:"prompts" doc:"Which prompts may be read."`
	Resources      Rules                    `toml:"resources" doc:"Which resources may be read, by URI."`
	Skills         Rules                    `toml:"skills" doc:"Which skills of an agent may be used."`
	A2A            a2a.A2A                  `toml:"a2a" doc:"What only routes to agents have."`
	Schema         SchemaChecks             `toml:"schema" doc:"Whether calls and results must fit the schemas that the server itself names for its tools."`
	Schemas        []SchemaFile             `toml:"schemas" doc:"Schemas of your own for parts of messages. Repeat the table for each one."`
	Inspect        ContentRules             `toml:"inspect" doc:"What is done about what messages hold: credentials, personal data, hidden text."`
	Approval       guardrails.Approval      `toml:"approval" doc:"Tools whose calls need the word of another person."`
	Pins           toolpin.Config           `toml:"pins" doc:"What happens when the server shows other tools than before."`
	Taint          guardrails.Taint         `toml:"taint" doc:"What callers have read, and what they may not use after it."`
	Consent        string                   `toml:"consent" example:"\"research\"" doc:"Purpose, of those in [[privacy.purpose]], that callers of the route must have agreed to."`
	PHI            []privacy.RoutePHI       `toml:"phi" doc:"What of the route is protected health information. Repeat the table for each part."`
	Use            guardrails.Use           `toml:"use" doc:"How much a caller may use in a session and a day."`
	CORS           CORS                     `toml:"cors" doc:"Calls from web pages of other origins. None are allowed by default."`
	Headers        Headers                  `toml:"headers" doc:"Security headers of every reply."`
}

// MessageLimits bound one message.
type MessageLimits = guardrails.MessageLimits

// Rules allow or deny by name. Deny wins; an empty allow list allows what is
// not denied.
type Rules struct {
	Allow  []string            `toml:"allow" list:"text" example:"[\"read_*\"]" doc:"Names allowed; * stands for any text. Empty allows all that are not denied."`
	Deny   []string            `toml:"deny" list:"text" example:"[\"delete_*\"]" doc:"Names denied; wins over allow."`
	Scopes map[string][]string `toml:"scopes" example:"{ \"write_*\" = [\"write\"] }" doc:"Scopes that a caller needs, by name. All of a list are needed."`
}

// CORS is [route.cors].
type CORS struct {
	Origins     []string      `toml:"origins" list:"text" example:"[\"https://app.example.com\"]" doc:"Origins whose pages may call, exactly as browsers send them."`
	Methods     []string      `toml:"methods" list:"text" doc:"Methods they may use."`
	Headers     []string      `toml:"headers" list:"text" doc:"Request headers they may send."`
	Expose      []string      `toml:"expose" list:"text" doc:"Reply headers they may read."`
	Credentials bool          `toml:"credentials" doc:"Whether they may send cookies and HTTP authentication."`
	MaxAge      time.Duration `toml:"max_age" doc:"How long browsers may remember the answer."`
}

// Headers is [route.headers].
type Headers struct {
	Profile   string            `toml:"profile" enum:"api|guide|helmet" doc:"Set of security headers: for an API, those of the hardening guide, or those that Helmet sends."`
	Overrides map[string]string `toml:"overrides" example:"{ Referrer-Policy = \"same-origin\" }" doc:"Headers set instead of the profile's; an empty value removes one."`
}

// DefaultRoute returns the defaults of a [[route]].
func DefaultRoute() Route {
	return Route{
		Protocol: "mcp", Transport: "auto", Timeout: time.Minute, IdleTimeout: 10 * time.Minute, MaxChildren: 16, MaxPerCaller: 8,
		Auth: []string{"api_key"}, Rate: []string{"1000/1m per address", "100/1m per key"},
		Limits:      MessageLimits{Bytes: 1 << 20, Depth: 10, Array: 1000, String: 100000},
		ReplyLimits: MessageLimits{Bytes: 16 << 20, Depth: 64, Array: 100000, String: 8 << 20},
		Schema:      DefaultSchemaChecks(),
		Inspect:     DefaultContentRules(),
		StreamBytes: 256 << 20,
		Approval:    guardrails.DefaultApproval(),
		Credential:  secrets.DefaultCredential(),
		Pins:        toolpin.Default(),
		Taint:       guardrails.DefaultTaint(),
		CORS:        defaultCORS(),
		Headers:     Headers{Profile: "api"},
		A2A:         a2a.Default(),
	}
}

func defaultCORS() CORS {
	d := edge.DefaultCORS()
	return CORS{Methods: d.Methods, Headers: d.Headers, Expose: d.Expose, MaxAge: d.MaxAge}
}

// Validate checks a route without its tables and without the other routes.
func (r Route) Validate() error {
	var errs []error
	if len(r.Name) > 64 || !field.IsToken(r.Name) {
		errs = append(errs, fmt.Errorf("name: %q: want 1 to 64 letters, digits, dots, dashes or underscores", r.Name))
	}
	errs = append(errs, routePath(r.Path), supported("protocol", r.Protocol, []string{"mcp", "a2a"}, []string{"http"}))
	errs = append(errs, r.checkServer()...)
	errs = append(errs, r.checkProtocol()...)
	errs = append(errs, r.checkAuth()...)
	for i, rate := range r.Rate {
		if _, err := ratelimit.ParseRule(rate); err != nil {
			errs = append(errs, fmt.Errorf("rate[%d]: %w", i, err))
		}
	}
	errs = append(errs, field.AtLeast("stream_bytes", int64(r.StreamBytes), 1))
	errs = append(errs, field.Between("timeout", r.Timeout, time.Millisecond, 24*time.Hour))
	return errors.Join(errs...)
}

// OldTransport reports whether the upstream is spoken to by the transport of
// 2024-11-05: as the configuration says or, if that leaves it open, by the path
// that its servers use by convention.
func (r *Route) OldTransport() bool {
	if r.Transport != "auto" {
		return r.Transport == "sse"
	}
	u, err := url.Parse(r.Upstream)
	return err == nil && path.Base(u.Path) == "sse"
}

// checkServer checks that there is exactly one server and that no setting is
// given that only the other kind has.
func (r Route) checkServer() []error {
	switch {
	case r.Upstream == "" && len(r.Command) == 0:
		return []error{errors.New("needs upstream or command")}
	case r.Upstream != "" && len(r.Command) > 0:
		return []error{errors.New("command: cannot be given together with upstream")}
	case r.Upstream != "":
		return r.checkUpstream()
	}
	errs := []error{
		field.Between("idle_timeout", r.IdleTimeout, time.Second, 30*24*time.Hour),
		field.AtLeast("max_children", int64(r.MaxChildren), 1),
		field.AtLeast("max_children_per_caller", int64(r.MaxPerCaller), 1),
	}
	if r.Command[0] == "" {
		errs = append(errs, errors.New("command[0]: want the name of a program"))
	}
	if r.Transport != "auto" {
		errs = append(errs, errors.New("transport: has no effect on a command"))
	}
	for name := range r.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			errs = append(errs, fmt.Errorf("env: %q: want the name of a variable", name))
		}
	}
	for i, name := range r.PassEnv {
		if !field.IsToken(name) {
			errs = append(errs, fmt.Errorf("pass_env[%d]: %q: want the name of a variable", i, name))
		}
	}
	for i, arg := range r.Command {
		if strings.Contains(arg, "\x00") {
			errs = append(errs, fmt.Errorf("command[%d]: holds a NUL byte", i))
		}
	}
	return errs
}

func (r Route) checkUpstream() []error {
	var errs []error
	u, err := url.Parse(r.Upstream)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		errs = append(errs, errors.New(`upstream: want a URL such as "https://mcp.example.com/mcp"`))
	case u.User != nil:
		errs = append(errs, errors.New("upstream: holds a name or password"))
	case u.Fragment != "":
		errs = append(errs, errors.New("upstream: holds a fragment"))
	}
	for field, given := range map[string]bool{"env": len(r.Env) > 0, "pass_env": len(r.PassEnv) > 0, "dir": r.Dir != ""} {
		if given {
			errs = append(errs, fmt.Errorf("%s: has no effect without command", field))
		}
	}
	return errs
}

func (r Route) checkAuth() []error {
	var errs []error
	if len(r.Auth) == 0 {
		errs = append(errs, errors.New(`auth: names no method (write ["none"] and insecure_no_auth = true to let anyone call)`))
	}
	for i, method := range r.Auth {
		errs = append(errs, supported(fmt.Sprintf("auth[%d]", i), method,
			[]string{"api_key", "jwt", "oidc", "basic", "mtls", "zkp", "none"}, nil))
		if slices.Contains(r.Auth[:i], method) {
			errs = append(errs, fmt.Errorf("auth[%d]: %q: is there twice", i, method))
		}
	}
	none := slices.Contains(r.Auth, "none")
	switch {
	case none && len(r.Auth) > 1:
		errs = append(errs, errors.New(`auth: "none" cannot be given together with another method`))
	case none && !r.InsecureNoAuth:
		errs = append(errs, errors.New(`auth: "none" lets anyone call: it needs insecure_no_auth = true beside it`))
	case !none && r.InsecureNoAuth:
		errs = append(errs, errors.New(`insecure_no_auth: has no effect without auth = ["none"]`))
	}
	return errs
}

// supported tells a value of a later version from a mistake.
func supported(field, value string, known, later []string) error {
	switch {
	case slices.Contains(known, value):
		return nil
	case slices.Contains(later, value):
		return fmt.Errorf("%s: %q: %s", field, value, unsupported)
	default:
		return fmt.Errorf(`%s: %q: want "%s"`, field, value, strings.Join(known, `" or "`))
	}
}

// routePath accepts a clean absolute path of unreserved characters.
func routePath(p string) error {
	clean := strings.HasPrefix(p, "/") && !strings.Contains(p, "//") && (p == "/" || !strings.HasSuffix(p, "/"))
	for segment := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		clean = clean && segment != "." && segment != ".." && (segment == "" || field.IsToken(strings.ReplaceAll(segment, "~", "-")))
	}
	if !clean {
		return fmt.Errorf(`path: %q: want a path such as "/mcp"`, p)
	}
	for _, taken := range [...]string{"/health", "/ready", "/.well-known", "/auth", "/api"} {
		if p == taken || strings.HasPrefix(p, taken+"/") {
			return fmt.Errorf("path: %q: %s is the gateway's own", p, taken)
		}
	}
	return nil
}

// Validate checks patterns and scopes by the rules of the guards that use them.
func (r Rules) Validate() error {
	return errors.Join(tool.Config{Allow: r.Allow, Deny: r.Deny}.Validate(), scope.Config{Tools: r.Scopes}.Validate())
}

// Validate asks the guard that will use the settings.
func (c CORS) Validate() error {
	if len(c.Origins) == 0 {
		return nil
	}
	return c.Guard().Validate()
}

// Guard returns the settings as the CORS guard takes them.
func (c CORS) Guard() edge.CORSConfig {
	return edge.CORSConfig{
		Origins: c.Origins, Methods: c.Methods, Headers: c.Headers, Expose: c.Expose,
		Credentials: c.Credentials, MaxAge: c.MaxAge,
	}
}

// Validate asks the writer of headers that will use the settings.
func (h Headers) Validate() error {
	if h.Profile == "" {
		return nil // refused as an unknown word already
	}
	return edge.HeadersConfig{Profile: h.Profile, Set: h.Overrides}.Validate()
}
