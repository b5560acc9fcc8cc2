// Package gitignore reads .gitignore files: which files of a folder git leaves
// out.
package gitignore

import (
	"path"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// Of returns the patterns of all .gitignore files of a tree.
func Of(t *tree.Tree) Patterns {
	var g Patterns
	for _, f := range t.Files() {
		if f.Base() == ".gitignore" {
			if data, err := t.Read(f.Path); err == nil {
				g = g.With(path.Dir(f.Path), data)
			}
		}
	}
	return g
}

// pattern is a line of a .gitignore.
type pattern struct {
	folder   string // where the .gitignore stands, "." for the root
	parts    []string
	negated  bool
	folders  bool // matches folders only
	anchored bool
}

// Patterns are those of a repository, in the order in which they count. The zero
// value leaves nothing out.
type Patterns []pattern

const maxPatterns = 10_000

// With appends the lines of one .gitignore.
func (g Patterns) With(folder string, text []byte) Patterns {
	for _, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" || line[0] == '#' || len(g) >= maxPatterns {
			continue
		}
		p := pattern{folder: folder}
		if line[0] == '!' {
			p.negated, line = true, line[1:]
		}
		line = strings.TrimPrefix(line, `\`)
		if strings.HasSuffix(line, "/") {
			p.folders, line = true, strings.TrimSuffix(line, "/")
		}
		p.anchored = strings.Contains(line, "/")
		line = strings.TrimPrefix(line, "/")
		if line == "" {
			continue
		}
		p.parts = strings.Split(line, "/")
		g = append(g, p)
	}
	return g
}

// Ignored reports whether git leaves a file out. What lies in an ignored folder
// cannot be taken in again.
func (g Patterns) Ignored(file string) bool {
	parts := strings.Split(file, "/")
	for i := 1; i <= len(parts); i++ {
		if g.last(strings.Join(parts[:i], "/"), i < len(parts)) {
			return true
		}
	}
	return false
}

// last returns what the last pattern says that matches.
func (g Patterns) last(name string, folder bool) bool {
	out := false
	for _, p := range g {
		if p.matches(name, folder) {
			out = !p.negated
		}
	}
	return out
}

func (p pattern) matches(name string, folder bool) bool {
	if p.folders && !folder {
		return false
	}
	if p.folder != "." {
		rest, ok := strings.CutPrefix(name, p.folder+"/")
		if !ok {
			return false
		}
		name = rest
	}
	if !p.anchored {
		return glob(p.parts[0], path.Base(name))
	}
	return match(p.parts, strings.Split(name, "/"), 0)
}

// match matches elements of a path; ** stands for any number of them.
func match(pattern, name []string, depth int) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			if len(pattern) == 1 {
				return len(name) > 0
			}
			for i := 0; i <= len(name) && depth < 8; i++ {
				if match(pattern[1:], name[i:], depth+1) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 || !glob(pattern[0], name[0]) {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

func glob(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return err == nil && ok
}
