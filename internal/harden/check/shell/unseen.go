package shell

import (
	"path"
	"slices"
	"strings"
)

// base returns the name of a program without its folder.
func base(word string) string { return word[strings.LastIndexByte(word, '/')+1:] }

// wrapped returns the command that another one starts: what stands behind sudo,
// env and their like, their options and variables. It is nil where there is none.
func (c Command) wrapped() []string {
	switch base(c.Words[0]) {
	case "sudo", "doas", "env", "command", "nohup", "nice", "stdbuf":
	default:
		return nil
	}
	rest := c.Words[1:]
	for len(rest) > 0 && (strings.HasPrefix(rest[0], "-") || assignment(rest[0])) {
		switch rest[0] {
		case "-u", "-g", "-h", "-p", "-n", "-C", "-r", "-t": // each has a value, sudo's -n has none
			if rest[0] != "-n" || base(c.Words[0]) == "nice" {
				rest = rest[min(1, len(rest)-1):]
			}
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return nil
	}
	return rest
}

// inner returns the command itself: without what starts it.
func (c Command) inner() []string {
	words := c.Words
	for {
		next := Command{Words: words}.wrapped()
		if next == nil {
			return words
		}
		words = next
	}
}

// shell reports whether the words start a shell.
func shell(words []string) bool {
	return slices.Contains([]string{"sh", "bash", "ash", "dash", "zsh", "ksh"}, base(words[0]))
}

// interpreter reports whether the words start a program that runs what it reads.
func interpreter(words []string) bool {
	name := base(words[0])
	return shell(words) || strings.HasPrefix(name, "python") || slices.Contains([]string{"node", "perl", "ruby", "php", "pwsh"}, name)
}

// Script returns the text that a command gives to a shell: sh -c TEXT.
func (c Command) Script() string {
	words := c.inner()
	if !shell(words) {
		return ""
	}
	for i, w := range words[1:] {
		if strings.HasPrefix(w, "-") && !strings.HasPrefix(w, "--") && strings.HasSuffix(w, "c") && i+2 < len(words) {
			return words[i+2]
		}
	}
	return ""
}

// All is Split with the commands of scripts that are given to a shell.
func All(script string) []Command {
	var out []Command
	for _, c := range Split(script) {
		out = append(out, c)
		if inner := c.Script(); len(inner) < len(script) {
			out = append(out, All(inner)...)
		}
	}
	return out
}

// reads reports whether the words run what stands on their standard input: they
// name no file and no text to be run.
func reads(words []string) bool {
	if !interpreter(words) {
		return false
	}
	for i := 1; i < len(words); i++ {
		switch w := words[i]; {
		case w == "-" || w == "/dev/stdin" || w == "-s" || w == "--":
			return true
		case w == "-o" || w == "+o" || w == "-O": // a shell's option with a name
			i++
		case strings.HasPrefix(w, "--"):
		case strings.HasPrefix(w, "-") && shell(words):
			if strings.HasSuffix(w, "c") {
				return false
			}
			if strings.Contains(w, "s") {
				return true
			}
		case strings.HasPrefix(w, "-"):
			if strings.ContainsAny(w, "cemnp") { // a text, a module, or a filter of lines
				return false
			}
		case strings.ContainsAny(w[:min(1, len(w))], "<>0123456789"): // redirected
		default:
			return false
		}
	}
	return true
}

// checked are programs that compare what was fetched with what was meant.
var checked = [...]string{"sha256sum", "sha512sum", "sha384sum", "sha1sum", "shasum", "b2sum", "md5sum", "gpg", "gpgv", "cosign", "minisign", "openssl", "signify"}

// Unseen returns the commands of a script that run what was downloaded and that
// nobody looked at.
func Unseen(script string) []Command {
	var out []Command
	var saved []string // files that were downloaded
	fetched, compared := false, false
	commands := Split(script)
	for i, c := range commands {
		words := c.inner()
		fetched = fetched && c.Piped
		compared = compared || slices.Contains(checked[:], base(words[0]))
		runs := interpreter(words) || words[0] == "eval" || words[0] == "source" || words[0] == "."
		last := words[len(words)-1]
		switch {
		case c.Piped && fetched && reads(words),
			runs && substituted(words),
			runs && i+1 < len(commands) && commands[i+1].Fetches() && (strings.HasSuffix(last, "<") || strings.HasSuffix(last, "$")), // <(…), $(…)
			!compared && starts(words, saved),
			len(c.Script()) < len(script) && len(Unseen(c.Script())) > 0:
			out = append(out, c)
		}
		if c.Fetches() {
			fetched = true
			saved = append(saved, target(words)...)
		}
	}
	return out
}

// substituted reports whether the output of a download is run as a text.
func substituted(words []string) bool {
	if interpreter(words) && !(Command{Words: words}).Has("-c") {
		return false
	}
	all := strings.Join(words, " ")
	for _, begin := range [...]string{"$(curl ", "$(wget ", "`curl ", "`wget "} {
		if strings.Contains(all, begin) {
			return true
		}
	}
	return false
}

// target returns the file that a download is written to.
func target(words []string) []string {
	var out []string
	address := ""
	for i, w := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		long, value, ok := strings.Cut(w, "=")
		grouped := len(w) > 1 && w[0] == '-' && w[1] != '-'
		switch {
		case strings.Contains(w, "://"):
			address = w
		case w == ">" || w == "--output" || w == "--output-document",
			base(words[0]) == "curl" && grouped && strings.HasSuffix(w, "o"), base(words[0]) == "wget" && grouped && strings.HasSuffix(w, "O"):
			out = append(out, next)
		case ok && (long == "--output" || long == "--output-document"):
			out = append(out, value)
		case strings.HasPrefix(w, ">") && len(w) > 1:
			out = append(out, w[1:])
		}
	}
	if len(out) == 0 && address != "" && (base(words[0]) == "wget" || Command{Words: words}.Has("-O", "--remote-name")) {
		address, _, _ = strings.Cut(address, "?")
		out = append(out, path.Base(address))
	}
	return slices.DeleteFunc(out, func(f string) bool { return f == "" || f == "-" || strings.HasPrefix(f, "/dev/") })
}

// starts reports whether the words run one of some files.
func starts(words, files []string) bool {
	first := ""
	if shell(words) || words[0] == "source" || words[0] == "." || interpreter(words) {
		for _, w := range words[1:] {
			if !strings.HasPrefix(w, "-") {
				first = w
				break
			}
		}
	} else if strings.Contains(words[0], "/") {
		first = words[0]
	}
	return first != "" && slices.ContainsFunc(files, func(f string) bool { return path.Clean(f) == path.Clean(first) })
}
