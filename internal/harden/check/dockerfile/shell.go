package dockerfile

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// command is one simple command of a RUN, in words.
type command struct {
	words []string
	piped bool // its input comes from the command before
}

// text returns what a RUN runs, with its heredocs.
func text(c *instructions.RunCommand) string {
	out := strings.Join(c.CmdLine, " ")
	for _, file := range c.Files {
		out += "\n" + file.Data
	}
	return out
}

// split takes a shell script apart at the operators between commands. It knows
// quotes and no more of the shell, which is enough to find names of programs
// and their options.
func split(script string) []command {
	var out []command
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
			out = append(out, command{words, piped})
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

// is reports whether a command is a program with the words after it, in order:
// is("npm", "run", "build"). Options between them are passed over.
func (c command) is(program string, words ...string) bool {
	name := c.words[0][strings.LastIndexByte(c.words[0], '/')+1:]
	if name == "sudo" && len(c.words) > 1 {
		return command{words: c.words[1:]}.is(program, words...)
	}
	if name != program {
		return false
	}
	rest := c.words[1:]
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

// has reports whether one of some options is among the words. Of a short one,
// "-k", also groups such as "-fsSLk" count.
func (c command) has(options ...string) bool {
	for _, w := range c.words[1:] {
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

// run is a command with the place of its RUN.
type run struct {
	command
	line  int
	final bool
	stage int
	all   string // everything the RUN runs
}

// runs returns all commands of all RUNs.
func (f *File) runs() []run {
	var out []run
	final := map[int]bool{}
	for _, s := range f.lineage() {
		final[line(s.Location)] = true
	}
	for i, s := range f.stages {
		for _, c := range s.Commands {
			r, ok := c.(*instructions.RunCommand)
			if !ok {
				continue
			}
			script := text(r)
			for _, one := range split(script) {
				out = append(out, run{one, line(r.Location()), final[line(s.Location)], i, script})
			}
		}
	}
	return out
}
