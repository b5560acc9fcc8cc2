package mcpclient

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
)

// maxWrapped is how many programs around a program are looked through.
const maxWrapped = 6

// inner returns what a server runs in the end: behind env, sudo and the like,
// in the string of a shell, or in a command that is a whole line. A shell may
// run several programs. The server itself is always the first.
func inner(s server) []server {
	out := []server{s}
	for i := 0; i < len(out) && len(out) < maxWrapped*4; i++ {
		if i >= maxWrapped && len(out[i:]) > maxWrapped {
			break
		}
		out = append(out, unwrap(out[i])...)
	}
	return out
}

// unwrap returns what stands inside one command.
func unwrap(s server) []server {
	if line, ok := wholeLine(s.command.text); ok {
		return scripts(s, line, s.command.place, s.args)
	}
	name := program(s.command.text)
	switch name {
	case "env", "sudo", "doas", "nice", "ionice", "nohup", "setsid", "stdbuf", "time", "timeout", "exec", "command", "xargs", "dotenv", "dotenvx", "infisical", "doppler", "op", "start":
		return behindWrapper(s, name)
	case "sh", "bash", "zsh", "dash", "ksh", "fish", "ash", "busybox":
		for i, a := range s.args {
			if strings.HasPrefix(a.text, "-") && !strings.HasPrefix(a.text, "--") && strings.Contains(a.text, "c") && i+1 < len(s.args) {
				return scripts(s, s.args[i+1].text, s.args[i+1].place, nil)
			}
		}
	case "cmd", "powershell", "pwsh", "wsl":
		for i, a := range s.args {
			word := strings.ToLower(a.text)
			if word == "/c" || word == "/k" || word == "-c" || word == "-command" || word == "-e" || word == "--" {
				return rest(s, s.args[i+1:])
			}
		}
		if name == "wsl" {
			return rest(s, s.args)
		}
	}
	return nil
}

// wholeLine reports whether a command is a line with arguments. A path may have
// blanks in it; a name that is looked for may not.
func wholeLine(command string) (string, bool) {
	first, _, ok := strings.Cut(strings.TrimSpace(command), " ")
	if !ok || strings.ContainsRune(first, '\\') {
		return "", false
	}
	if !strings.Contains(first, "/") {
		return command, true
	}
	base := strings.TrimSuffix(path.Base(first), ".exe")
	return command, slices.Contains([]string{"npx", "bunx", "uvx", "pipx", "pnpx", "uv", "npm", "pnpm", "yarn", "bun", "deno", "docker", "podman", "env", "sudo", "sh", "bash", "node", "python", "python3"}, base)
}

// scripts returns the commands of a line of a shell.
func scripts(s server, line string, at place, more []value) []server {
	var out []server
	for _, c := range shell.Split(line) {
		next := s
		next.command, next.args = value{c.Words[0], at}, nil
		for _, w := range c.Words[1:] {
			next.args = append(next.args, value{w, at})
		}
		next.args = append(next.args, more...)
		out = append(out, next)
	}
	return out
}

// rest returns what some words run, of which the first may be a line.
func rest(s server, words []value) []server {
	if len(words) == 0 {
		return nil
	}
	if len(words) == 1 {
		return scripts(s, words[0].text, words[0].place, nil)
	}
	s.command, s.args = words[0], words[1:]
	return []server{s}
}

var (
	set   = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	after = regexp.MustCompile(`^-?[0-9]+[smhd]?$`)
)

// behindWrapper returns what a program starts that starts another.
func behindWrapper(s server, name string) []server {
	for i, a := range s.args {
		if a.text == "--" {
			return rest(s, s.args[i+1:])
		}
	}
	if slices.Contains([]string{"dotenv", "dotenvx", "infisical", "doppler", "op"}, name) {
		return nil // what they start stands behind --
	}
	for i := 0; i < len(s.args); i++ {
		switch a := s.args[i].text; {
		case name == "env" && (a == "-S" || a == "--split-string") && i+1 < len(s.args):
			return scripts(s, s.args[i+1].text, s.args[i+1].place, s.args[i+2:])
		case set.MatchString(a), after.MatchString(a):
		case slices.Contains([]string{"-u", "-g", "-h", "-p", "-C", "-U", "-D", "-n", "-c", "-k", "-s", "--unset", "--chdir", "--user", "--group"}, a) && (name != "sudo" || a != "-n" && a != "-k" && a != "-s") && i+1 < len(s.args):
			i++
		case strings.HasPrefix(a, "-"):
		default:
			return rest(s, append(s.args[i:i+1:i+1], s.args[i+1:]...))
		}
	}
	return nil
}

// eachInner makes a check of everything that servers run.
func eachInner(look func(s server, out *found)) func(s server, out *found) {
	return func(s server, out *found) {
		for _, in := range inner(s) {
			before := len(out.list)
			look(in, out)
			if len(out.list) > before {
				return // the same is seen in what is around it
			}
		}
	}
}

// Unpinned returns the package that a command fetches and starts in whatever
// version is newest, also behind a shell or a program such as env.
func Unpinned(words []string) (string, bool) {
	if len(words) == 0 {
		return "", false
	}
	s := server{command: value{text: words[0]}}
	for _, w := range words[1:] {
		s.args = append(s.args, value{text: w})
	}
	for _, in := range inner(s) {
		if pkg, ok := runner(in); ok && !local(pkg.text) && !exact.MatchString(pkg.text) {
			return pkg.text, true
		}
	}
	return "", false
}
