package yamltree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// Bounds of a stream.
const (
	MaxStream    = 4 << 20
	maxDocuments = 1000
	maxValues    = 200_000
)

// Stream reads files as they are found in the wild: many documents, merge
// keys, which are written out, and tags of other programs, which are dropped.
// Bounds and the refusal of names that stand twice are those of [Parse].
// Documents that hold nothing are left out; one may be a list.
func Stream(name string, data []byte) ([]*Node, error) {
	if len(data) > MaxStream {
		return nil, fmt.Errorf("%s:1: %d bytes: want at most %d", name, len(data), MaxStream)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s:1: is not UTF-8", name)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(single(data)), yaml.WithV4Defaults(), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, fmt.Errorf("%s:1: reading YAML: %w", name, err)
	}
	p := parser{file: name, nodes: maxValues, most: maxValues, loose: true}
	var out []*Node
	for range maxDocuments {
		var doc yaml.Node
		switch err := loader.Load(&doc); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, syntax(name, err)
		}
		if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
			continue
		}
		n, err := p.node(doc.Content[0], "", 0)
		if err != nil {
			return nil, err
		}
		if n.kind != null {
			out = append(out, n)
		}
	}
	return nil, fmt.Errorf("%s:1: holds more than %d documents", name, maxDocuments)
}

// merge copies what a merge key names; what the table says itself stays.
func (p *parser) merge(n *Node, y *yaml.Node, depth int) error {
	from, err := p.node(y, n.Path, depth+1)
	if err != nil {
		return err
	}
	tables := []*Node{from}
	if from.kind == list {
		tables = from.items
	}
	for _, t := range tables {
		for _, f := range t.fields {
			if n.Get(f.name) == nil {
				n.fields = append(n.fields, f)
			}
		}
	}
	return nil
}

// List returns the elements of a list. Of a value that is no list there are none.
func (n *Node) List() []*Node {
	if n == nil {
		return nil
	}
	return n.items
}

// Value returns the text of a text, number or boolean, else nothing.
func (n *Node) Value() string {
	if n == nil || n.kind == null {
		return ""
	}
	return n.text
}

// True reports whether the value is true.
func (n *Node) True() bool {
	return n != nil && n.kind == boolean && (n.text == "true" || n.text == "True" || n.text == "TRUE")
}

// False reports whether the value is there and false.
func (n *Node) False() bool { return n != nil && n.kind == boolean && !n.True() }

// Fill replaces every text in the value, as a program does that fills in
// variables before it looks at what they are.
func (n *Node) Fill(fill func(string) string) {
	if n == nil {
		return
	}
	if n.kind == text {
		n.text = fill(n.text)
	}
	for _, f := range n.fields {
		f.node.Fill(fill)
	}
	for _, item := range n.items {
		item.Fill(fill)
	}
}

// Empty reports whether the value is not there, nothing, or a list or table
// without members.
func (n *Node) Empty() bool {
	return n == nil || n.kind == null || (n.kind == list || n.kind == table) && len(n.items)+len(n.fields) == 0
}

// At returns the line of the value, or of the nearest one that is there.
func At(nodes ...*Node) int {
	for _, n := range nodes {
		if n != nil {
			return n.Line
		}
	}
	return 1
}

// Plain returns the value as encoding/json would decode it.
func (n *Node) Plain() any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case text:
		return n.text
	case boolean:
		return n.True()
	case number:
		if i, err := strconv.ParseInt(n.text, 0, 64); err == nil {
			return i
		}
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil || f != f || f > 1e300 || f < -1e300 {
			return n.text
		}
		return f
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.Plain()
		}
		return out
	case table:
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.name] = f.node.Plain()
		}
		return out
	}
	return nil
}
