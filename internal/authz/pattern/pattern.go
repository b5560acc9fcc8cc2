// Package pattern matches the names of tools, prompts, resources, skills,
// methods and routes against what an operator wrote.
//
// A pattern is a name, or a name with '*' for any run of characters. Names are
// compared exactly, case included. Matching takes time linear in pattern and
// name, whatever they hold. Resources are URIs, which have many spellings:
// [Plain] brings one to the spelling that rules are to be tried on as well.
package pattern

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/protocol/percent"
)

const (
	maxPattern = 512  // bytes
	maxList    = 1000 // patterns
)

// Validate checks a list. field is its name in messages.
func Validate(field string, list []string) error {
	if len(list) > maxList {
		return fmt.Errorf("%s: %d patterns: want at most %d", field, len(list), maxList)
	}
	for i, p := range list {
		if p == "" || len(p) > maxPattern {
			return fmt.Errorf("%s[%d]: %.40q: want a pattern of 1 to %d bytes", field, i, p, maxPattern)
		}
	}
	return nil
}

// List is one list: whole names in a map, the others in order. The zero List
// matches nothing.
type List struct {
	exact map[string]string // name to pattern, which are equal
	globs []glob
}

// glob is a pattern cut at its stars: the first part must start a name, the
// last end it, the others follow in between.
type glob struct {
	text  string
	parts []string
}

// Compile returns a list ready to match.
func Compile(list []string) List {
	p := List{exact: map[string]string{}}
	for _, text := range list {
		if !strings.Contains(text, "*") {
			p.exact[text] = text
			continue
		}
		p.globs = append(p.globs, glob{text: text, parts: strings.Split(text, "*")})
	}
	return p
}

// Empty reports whether there is no pattern.
func (p *List) Empty() bool { return len(p.exact)+len(p.globs) == 0 }

// Match returns the pattern that fits a name.
func (p *List) Match(name string) (string, bool) {
	if rule, ok := p.exact[name]; ok {
		return rule, true
	}
	for i := range p.globs {
		if p.globs[i].match(name) {
			return p.globs[i].text, true
		}
	}
	return "", false
}

// match takes time linear in pattern and name for each part: the leftmost
// place of a part is always good enough when every gap fits anything.
func (g *glob) match(name string) bool {
	last := len(g.parts) - 1
	rest, ok := strings.CutPrefix(name, g.parts[0])
	if !ok {
		return false
	}
	rest, ok = strings.CutSuffix(rest, g.parts[last])
	if !ok {
		return false
	}
	for _, part := range g.parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// maxDecodes is how often a URI is percent-decoded: an upstream may do it more
// than once, nobody honest encodes more often.
const maxDecodes = 3

// Plain brings a URI to one spelling; see normalize. It returns false for a URI
// that names something else than it seems to: one with a "." or ".." segment,
// or one that is percent-encoded again and again.
func Plain(uri string) (string, bool) {
	plain, ok := normalize(uri)
	return plain, ok && !dotSegment(plain)
}

// normalize brings a URI to one spelling: scheme and host in lower case,
// percent-encodings decoded, backslashes as slashes. The result is for
// comparing only. It returns uri itself when there is nothing to do, and false
// for a URI that is encoded more than maxDecodes times.
func normalize(uri string) (string, bool) {
	head := 0 // end of scheme and authority
	if i := strings.Index(uri, ":"); i >= 0 {
		head = i
		if strings.HasPrefix(uri[i:], "://") {
			head = i + 3
			if j := strings.IndexAny(uri[head:], "/?#"); j >= 0 {
				head += j
			} else {
				head = len(uri)
			}
		}
	}
	out := uri
	if lower := strings.ToLower(uri[:head]); lower != uri[:head] {
		out = lower + uri[head:]
	}
	for n := 0; strings.IndexByte(out, '%') >= 0; n++ {
		next := percent.Decode(out)
		if next == out {
			break
		}
		if n == maxDecodes {
			return out, false
		}
		out = next
	}
	if strings.IndexByte(out, '\\') >= 0 {
		out = strings.ReplaceAll(out, `\`, "/")
	}
	return out, true
}

// dotSegment reports whether a normalized URI has a "." or ".." segment.
func dotSegment(s string) bool {
	for len(s) > 0 {
		i := strings.IndexAny(s, "/?#")
		segment := s
		if i >= 0 {
			segment, s = s[:i], s[i+1:]
		} else {
			s = ""
		}
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
