package mcpclient

import (
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

var fetched = regexp.MustCompile(`(?i)\b(curl|wget|iwr|invoke-webrequest)\b[^|;&]*\|\s*(sudo\s+)?(ba|z|da|k)?sh\b|\biex\b|\b(sh|bash)\s+<\(\s*(curl|wget)|\b(ba)?sh\s+-c\s+"?\$\((curl|wget)|\b(exec|eval)\s*\(.*(urlopen|requests\.get|urllib|fetch\(|https?\.get)`)

func shellRules() []rule.Rule[*File] {
	m := func(id string, severity rule.Severity, title, why, verify, fix string, cwe ...string) rule.Meta {
		return meta(id, severity, title, why, verify, fix, list("S0-54", "S0-58"), list("MCP05:2025", "MCP04:2025"), list("MCP-T3", "MCP-T11"), cwe)
	}
	return []rule.Rule[*File]{
		{
			Meta: m("shell", rule.Medium, "Servers are started without a shell", "A shell reads what stands in variables and arguments as commands, and hides what is run.",
				"command is sh, bash, cmd or powershell with -c.", "Name the program itself and give its arguments one by one.", "CWE-78"),
			Check: each(func(s server, out *found) {
				if slices.Contains([]string{"sh", "bash", "zsh", "dash", "ksh", "fish", "cmd", "powershell", "pwsh"}, program(s.command.text)) && len(s.args) > 0 {
					first := strings.ToLower(s.args[0].text)
					npx := first == "/c" && len(s.args) > 1 && program(s.args[1].text) == "npx" // what Windows needs
					if !npx && (strings.HasPrefix(first, "-") && strings.Contains(first, "c") || first == "/c") {
						out.add(s.command.place, "The server is started by a shell.", s.command.text+" "+s.args[0].text)
					}
				}
			}),
		},
		{
			Meta: m("fetched", rule.Critical, "Nothing is downloaded and run", "Whoever answers at the address runs code as the user, at every start, and nothing of it stays to be looked at.",
				"The command line has curl or wget, and a shell behind it.", "Install the program once, in a fixed version with a checksum, and start it.", "CWE-494", "CWE-829"),
			Check: each(func(s server, out *found) {
				if hit := fetched.FindString(strings.Join(s.words(), " ")); hit != "" {
					out.add(s.command.place, "The server is downloaded and run.", hit)
				}
			}),
		},
		{
			Meta: m("root", rule.High, "Servers do not run as root", "What a prompt makes the server do is done with all rights.",
				"The command is sudo, doas, su or pkexec.", "Start the server as the user; give it the one right that it needs in another way.", "CWE-250"),
			Check: each(func(s server, out *found) {
				for _, w := range s.words()[:min(4, len(s.words()))] {
					if slices.Contains([]string{"sudo", "doas", "su", "pkexec", "runas"}, program(w)) {
						out.add(s.command.place, "The server runs as root.", w)
						break
					}
				}
			}),
		},
	}
}

// container returns the arguments of docker run, nil where it is none.
func container(s server) []value {
	if !slices.Contains([]string{"docker", "podman", "nerdctl"}, program(s.command.text)) {
		return nil
	}
	for i, a := range s.args {
		if a.text == "run" {
			return s.args[i+1:]
		}
	}
	return nil
}

// takesValue reports whether an option of docker run has its value behind it.
func takesValue(option string) bool {
	return slices.Contains([]string{
		"-e", "--env", "-v", "--volume", "--mount", "--name", "-p", "--publish", "--network", "--net", "-u", "--user", "-w", "--workdir", "--env-file",
		"--entrypoint", "-m", "--memory", "--cpus", "--cap-add", "--cap-drop", "--security-opt", "--add-host", "--pull", "--platform", "-h", "--hostname",
		"--tmpfs", "-l", "--label", "--device", "--gpus", "--pid", "--ipc", "--userns", "--pids-limit", "--ulimit", "--dns", "--log-driver", "--restart",
	}, option)
}

// imageOf returns the image that docker run starts.
func imageOf(args []value) (value, bool) {
	for i := 0; i < len(args); i++ {
		switch a := args[i].text; {
		case takesValue(a):
			i++
		case !strings.HasPrefix(a, "-"):
			return args[i], true
		}
	}
	return value{}, false
}

// options calls f with the options of docker run and their values.
func options(args []value, f func(name, text string, at place)) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a.text, "-") {
			return // the image: what comes is for the program in it
		}
		name, text, ok := strings.Cut(a.text, "=")
		if short := name[:min(2, len(name))]; len(name) > 2 && name[1] != '-' && takesValue(short) { // -v/a:/b
			name, text, ok = short, strings.TrimPrefix(a.text[2:], "="), true
		}
		if !ok && takesValue(a.text) && i+1 < len(args) {
			i++
			text = args[i].text
		}
		f(name, text, a.place)
	}
}

func containerRules() []rule.Rule[*File] {
	m := func(id string, severity rule.Severity, title, why, verify, fix string, cwe ...string) rule.Meta {
		return meta(id, severity, title, why, verify, fix, list("S0-59", "S1-22"), list("MCP02:2025", "MCP04:2025"), list("MCP-T2", "MCP-T11"), cwe)
	}
	return []rule.Rule[*File]{
		{
			Meta: m("image-unpinned", rule.Medium, "Images are started by their digest", "A tag means another image tomorrow, with the mounts and keys of today.",
				"docker run names an image without @sha256:.", "Write the digest: name:tag@sha256:….", "CWE-829", "CWE-1357"),
			Check: each(eachInner(func(s server, out *found) {
				if v, ok := imageOf(container(s)); ok && !image.Variable(v.text) && !image.Parse(v.text).Pinned() {
					out.add(v.place, "The image is not named by its digest.", v.text)
				}
			})),
		},
		{
			Meta: m("container-privileged", rule.High, "Containers have no rights over the machine", "The container is no border then: the server is root of the machine.",
				"docker run has --privileged, --pid=host, --network=host, --cap-add or --security-opt …=unconfined.", "Remove the option.", "CWE-250"),
			Check: each(eachInner(func(s server, out *found) {
				options(container(s), func(name, text string, at place) {
					host := slices.Contains([]string{"--pid", "--ipc", "--network", "--net", "--userns", "--uts"}, name) && text == "host"
					loose := name == "--security-opt" && strings.Contains(text, "unconfined")
					if name == "--privileged" && text != "false" || host || loose || name == "--cap-add" || name == "--device" {
						out.add(at, "The container has rights over the machine.", strings.TrimSpace(name+" "+text))
					}
				})
			})),
		},
		{
			Meta: m("container-mounts", rule.High, "Containers see only the folders they need", "The server reads and changes everything of the user, or starts containers of its own.",
				"docker run mounts /, a home folder, /etc, .ssh or the socket of docker.", "Mount the one folder that is needed, read-only.", "CWE-668"),
			Check: each(eachInner(func(s server, out *found) {
				options(container(s), func(name, text string, at place) {
					from := ""
					switch name {
					case "-v", "--volume":
						from, _, _ = strings.Cut(text, ":")
					case "--mount":
						for field := range strings.SplitSeq(text, ",") {
							if k, v, _ := strings.Cut(field, "="); k == "src" || k == "source" {
								from = v
							}
						}
					}
					if from != "" && (broad(from) || strings.Contains(from, "docker.sock")) {
						out.add(at, "The container sees more than a folder.", from)
					}
				})
			})),
		},
	}
}

var wide = regexp.MustCompile(`^(?:/|~|/(?:home|Users|root|etc|var|usr|opt|mnt|proc|sys|dev)|/(?:home|Users)/[^/]+|\$\{?(?:HOME|USERPROFILE|userHome|env:HOME)\}?|[A-Za-z]:|[A-Za-z]:/Users(?:/[^/]+)?|%USERPROFILE%|.*/\.(?:ssh|aws|gnupg|kube|config|docker))$`)

// broad reports whether a folder holds about everything of a user or machine.
func broad(folder string) bool {
	folder = strings.ReplaceAll(folder, `\`, "/")
	if len(folder) > 1 {
		folder = strings.TrimRight(folder, "/")
		if folder == "" {
			folder = "/"
		}
	}
	return wide.MatchString(folder)
}

func rightRules() []rule.Rule[*File] {
	m := func(id string, severity rule.Severity, title, why, verify, fix string, cwe ...string) rule.Meta {
		return meta(id, severity, title, why, verify, fix, list("S0-52"), list("MCP02:2025"), list("MCP-T2", "MCP-T9"), cwe)
	}
	return []rule.Rule[*File]{
		{
			Meta: m("folder-broad", rule.High, "Servers see only the folders they need", "A prompt that was planted reads keys and mail, and writes what is run at the next login.",
				"A server of files has /, a home folder, /etc or .ssh as its root.", "Name the folder of the project.", "CWE-668", "CWE-732"),
			Check: each(eachInner(func(s server, out *found) {
				line := strings.ToLower(strings.Join(s.words(), " "))
				if !strings.Contains(line, "filesystem") && !strings.Contains(line, "file-system") && !strings.Contains(line, "files") && !strings.Contains(line, "--root") && !strings.Contains(line, "git") {
					return
				}
				if container(s) != nil {
					return // what it sees is said by its mounts
				}
				for _, a := range s.args {
					text := a.text
					if _, v, ok := strings.Cut(text, "="); ok && strings.HasPrefix(text, "-") {
						text = v
					}
					if broad(text) {
						out.add(a.place, "The server sees more than a folder.", text)
					}
				}
			})),
		},
		{
			Meta: m("approved", rule.Medium, "Tools are not called without asking", "What a page or a mail says is done, without anybody seeing it first.",
				"alwaysAllow or autoApprove names tools, or trust is true.", "Empty the list, or let a gateway decide which tools need nobody's word.", "CWE-862"),
			Check: each(func(s server, out *found) {
				for _, a := range s.approved {
					out.add(a.place, "A tool is called without asking.", a.text)
				}
				if s.trusted {
					out.add(s.at, "All tools of the server are called without asking.", s.name)
				}
			}),
		},
	}
}
