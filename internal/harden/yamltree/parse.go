// Package yamltree reads YAML and JSON that somebody else wrote.
//
// It gives a tree of texts in which every node knows its path and its line, so
// that whoever asks for a value can say where it is wrong. It is stricter than
// YAML: one document, names that are texts and stand once, no merge keys, no
// tags of one's own, and bounds for size, depth and what aliases expand to.
// Numbers and booleans are those that every version of YAML and JSON reads the
// same.
//
// A node remembers whether it was read. What is left unread at the end is what
// the reader had no use for: see [Node.Unread].
package yamltree

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// Bounds of a document.
const (
	MaxBytes = 1 << 20
	maxDepth = 40
	maxNodes = 50_000
	maxName  = 256 // bytes of a member's name
)

// Parse reads one document whose top is a table. Errors begin with name, which
// is how the document is called, and a line.
func Parse(name string, data []byte) (*Node, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%s:1: %d bytes: want at most %d", name, len(data), MaxBytes)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s:1: is not UTF-8", name)
	}
	var doc yaml.Node
	err := yaml.Load(single(data), &doc, yaml.WithV4Defaults(), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, syntax(name, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:1: want a table of names and values", name)
	}
	p := parser{file: name, nodes: maxNodes, most: maxNodes}
	return p.node(doc.Content[0], "", 0)
}

// syntax words an error of the library, on one line.
func syntax(name string, err error) error {
	line := 1
	var at *yaml.LoadError
	if errors.As(err, &at) && at.Mark.Line > 0 {
		line = at.Mark.Line
	}
	text := err.Error()
	switch {
	case errors.Is(err, io.EOF):
		text = "is empty"
	case strings.Contains(text, "found multiple"):
		text = `holds more than one document: keep one, without further "---"`
	case strings.Contains(text, "max depth"):
		text = fmt.Sprintf("is nested deeper than %d", maxDepth)
	}
	return fmt.Errorf("%s:%d: %s", name, line, strings.Join(strings.Fields(text), " "))
}

type parser struct {
	file  string
	nodes int  // how many more are read
	most  int  // how many there may be
	loose bool // see [Stream]
}

func (p *parser) fail(y *yaml.Node, path, format string, a ...any) error {
	if path != "" {
		path += ": "
	}
	return fmt.Errorf("%s:%d: %s%s", p.file, y.Line, path, fmt.Sprintf(format, a...))
}

// node copies a node of the library. Aliases are expanded; each copy counts.
func (p *parser) node(y *yaml.Node, path string, depth int) (*Node, error) {
	if p.nodes--; p.nodes < 0 {
		return nil, p.fail(y, path, "the document holds more than %d values, those of aliases counted", p.most)
	}
	if depth > maxDepth {
		return nil, p.fail(y, path, "is nested deeper than %d", maxDepth)
	}
	n := &Node{Path: path, Line: y.Line, Column: y.Column, file: p.file}
	switch y.Kind {
	case yaml.AliasNode:
		if y.Alias == nil {
			return nil, p.fail(y, path, "names an anchor that is not there")
		}
		return p.node(y.Alias, path, depth+1)
	case yaml.ScalarNode:
		return n, p.scalar(n, y)
	case yaml.SequenceNode:
		n.kind = list
		if y.ShortTag() != "!!seq" && !p.loose {
			return nil, p.fail(y, path, "has the tag %.40q: take it out", y.Tag)
		}
		for i, item := range y.Content {
			child, err := p.node(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
		return n, nil
	case yaml.MappingNode:
		n.kind = table
		if y.ShortTag() != "!!map" && !p.loose {
			return nil, p.fail(y, path, "has the tag %.40q: take it out", y.Tag)
		}
		return n, p.table(n, y, depth)
	}
	return nil, p.fail(y, path, "is no value")
}

func (p *parser) table(n *Node, y *yaml.Node, depth int) error {
	if len(y.Content)%2 != 0 {
		return p.fail(y, n.Path, "a name has no value")
	}
	seen := map[string]int{}
	for i := 0; i < len(y.Content); i += 2 {
		k := y.Content[i]
		switch {
		case p.loose && k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			if err := p.merge(n, y.Content[i+1], depth); err != nil {
				return err
			}
			continue
		case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			return p.fail(k, n.Path, `"<<" is read by some and not by others: write the values out`)
		case k.Kind != yaml.ScalarNode || k.Tag == "!" || (k.ShortTag() != "!!str" && !plain(k.ShortTag())):
			return p.fail(k, n.Path, "a name is no text: put it in quotes")
		case k.Value == "" || len(k.Value) > maxName:
			return p.fail(k, n.Path, "a name has %d bytes: want 1 to %d", len(k.Value), maxName)
		case seen[k.Value] > 0:
			return p.fail(k, n.Path, "%s stands twice, first on line %d: keep one", word(k.Value), seen[k.Value])
		}
		seen[k.Value] = k.Line
		child, err := p.node(y.Content[i+1], join(n.Path, k.Value), depth+1)
		if err != nil {
			return err
		}
		if child.Line == 0 {
			child.Line = k.Line
		}
		n.fields = slices.DeleteFunc(n.fields, func(f field) bool { return f.name == k.Value }) // one that was merged in
		n.fields = append(n.fields, field{name: k.Value, node: child})
	}
	return nil
}

// plain tells the tags that YAML itself gives to words and numbers.
func plain(tag string) bool {
	switch tag {
	case "!!int", "!!float", "!!bool", "!!timestamp", "!!null":
		return true
	}
	return false
}

func (p *parser) scalar(n *Node, y *yaml.Node) error {
	n.text = y.Value
	switch tag := y.ShortTag(); {
	case tag == "!!null":
		n.kind = null
	case tag == "!!bool":
		n.kind = boolean
	case tag == "!!int" || tag == "!!float":
		n.kind = number
	case tag == "!!str" || tag == "!!timestamp" || p.loose:
		n.kind = text
	default:
		return p.fail(y, n.Path, "has the tag %.40q: take it out", y.Tag)
	}
	return nil
}

// join appends a name to a path; names that are no plain words are quoted.
func join(path, name string) string {
	if path == "" {
		return word(name)
	}
	return path + "." + word(name)
}

func word(name string) string {
	for _, c := range []byte(name) {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return fmt.Sprintf("%.60q", name)
		}
	}
	return name
}
