package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// Budgets, in lines. Generated files are not counted.
const (
	maxFile     = 500
	maxFunction = 80
	maxPackage  = 2000
)

// vagueNames say nothing about what a package is for.
var vagueNames = [...]string{"util", "common", "helper", "manager", "type", "misc", "shared", "base", "lib", "stuff"}

func checkNames(packages []*pkg) []string {
	var found []string
	for _, p := range packages {
		names := []string{p.dir[strings.LastIndex(p.dir, "/")+1:]}
		for _, f := range p.code() {
			names = append(names, f.syntax.Name.Name)
		}
		for _, name := range names {
			singular := strings.TrimSuffix(name, "s")
			if slices.Contains(vagueNames[:], singular) || strings.HasSuffix(singular, "util") || strings.HasSuffix(singular, "helper") {
				found = append(found, fmt.Sprintf("%s: name %q says nothing", p.title(), name))
			}
		}
	}
	return found
}

// checkDocs wants one comment per package, of the form that go doc expects.
func checkDocs(packages []*pkg) []string {
	var found []string
	for _, p := range packages {
		code := p.code()
		if len(code) == 0 {
			continue
		}
		name := code[0].syntax.Name.Name
		start := "Package " + name + " "
		if name == "main" {
			start = "Command "
		}
		described := slices.ContainsFunc(code, func(f *file) bool {
			return f.syntax.Doc != nil && strings.HasPrefix(f.syntax.Doc.Text(), start)
		})
		if !described {
			found = append(found, fmt.Sprintf("%s: no package comment that begins %q", p.title(), start))
		}
	}
	return found
}

func checkSizes(packages []*pkg) []string {
	var found []string
	for _, p := range packages {
		total := 0
		for _, f := range p.handwritten() {
			total += f.lines
			if f.lines > maxFile {
				found = append(found, fmt.Sprintf("%s: %d lines, at most %d", f.name, f.lines, maxFile))
			}
			for _, decl := range f.syntax.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				lines := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1
				if lines > maxFunction {
					found = append(found, fmt.Sprintf("%s: %s has %d lines, at most %d", f.at(fn), fn.Name.Name, lines, maxFunction))
				}
			}
		}
		if total > maxPackage {
			found = append(found, fmt.Sprintf("%s: %d lines, at most %d", p.title(), total, maxPackage))
		}
	}
	return found
}

var (
	// unfinished marks work that was left for later.
	unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK|WIP|TBD)\b`)
	// unfinishedText is what such code says when it is reached.
	unfinishedText = regexp.MustCompile(`not (yet )?implemented|unimplemented|coming soon`)
)

// checkWords finds what was left unfinished in comments and in messages.
func checkWords(packages []*pkg) []string {
	var found []string
	for _, p := range packages {
		if p.exempt() {
			continue
		}
		for _, f := range p.handwritten() {
			for _, group := range f.syntax.Comments {
				for _, c := range group.List {
					if word := firstMatch(c.Text); word != "" {
						found = append(found, fmt.Sprintf("%s: comment says %q", f.at(c), word))
					}
				}
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if word := unfinishedText.FindString(lit.Value); word != "" {
						found = append(found, fmt.Sprintf("%s: text says %q", f.at(lit), word))
					}
				}
				return true
			})
		}
	}
	return found
}

func firstMatch(comment string) string {
	if word := unfinished.FindString(comment); word != "" {
		return word
	}
	return unfinishedText.FindString(comment)
}
