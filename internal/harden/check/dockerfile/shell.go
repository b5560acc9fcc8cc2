package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/portcullis-dev/portcullis/internal/harden/check/shell"
)

// text returns what a RUN runs, with its heredocs.
func text(c *instructions.RunCommand) string {
	words := slices.Clone(c.CmdLine)
	for i, w := range words {
		if !c.PrependShell && strings.ContainsAny(w, " \t\n;|&") { // of a list: one word each
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	out := strings.Join(words, " ")
	for _, file := range c.Files {
		out += "\n" + file.Data
	}
	return out
}

// run is a command with the place of its RUN.
type run struct {
	shell.Command
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
			for _, one := range shell.All(script) {
				out = append(out, run{one, line(r.Location()), final[line(s.Location)], i, script})
			}
		}
	}
	return out
}
