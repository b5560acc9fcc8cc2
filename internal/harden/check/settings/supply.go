package settings

import (
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// supplyRules are about what stands behind the gateway: commands, upstreams
// and the secrets they are given.
func supplyRules() []rule.Rule[*File] {
	return slices.Concat(secretRules(), sourceRules(), commandRules(), []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-upstream-plain", Kind: rule.Config, Severity: rule.High, Title: "Servers on public networks are spoken to over TLS",
				Why:    "Whoever is on the way reads and changes calls, results and the credential of the gateway.",
				Guides: []string{"S0-53"}, OWASP: []string{"MCP07:2025", "API10:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-319"},
				Verify: "route.upstream begins with http:// and its host is a public name or address, or the route sends a credential to another machine.", Fix: "Write the upstream with https://.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				host, plain := plainHost(r.Upstream)
				if plain && !nearby(host) && (!inside(host) || credentialed(r)) {
					out.at(at+".upstream", "Calls of %s travel to %s in clear text.", r.Name, host)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-upstream-plain-inside", Kind: rule.Config, Severity: rule.Info, Title: "Servers on private networks are spoken to over TLS",
				Why:    "Whoever gets into the private network reads and changes calls and results.",
				Guides: []string{"S0-53"}, OWASP: []string{"API10:2023"}, CoSAI: rule.L4, Threats: []string{"MCP-T7"}, CWE: []string{"CWE-319"},
				Verify: "route.upstream begins with http:// and its host is of a private network.", Fix: "Write upstream with https:// and give the server a certificate, or run it on this machine, behind 127.0.0.1.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				host, plain := plainHost(r.Upstream)
				if plain && !nearby(host) && inside(host) && !credentialed(r) {
					out.at(at+".upstream", "Calls of %s travel to %s in clear text, inside.", r.Name, host)
				}
			}),
		},
	})
}

// secretRules are about secrets in the configuration.
func secretRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-secret-in-file", Kind: rule.Config, Severity: rule.High, Title: "No secret stands in the file",
				Why:    "Configurations are copied, backed up, sent around and committed; whoever has one has the secret.",
				Guides: []string{"S0-57", "S1-22", "S3-50", "S0-52"}, OWASP: []string{"MCP01:2025", "API8:2023"}, CoSAI: rule.L2, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-798", "CWE-312"},
				Verify: "'portcullis config validate' warns of a secret in the file.", Fix: "Write \"${NAME}\", or secret://file/PATH where the setting takes a reference, and change the secret: it was in a file.",
			},
			Check: look(func(c *config.Config, out *found) {
				for _, setting := range c.PlainSecrets() {
					out.at(setting, "A secret stands in the file.")
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-secret-in-arguments", Kind: rule.Config, Severity: rule.High, Title: "Commands get secrets in their environment",
				Why:    "Every user of the machine sees the arguments of commands that run.",
				Guides: []string{"S0-57"}, OWASP: []string{"MCP01:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-214"},
				Verify: "route.command has an argument such as --api-key VALUE.", Fix: "Give it in route.env, as \"secret://…\" or \"${NAME}\".",
			},
			Check: when("no route starts a command", starts, func(r *config.Route, at string, out *found) {
				for i, arg := range r.Command {
					name, value, joined := strings.Cut(arg, "=")
					if !secretFlag.MatchString(name) {
						continue
					}
					if joined && value != "" || !joined && i+1 < len(r.Command) && !strings.HasPrefix(r.Command[i+1], "-") {
						out.at(at+".command", "The command of %s gets a secret as its argument %s.", r.Name, name)
					}
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-credential-in-url", Kind: rule.Config, Severity: rule.Medium, Title: "Credentials do not stand in URLs",
				Why:    "URLs end up in the logs of servers and proxies.",
				Guides: []string{"S0-57"}, OWASP: []string{"MCP01:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-598"},
				Verify: "A credential of a route has type = \"query\".", Fix: "Use type = \"header\" or \"bearer\" if the server takes one.",
			},
			Check: routes(func(r *config.Route, at string, out *found) {
				if r.Credential.Type == secrets.Query && r.Credential.On() {
					out.at(at+".credential", "The server behind %s gets its credential in the URL.", r.Name)
				}
				for i := range r.Credentials {
					if c := &r.Credentials[i]; c.Type == secrets.Query && c.On() {
						out.at(indexed(at+".credentials", i), "The server behind %s gets its credential for %s in the URL.", r.Name, names(c.Tools))
					}
				}
			}),
		},
	}
}

// sourceRules are about where secrets come from.
func sourceRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-secret-files-readable", Kind: rule.Config, Severity: rule.Medium, Title: "Files with secrets that everybody can read are refused",
				Why:    "Every user and every program of the machine can read the secret.",
				Guides: []string{"S0-57"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-732"},
				Verify: "secrets.file.insecure_world_readable is true.", Fix: "Take it out and close the files or their folder: chmod 0400, or defaultMode: 0400 of a mounted Secret.",
			},
			Check: look(func(c *config.Config, out *found) {
				if c.Secrets.File.InsecureWorldReadable {
					out.at("secrets.file.insecure_world_readable", "Secrets are taken from files that everybody can read.")
				}
			}),
		}, "false"),
		mend(rule.Rule[*File]{
			Meta: rule.Meta{
				ID: "config-rotation-unverified", Kind: rule.Config, Severity: rule.Medium, Title: "A new provider key is tried before it is used",
				Why:    "A key that does not work replaces one that does.",
				Guides: []string{"S0-6", "S0-52"}, OWASP: []string{"MCP01:2025"}, Threats: []string{"MCP-T5"}, CWE: []string{"CWE-754"},
				Verify: "An entry of secrets.rotation has insecure_no_verify = true.", Fix: "Take it out, and say in probe how the provider is asked.",
			},
			Check: look(func(c *config.Config, out *found) {
				for i, e := range c.Secrets.Rotation.Entries {
					if e.NoVerify {
						out.at(indexed("secrets.rotation.entry", i)+".insecure_no_verify", "New values of %s are used untried.", e.Name)
					}
				}
			}),
		}, "false"),
	}
}

func commandRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: rule.Meta{
				ID: "config-command-unpinned", Kind: rule.Config, Severity: rule.High, Title: "Commands run a fixed version",
				Why:    "Each start runs what was published last: whoever takes over the package runs code here, with the server's secrets.",
				Guides: []string{"S0-48", "S0-58"}, OWASP: []string{"MCP04:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T11"}, CWE: []string{"CWE-494", "CWE-829", "CWE-1104"},
				Verify: "route.command runs npx, uvx, pipx, bunx, pnpm dlx, deno, go run or docker run without a version or digest.", Fix: "Name the version: npx -y NAME@1.2.3, uvx NAME==1.2.3, docker run IMAGE@sha256:….",
			},
			Check: when("no route starts a command", starts, func(r *config.Route, at string, out *found) {
				if what := Unpinned(r.Command); what != "" {
					out.at(at+".command", "The command of %s runs whatever version of %s is the newest.", r.Name, what)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-command-shell", Kind: rule.Config, Severity: rule.Medium, Title: "Commands run without a shell",
				Why:    "A shell reads its line again: what it expands and fetches is not what stands here.",
				Guides: []string{"S0-54"}, OWASP: []string{"MCP05:2025"}, Threats: []string{"MCP-T3", "MCP-T11"}, CWE: []string{"CWE-78"},
				Verify: "route.command begins with sh -c or the like.", Fix: "Name the program itself in command, with its arguments as a list.",
			},
			Check: when("no route starts a command", starts, func(r *config.Route, at string, out *found) {
				shells := []string{"sh", "bash", "zsh", "dash", "ksh", "fish", "cmd", "cmd.exe", "powershell", "pwsh"}
				if slices.Contains(shells, base(r.Command[0])) && slices.ContainsFunc(r.Command[1:], func(a string) bool {
					return strings.HasPrefix(a, "-") && strings.Contains(a, "c") || strings.EqualFold(a, "/c")
				}) {
					out.at(at+".command", "The command of %s is a line for a shell.", r.Name)
				}
			}),
		},
		{
			Meta: rule.Meta{
				ID: "config-command-environment", Kind: rule.Config, Severity: rule.Medium, Title: "Commands do not get the gateway's own secrets",
				Why:    "A server that was taken over reads them from its environment.",
				Guides: []string{"S0-52", "S0-57"}, OWASP: []string{"MCP01:2025", "MCP02:2025"}, CoSAI: rule.L2, Threats: []string{"MCP-T5", "MCP-T9"}, CWE: []string{"CWE-526"},
				Verify: "route.pass_env names a variable that holds a secret.", Fix: "Give the command a secret of its own in route.env.",
			},
			Check: when("no route starts a command", starts, func(r *config.Route, at string, out *found) {
				for _, name := range r.PassEnv {
					if secretName.MatchString(name) {
						out.at(at+".pass_env", "The command of %s gets the gateway's %s.", r.Name, name)
					}
				}
			}),
		},
	}
}

var (
	secretFlag = regexp.MustCompile(`(?i)^--?(.*[-_])?(api[-_]?key|token|password|passwd|secret|access[-_]?key|private[-_]?key|pat)$`)
	secretName = regexp.MustCompile(`(?i)(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(_|$)|^SSH_AUTH_SOCK$|^DATABASE_URL$`)
	versioned  = regexp.MustCompile(`.@v?\d+\.\d+\.\d+|==\d|@[0-9a-f]{7,40}$|#[0-9a-f]{7,40}$`)
)

func starts(r *config.Route) bool { return len(r.Command) > 0 }

func credentialed(r *config.Route) bool {
	return r.Credential.On() || slices.ContainsFunc(r.Credentials, func(c secrets.ToolCredential) bool { return c.On() })
}

// Unpinned returns the package or image that a command fetches in whatever
// version there is, or "" if it fetches none or names the version.
func Unpinned(command []string) string {
	if len(command) == 0 {
		return ""
	}
	args := command[1:]
	switch name := base(command[0]); name {
	case "npx", "bunx", "uvx", "pipx", "dnx":
	case "pnpm", "yarn", "bun", "npm", "uv", "deno", "go":
		verbs := map[string][]string{
			"pnpm": {"dlx"}, "yarn": {"dlx"}, "bun": {"x"}, "npm": {"exec", "x"}, "uv": {"tool"}, "deno": {"run"}, "go": {"run"},
		}
		if len(args) == 0 || !slices.Contains(verbs[name], args[0]) {
			return ""
		}
		args = args[1:]
	case "docker", "podman", "nerdctl":
		return unpinnedImage(args)
	default:
		return ""
	}
	if slices.Contains(args, "--no-install") || slices.Contains(args, "--offline") {
		return ""
	}
	what := fetched(args)
	switch {
	case what == "", versioned.MatchString(what), strings.HasPrefix(what, "."), strings.HasPrefix(what, "/"):
		return ""
	case base(command[0]) == "deno" && !strings.Contains(what, ":"), base(command[0]) == "go" && !strings.Contains(strings.SplitN(what, "/", 2)[0], "."):
		return "" // a file or package of one's own
	}
	return what
}

// fetched returns the package among the arguments of a runner: that of a flag
// that names one, or the first that is no flag.
func fetched(args []string) string {
	for i, a := range args {
		name, value, joined := strings.Cut(a, "=")
		if slices.Contains([]string{"-p", "--package", "--from", "--spec"}, name) {
			if joined {
				return value
			}
			if i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case slices.Contains([]string{"--python", "--with", "--index-url", "--registry", "-w", "--workspace"}, a):
			i++
		case a == "run" || strings.HasPrefix(a, "-"):
		default:
			return a
		}
	}
	return ""
}

// unpinnedImage returns the image of "docker run" if it has no digest.
func unpinnedImage(args []string) string {
	if len(args) == 0 || args[0] != "run" {
		return ""
	}
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case slices.Contains(imageFlags[:], a):
			i++ // its value
		case strings.HasPrefix(a, "-"):
		case strings.Contains(a, "@sha256:"):
			return ""
		default:
			return a
		}
	}
	return ""
}

// imageFlags are flags of "docker run" whose value is the next argument.
var imageFlags = [...]string{
	"-e", "--env", "--env-file", "-v", "--volume", "--mount", "-p", "--publish", "--name", "--network", "--net", "-u", "--user", "-w", "--workdir",
	"--entrypoint", "-m", "--memory", "--cpus", "--pids-limit", "--cap-drop", "--cap-add", "--security-opt", "--tmpfs", "-h", "--hostname", "-l", "--label",
	"--platform", "--pull", "--add-host", "--dns", "--runtime", "--ulimit", "--log-driver", "--restart",
}

// base is the name of a program without its folder.
func base(program string) string {
	program = strings.ReplaceAll(program, `\`, "/")
	name := program[strings.LastIndexByte(program, '/')+1:]
	return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".exe"), ".cmd")
}
