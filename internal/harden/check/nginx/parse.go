package nginx

import (
	"fmt"
	"strings"
)

// Bounds of a configuration.
const (
	maxDepth      = 20
	maxDirectives = 20_000
)

// directive is one directive with its block.
type directive struct {
	name   string
	args   []string
	line   int
	block  []*directive
	parent *directive
}

// parse reads a configuration. It is strict: what nginx would refuse to read
// is refused.
func parse(name string, data []byte) (*directive, error) {
	p := parser{file: name, data: string(data), line: 1}
	root := &directive{name: "main", line: 1}
	if err := p.block(root, 0); err != nil {
		return nil, err
	}
	return root, nil
}

type parser struct {
	file  string
	data  string
	at    int
	line  int
	count int
}

func (p *parser) fail(format string, a ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.line, fmt.Sprintf(format, a...))
}

// block reads directives up to the end of their block.
func (p *parser) block(in *directive, depth int) error {
	if depth > maxDepth {
		return p.fail("is nested deeper than %d", maxDepth)
	}
	d := &directive{parent: in}
	for {
		word, kind, err := p.token()
		if err != nil {
			return err
		}
		switch kind {
		case text:
			if d.name == "" {
				if p.count++; p.count > maxDirectives {
					return p.fail("holds more than %d directives", maxDirectives)
				}
				d.name, d.line = word, p.line
			} else {
				d.args = append(d.args, word)
			}
			continue
		case end:
			if depth > 0 || d.name != "" {
				return p.fail("ends in the middle of a block or directive")
			}
			return nil
		case closing:
			if depth == 0 || d.name != "" {
				return p.fail("has a } that closes nothing")
			}
			return nil
		case semicolon:
			if d.name == "" {
				return p.fail("has a ; behind nothing")
			}
		case opening:
			if d.name == "" {
				return p.fail("has a block without a name")
			}
			if strings.HasSuffix(d.name, "_by_lua_block") {
				err = p.skip()
			} else {
				err = p.block(d, depth+1)
			}
			if err != nil {
				return err
			}
		}
		in.block = append(in.block, d)
		d = &directive{parent: in}
	}
}

type kind uint8

const (
	text kind = iota
	semicolon
	opening
	closing
	end
)

// token returns the next word or sign.
func (p *parser) token() (string, kind, error) {
	for p.at < len(p.data) {
		switch c := p.data[p.at]; c {
		case '\n':
			p.line++
			p.at++
		case ' ', '\t', '\r':
			p.at++
		case '#':
			for p.at < len(p.data) && p.data[p.at] != '\n' {
				p.at++
			}
		case ';', '{', '}':
			p.at++
			return "", map[byte]kind{';': semicolon, '{': opening, '}': closing}[c], nil
		case '"', '\'':
			return p.quoted(c)
		default:
			return p.word(), text, nil
		}
	}
	return "", end, nil
}

func (p *parser) quoted(quote byte) (string, kind, error) {
	var b strings.Builder
	begin := p.line
	for p.at++; p.at < len(p.data); p.at++ {
		switch c := p.data[p.at]; {
		case c == quote:
			p.at++
			return b.String(), text, nil
		case c == '\\' && p.at+1 < len(p.data):
			p.at++
			b.WriteByte(p.data[p.at])
		default:
			b.WriteByte(c)
		}
		if p.data[p.at] == '\n' {
			p.line++
		}
	}
	p.line = begin
	return "", end, p.fail("has a quote that does not end")
}

// word reads up to a space or sign. The braces of ${name} and of a regular
// expression's {2,3} belong to it.
func (p *parser) word() string {
	start := p.at
	for depth := 0; p.at < len(p.data); p.at++ {
		c := p.data[p.at]
		switch {
		case c == '\\' && p.at+1 < len(p.data) && p.data[p.at+1] != '\n':
			p.at++
		case c == '{' && p.at > start && p.data[p.at-1] == '$':
			depth++
		case c == '}' && depth > 0:
			depth--
		case strings.IndexByte(" \t\r\n;{}", c) >= 0:
			return p.data[start:p.at]
		}
	}
	return p.data[start:p.at]
}

// skip passes over a block in another language, by its braces.
func (p *parser) skip() error {
	for depth := 1; p.at < len(p.data); p.at++ {
		switch p.data[p.at] {
		case '\n':
			p.line++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				p.at++
				return nil
			}
		}
	}
	return p.fail("has a block that does not end")
}

// all returns the directives of a name in a block and below.
func (d *directive) all(name string) []*directive {
	var out []*directive
	for _, c := range d.block {
		if c.name == name {
			out = append(out, c)
		}
		out = append(out, c.all(name)...)
	}
	return out
}

// own returns the directives of a name that stand in the block itself.
func (d *directive) own(name string) []*directive {
	var out []*directive
	for _, c := range d.block {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

// inherited returns the directives of a name of the block, or of the nearest
// one around it that has any: that is how nginx inherits.
func (d *directive) inherited(name string) []*directive {
	for at := d; at != nil; at = at.parent {
		if found := at.own(name); len(found) > 0 {
			return found
		}
	}
	return nil
}

// arg returns an argument, or "".
func (d *directive) arg(i int) string {
	if i < 0 || i >= len(d.args) {
		return ""
	}
	return d.args[i]
}
