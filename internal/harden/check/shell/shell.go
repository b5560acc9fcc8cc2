// Package shell finds the commands of shell scripts, without running any.
package shell

import (
	"slices"
	"strings"
)

// Command is one simple command, in words.
type Command struct {
	Words []string // not empty
	Piped bool     // its input comes from the command before
}

// Split takes a shell script apart at the operators between commands. It knows
// quotes and no more of the shell, which is enough to find names of programs
// and their options.
func Split(script string) []Command {
	var out []Command
	var words []string
	var word strings.Builder
	quote, has, piped := byte(0), false, false
	endWord := func() {
		if has {
			words = append(words, word.String())
		}
		word.Reset()
		has = false
	}
	end := func(pipe bool) {
		endWord()
		for len(words) > 0 && (keyword(words[0]) || assignment(words[0])) {
			words = words[1:]
		}
		if len(words) > 0 {
			out = append(out, Command{words, piped})
		}
		words, piped = nil, pipe
	}
	for i := 0; i < len(script); i++ {
		c := script[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, has = c, true
		case c == '\\' && i+1 < len(script):
			i++
			if script[i] != '\n' {
				word.WriteByte(script[i])
				has = true
			}
		case c == ' ' || c == '\t' || c == '\r':
			endWord()
		case c == '|':
			pipe := i+1 >= len(script) || script[i+1] != '|'
			if !pipe {
				i++
			}
			end(pipe)
		case strings.IndexByte("&;\n(){}", c) >= 0 && !(c == '{' && i > 0 && script[i-1] == '$'):
			end(false)
		default:
			word.WriteByte(c)
			has = true
		}
	}
	end(false)
	return out
}

func keyword(w string) bool {
	switch w {
	case "then", "do", "else", "if", "while", "until", "!", "time", "exec", "set":
		return true
	}
	return false
}

func assignment(w string) bool {
	name, _, ok := strings.Cut(w, "=")
	return ok && name != "" && !strings.ContainsAny(name, "-/.:$")
}

// Is reports whether a command is a program with the words after it, in order:
// Is("npm", "run", "build"). Options between them are passed over.
func (c Command) Is(program string, words ...string) bool {
	if base(c.Words[0]) != program {
		inner := c.wrapped()
		return inner != nil && Command{Words: inner}.Is(program, words...)
	}
	rest := c.Words[1:]
	for _, want := range words {
		for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != want {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0] != want {
			return false
		}
		rest = rest[1:]
	}
	return true
}

// Has reports whether one of some options is among the words. Of a short one,
// "-k", also groups such as "-fsSLk" count.
func (c Command) Has(options ...string) bool {
	for _, w := range c.Words[1:] {
		for _, o := range options {
			name, _, _ := strings.Cut(w, "=")
			short := len(o) == 2 && o[0] == '-' && len(w) > 1 && w[0] == '-' && w[1] != '-' && strings.Contains(w, o[1:])
			if w == o || name == o || short {
				return true
			}
		}
	}
	return false
}

// Fetches reports whether a command downloads.
func (c Command) Fetches() bool { return c.Is("curl") || c.Is("wget") }

// Loose says how a command installs other versions than those of a lock file,
// or "".
func (c Command) Loose() string {
	switch {
	case (c.Is("npm", "install") || c.Is("npm", "i") || c.Is("npm", "add")) && !c.Has("-g", "--global"):
		return "npm install does not keep to the lock file"
	case (c.Is("npm", "install") || c.Is("npm", "i")) && slices.ContainsFunc(c.Words[2:], func(w string) bool { return !strings.HasPrefix(w, "-") && strings.LastIndexByte(w, '@') < 1 }):
		return "a global npm package has no version"
	case c.Is("yarn", "install") && !c.Has("--immutable", "--frozen-lockfile"), c.Is("yarn") && len(c.Words) == 1:
		return "yarn may change the lock file"
	case c.Is("yarn", "add"), c.Is("pnpm", "add") && !c.Has("-g", "--global"), c.Is("bun", "add") && !c.Has("-g", "--global"):
		return c.Words[0] + " add changes the lock file"
	case c.Is("bun", "install") && !c.Has("--frozen-lockfile", "-g", "--global"):
		return "bun may change the lock file"
	case c.Is("pnpm", "install") && !c.Has("--frozen-lockfile"):
		return "pnpm may change the lock file"
	case (c.Is("pip", "install") || c.Is("pip3", "install") || c.Is("python", "-m", "pip", "install") || c.Is("python3", "-m", "pip", "install") || c.Is("uv", "pip", "install")) && !c.Has("--require-hashes", "--no-deps", "--no-index"):
		return "pip install does not compare hashes"
	case c.Is("go", "get"):
		return "go get changes what the lock file says"
	}
	return ""
}

// Unchecked says how a command downloads what nobody checks, or "".
func (c Command) Unchecked() string {
	switch {
	case c.Is("curl") && c.Has("-k", "--insecure"), c.Is("wget") && c.Has("--no-check-certificate"),
		c.Is("pip") && c.Has("--trusted-host"), c.Is("pip3") && c.Has("--trusted-host"),
		(c.Is("apt-get") || c.Is("apt")) && c.Has("--allow-unauthenticated", "--force-yes"), c.Is("apk") && c.Has("--allow-untrusted"),
		c.Is("npm", "config", "set", "strict-ssl", "false"), c.Is("git") && strings.Contains(strings.Join(c.Words, " "), "sslVerify=false"):
		return c.Words[0] + " does not check where it downloads from"
	}
	return ""
}
