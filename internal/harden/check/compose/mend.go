package compose

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// lineAt returns a line without its end, and where it begins.
func (f *File) lineAt(n int) (string, int) {
	start := tree.Offset(f.data, n)
	text, _, _ := bytes.Cut(f.data[start:], []byte("\n"))
	return string(text), start
}

// withField returns the change that adds a line to a service that has no such
// field. A service that is written on one line is left to its author.
func (f *File) withField(s service, name, value string) []rule.Edit {
	if s.Get(name) != nil || len(s.Names()) == 0 {
		return nil
	}
	text, start := f.lineAt(s.Line)
	body := strings.TrimLeft(text, " ")
	if !strings.HasPrefix(body, s.Names()[0]+":") {
		return nil
	}
	return []rule.Edit{{File: f.path, Start: start, End: start, Text: text[:len(text)-len(body)] + name + ": " + value + ending(text)}}
}

// ending is how the lines of a file end, of which text is one without its \n.
func ending(text string) string {
	if strings.HasSuffix(text, "\r") {
		return "\r\n"
	}
	return "\n"
}

// item is an element of a list on a line of its own.
var item = regexp.MustCompile(`^\s*- +(["']?)([^"'\s#]+)`)

// mendEach makes a Mend of the change to one service.
func mendEach(mend func(*File, service) []rule.Edit) func(*File) ([]rule.Edit, error) {
	return func(f *File) ([]rule.Edit, error) {
		var out []rule.Edit
		for _, s := range f.services {
			out = append(out, mend(f, s)...)
		}
		return out, nil
	}
}

// mendVersion takes the line out.
func mendVersion(f *File) ([]rule.Edit, error) {
	n := f.doc.Get("version")
	if n == nil {
		return nil, nil
	}
	text, start := f.lineAt(n.Line)
	if !strings.HasPrefix(text, "version:") {
		return nil, nil
	}
	return []rule.Edit{{File: f.path, Start: start, End: tree.Offset(f.data, n.Line+1)}}, nil
}

// mendPorts binds short forms to the loopback address.
func mendPorts(f *File, s service) []rule.Edit {
	var out []rule.Edit
	for _, p := range s.ports() {
		value := p.node.Value()
		if !p.short || p.address != "" || !strings.Contains(value, ":") {
			continue
		}
		text, start := f.lineAt(p.node.Line)
		if m := item.FindStringSubmatchIndex(text); m != nil && fill(text[m[4]:m[5]]) == value {
			written := "127.0.0.1:" + text[m[4]:m[5]]
			if m[2] == m[3] {
				written = `"` + written + `"`
			}
			out = append(out, rule.Edit{File: f.path, Start: start + m[4], End: start + m[5], Text: written})
		}
	}
	return out
}
