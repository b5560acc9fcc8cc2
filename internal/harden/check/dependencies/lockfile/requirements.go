package lockfile

import (
	"fmt"
	"regexp"
	"strings"
)

// Loose is a requirement of pip that does not name one version.
type Loose struct {
	Name, Text string
	Line       int
}

// requirement is "name[extra] spec".
var requirement = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)$`)

// Index is a registry that requirements name.
type Index struct {
	Package      // its address is From
	Extra   bool // beside another one
}

// Requirements reads a file of requirements of pip. It is a lock file as far as
// it names one version each; the others are loose. indexes are the addresses of
// the registries that it names.
func Requirements(name string, data []byte) (l *Lock, loose []Loose, indexes []Index, err error) {
	l = &Lock{Path: name, Manager: "pip", Ecosystem: PyPI}
	err = l.fill(data, func(l *Lock, t text) error {
		for _, line := range logical(t) {
			text, first := line.text, line.line
			if text[0] == '-' {
				if at, ok := option(text, "-i", "--index-url"); ok {
					indexes = append(indexes, Index{Package: Package{Ecosystem: PyPI, Name: "registry", Line: first, From: at}})
				}
				if at, ok := option(text, "--extra-index-url", "-f", "--find-links"); ok {
					indexes = append(indexes, Index{Package{Ecosystem: PyPI, Name: "registry", Line: first, From: at}, true})
				}
				at, ok := option(text, "-e", "--editable")
				if !ok {
					continue
				}
				text = at
			}
			p, whole, err := pip(text, first)
			if err != nil {
				return err
			}
			if !whole {
				loose = append(loose, Loose{p.Name, shorten(text), first})
				continue
			}
			if err := l.add(p); err != nil {
				return err
			}
		}
		return nil
	})
	return l, loose, indexes, err
}

type logicalLine struct {
	text string
	line int
}

// logical joins lines that end in \, takes comments off and leaves out what is
// empty.
func logical(t text) []logicalLine {
	var out []logicalLine
	var b strings.Builder
	first := 0
	for i, line := range strings.Split(string(t.data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if first == 0 {
			first = i + 1
		}
		if j := strings.Index(" "+line, " #"); j >= 0 {
			line = line[:j]
		}
		if rest, ok := strings.CutSuffix(line, `\`); ok {
			b.WriteString(rest + " ")
			continue
		}
		b.WriteString(line)
		if text := strings.TrimSpace(b.String()); text != "" {
			out = append(out, logicalLine{text, first})
		}
		b.Reset()
		first = 0
	}
	if text := strings.TrimSpace(b.String()); text != "" {
		out = append(out, logicalLine{text, first})
	}
	return out
}

func option(text string, names ...string) (string, bool) {
	for _, n := range names {
		if rest, ok := strings.CutPrefix(text, n); ok && rest != "" && (rest[0] == ' ' || rest[0] == '=') {
			return strings.TrimSpace(rest[1:]), true
		}
	}
	return "", false
}

// pip reads one requirement. It reports whether it names one version, one
// archive, or one commit.
func pip(text string, line int) (p Package, whole bool, err error) {
	fields := strings.Fields(text)
	var rest []string
	p = Package{Line: line, Ecosystem: PyPI}
	for i := 0; i < len(fields); i++ {
		hash, ok := strings.CutPrefix(fields[i], "--hash")
		switch {
		case ok && hash != "" && p.Hash == "":
			p.Hash = hash[1:]
		case ok && hash == "" && i+1 < len(fields):
			i++
			p.Hash = fields[i]
		case ok || strings.HasPrefix(fields[i], "--"):
		default:
			rest = append(rest, fields[i])
		}
	}
	text = strings.Join(rest, " ")
	text, _, _ = strings.Cut(text, ";") // when it applies
	text = strings.TrimSpace(text)
	if kind, from, _ := address(text); kind != Registry { // without a name
		return p.pointed(kind, from, text)
	}
	m := requirement.FindStringSubmatch(text)
	if m == nil {
		return p, false, fmt.Errorf("line %d: is no requirement", line)
	}
	p.Name = Normal(m[1])
	spec := strings.TrimSpace(m[2])
	if at, ok := strings.CutPrefix(spec, "@"); ok {
		kind, from, _ := address(strings.TrimSpace(at))
		return p.pointed(kind, from, strings.TrimSpace(at))
	}
	spec = strings.TrimSuffix(strings.TrimPrefix(spec, "("), ")")
	version, ok := strings.CutPrefix(spec, "==")
	version = strings.TrimSpace(strings.TrimPrefix(version, "="))
	p.Version = version
	return p, ok && version != "" && !strings.ContainsAny(version, "*,<>!~ "), nil
}

// pointed is a requirement that points at a place.
func (p Package) pointed(kind Source, from, text string) (Package, bool, error) {
	p.Source, p.From = kind, from
	_, fragment, _ := strings.Cut(text, "#")
	for part := range strings.SplitSeq(fragment, "&") {
		if egg, ok := strings.CutPrefix(part, "egg="); ok && p.Name == "" {
			p.Name = Normal(egg)
		}
		if _, sum, ok := strings.Cut(part, "sha256="); ok {
			p.Hash = "sha256:" + sum
		}
	}
	if kind == Git {
		p.From, _, _ = strings.Cut(p.From, "#")
		if i := strings.LastIndex(p.From, "@"); i > strings.Index(p.From, "://")+2 && i > strings.LastIndex(p.From, "/") {
			p.From, p.Commit = p.From[:i], hexCommit(p.From[i+1:])
		}
	}
	if p.Name == "" {
		p.Name = shorten(from)
	}
	return p, true, nil
}

func shorten(s string) string {
	if len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "")
	}
	return s
}
