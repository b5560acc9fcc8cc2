package mcpclient

import (
	"context"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/credential"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/trust"
)

// Rules returns the rules.
func Rules() []rule.Rule[*File] {
	return slices.Concat(packageRules(), keyRules(), wireRules(), textRules(), shellRules(), containerRules(), rightRules())
}

// meta fills what all rules of the package share.
func meta(id string, severity rule.Severity, title, why, verify, fix string, guides, owasp, threats, cwe []string) rule.Meta {
	return rule.Meta{
		ID: rule.MCPClient.Prefix() + id, Kind: rule.MCPClient, Severity: severity, Title: title, Why: why, Verify: verify, Fix: fix,
		Guides: guides, OWASP: owasp, CoSAI: rule.L1, Threats: threats, CWE: cwe,
	}
}

func list(s ...string) []string { return s }

// runner returns what a program that fetches packages is to run, with the place
// of it, or false.
func runner(s server) (value, bool) {
	base := program(s.command.text)
	args := s.args
	switch base {
	case "npx", "bunx", "uvx", "pipx", "pnpx":
	case "pnpm", "yarn", "npm", "bun", "uv", "deno":
		if len(args) == 0 || !slices.Contains([]string{"dlx", "exec", "x", "run", "tool"}, args[0].text) || base == "uv" && args[0].text != "tool" || base == "npm" && args[0].text == "run" || base == "bun" && args[0].text == "run" {
			return value{}, false
		}
		args = args[1:]
	default:
		return value{}, false
	}
	for i := 0; i < len(args); i++ {
		switch a := args[i].text; {
		case a == "run" && (base == "pipx" || base == "uv"):
		case a == "--from" || a == "-p" || a == "--package":
			if i+1 < len(args) {
				return args[i+1], true
			}
		case strings.HasPrefix(a, "--package="), strings.HasPrefix(a, "--from="):
			_, v, _ := strings.Cut(a, "=")
			return value{v, args[i].place}, true
		case a == "--with" || a == "--python" || a == "--registry" || a == "--index-url":
			i++
		case !strings.HasPrefix(a, "-"):
			return args[i], true
		}
	}
	return value{}, false
}

// program is the base name of a command, without what Windows puts behind it.
func program(command string) string {
	base := strings.ToLower(path.Base(strings.ReplaceAll(command, `\`, "/")))
	for _, end := range []string{".exe", ".cmd", ".bat"} {
		base = strings.TrimSuffix(base, end)
	}
	return base
}

// exact is a version that means one package: "@1.2.3", "==1.2.3", a commit.
var exact = regexp.MustCompile(`(?:.@v?\d+\.\d+\.\d+[\w.+-]*|==\d[\w.+-]*|[@#][0-9a-f]{40})$`)

func packageRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: meta("package-unpinned", rule.High, "Packages are started in a fixed version", "Whoever publishes the next version runs code with the rights of the user, at the next start.",
				"A server is started with npx, uvx or the like, and its package has no exact version.", "Write the version behind the name: package@1.2.3, or package==1.2.3 for uvx.",
				list("S0-58", "S1-22"), list("MCP04:2025"), list("MCP-T11"), list("CWE-829", "CWE-1357")),
			Check: each(eachInner(func(s server, out *found) {
				if pkg, ok := runner(s); ok && !local(pkg.text) && !exact.MatchString(pkg.text) {
					out.add(pkg.place, "The package is started in whatever version is newest.", pkg.text)
				}
			})),
		},
		{
			Meta: meta("place-writable", rule.High, "Programs are not started from folders that anyone writes", "Another user, or a page that downloads a file, decides what is run.",
				"A command or script lies in /tmp, /var/tmp, /dev/shm or Downloads.", "Install the program in a folder that only its owner or the administrator writes.",
				list("S0-58"), list("MCP04:2025"), list("MCP-T11"), list("CWE-426")),
			Check: each(eachInner(func(s server, out *found) {
				for _, v := range started(s) {
					for _, bad := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/Downloads/", `\Downloads\`, `\Temp\`} {
						if strings.HasPrefix(v.text, bad) || (strings.Contains(bad, "Downloads") || strings.Contains(bad, "Temp")) && strings.Contains(v.text, bad) {
							out.add(v.place, "What is run lies in a folder that others write.", v.text)
						}
					}
				}
			})),
		},
	}
}

// started is what is run: the command, and the script that it is given.
func started(s server) []value {
	out := []value{s.command}
	for _, a := range s.args {
		out = append(out, a)
		if !strings.HasPrefix(a.text, "-") {
			break
		}
	}
	return out
}

func local(pkg string) bool {
	return strings.HasPrefix(pkg, ".") || strings.HasPrefix(pkg, "/") || strings.HasPrefix(pkg, "file:")
}

func keyRules() []rule.Rule[*File] {
	m := func(id, title, verify, fix string) rule.Meta {
		return meta(id, rule.High, title, "The file is copied, synchronised and committed, and every program of the user reads it.", verify, fix,
			list("S0-57", "S1-22"), list("MCP01:2025"), list("MCP-T1", "MCP-T5"), list("CWE-312", "CWE-798"))
	}
	return []rule.Rule[*File]{
		{
			Meta: m("key-env", "Variables hold no keys in plain text", "env of a server has a password, token or key as its value.", "Write ${NAME} or ${input:NAME}, or let a gateway keep the key."),
			Check: each(func(s server, out *found) {
				for _, p := range s.env {
					if credential.Configured(p.name, p.text) {
						out.add(p.place, "The variable "+p.name+" holds a key in plain text.", rule.Mask(p.text))
					}
				}
			}),
		},
		{
			Meta: m("key-args", "Arguments hold no keys", "args of a server has a password, token or key; all users of the machine see it in the list of processes.", "Give it as a variable, or let a gateway keep the key."),
			Check: each(func(s server, out *found) {
				words := s.words()
				for i, a := range s.args {
					if credential.Argument(words, i+1) {
						shown := a.text
						if _, v, ok := strings.Cut(a.text, "="); ok {
							shown = v
						} else if strings.HasPrefix(a.text, "-") && i+1 < len(s.args) {
							shown = s.args[i+1].text
						}
						out.add(a.place, "An argument holds a key.", rule.Mask(shown))
					}
				}
			}),
		},
		{
			Meta: m("key-header", "Headers hold no keys in plain text", "headers of a server has Authorization or a key with its value.", "Write ${NAME} or ${input:NAME}, or let the client authenticate with OAuth."),
			Check: each(func(s server, out *found) {
				for _, p := range s.headers {
					if credential.Configured(strings.ReplaceAll(strings.TrimPrefix(strings.ToUpper(p.name), "X-"), "-", "_"), p.text) || credential.Configured(p.name, p.text) {
						out.add(p.place, "The header "+p.name+" holds a key in plain text.", rule.Mask(p.text))
					}
				}
			}),
		},
		{
			Meta: m("key-address", "Addresses hold no keys", "url of a server has user:password@, or a parameter such as api_key or token.", "Send the key in a header, from a variable."),
			Check: each(func(s server, out *found) {
				for _, v := range addresses(s) {
					u, err := url.Parse(v.text)
					if err != nil {
						continue
					}
					_, has := u.User.Password()
					for name, values := range u.Query() {
						has = has || (credential.Telling(name) || strings.EqualFold(name, "key") || strings.EqualFold(name, "apiKey")) && !credential.Reference(values[0])
					}
					if has {
						out.add(v.place, "The address holds a key.", u.Host)
					}
				}
			}),
		},
	}
}

// address is one, wherever it stands in an argument.
var address = regexp.MustCompile(`(?i)(?:^|[=\s"'])((?:https?|wss?)://[^\s"']+)`)

// addresses are all URLs of a server.
func addresses(s server) []value {
	out := []value{}
	for _, v := range append([]value{s.url, s.command}, s.args...) {
		for _, m := range address.FindAllStringSubmatch(v.text, -1) {
			out = append(out, value{m[1], v.place})
		}
	}
	return out
}

// plainScheme tells the schemes that are not encrypted. URLs are parsed to lower
// case there.
func plainScheme(scheme string) bool { return scheme == "http" || scheme == "ws" }

func wireRules() []rule.Rule[*File] {
	wire := func(id string, severity rule.Severity, title, why, verify, fix, cwe string) rule.Meta {
		return meta(id, severity, title, why, verify, fix, list("S0-11", "S0-53"), list("MCP07:2025", "API8:2023"), list("MCP-T7", "MCP-T8"), list(cwe))
	}
	return []rule.Rule[*File]{
		{
			Meta: wire("plain-http", rule.High, "Servers on other machines are called over https", "Whoever is on the way reads the key, and changes what the model reads.",
				"url begins with http:// and is not on this machine.", "Use https, or put a gateway in front that ends TLS.", "CWE-319"),
			Check: each(func(s server, out *found) {
				for _, v := range addresses(s) {
					u, err := url.Parse(v.text)
					if err != nil || !plainScheme(u.Scheme) {
						continue
					}
					ip := net.ParseIP(u.Hostname())
					if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
						out.add(v.place, "The server is called over plain HTTP.", u.Host)
					}
				}
			}),
		},
		{
			Meta: wire("tls-unchecked", rule.High, "Certificates are checked", "Anyone on the way is taken for the server.",
				"env or args switch the check off: NODE_TLS_REJECT_UNAUTHORIZED=0, --insecure, --allow-http.", "Remove it; trust the authority instead: NODE_EXTRA_CA_CERTS, SSL_CERT_FILE.", "CWE-295"),
			Check: each(func(s server, out *found) {
				for _, p := range s.env {
					if trust.Off(p.name, p.text) {
						out.add(p.place, "Certificates are not checked.", p.name+"="+p.text)
					}
				}
				for _, a := range s.args {
					if trust.Option(a.text) {
						out.add(a.place, "Certificates are not checked.", a.text)
					}
				}
			}),
		},
		{
			Meta: meta("shadowed", rule.Medium, "Every server has a name of its own", "The client takes one of two for the other: tools are called on a server that nobody chose.",
				"Two servers have names that differ only in case, spaces or marks.", "Rename one, or remove it.", list("S0-54"), list("MCP03:2025", "MCP09:2025"), list("MCP-T6", "MCP-T9"), list("CWE-694")),
			Check: func(_ context.Context, f *File) ([]rule.Finding, error) {
				out := found{file: f.path}
				seen := map[string]string{}
				for _, s := range f.servers {
					folded := strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(strings.ToLower(s.name))
					if before, ok := seen[folded]; ok {
						out.add(s.at, "The name is taken for another.", s.name+" and "+before)
					}
					seen[folded] = s.name
				}
				return out.list, nil
			},
		},
	}
}
