package tomlstrict

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// MaxBytes is the size above which a file is refused.
const MaxBytes = 1 << 20

// maxKeys bounds the keys and tables of a file: the search for duplicates takes
// the square of their number. It is counted in "=" and "[" signs.
const maxKeys = 20000

// maxKeyParts bounds a dotted key; the deepest key of the contract has five.
const maxKeyParts = 32

type kind uint8

const (
	kindTable kind = iota
	kindArray
	kindString
	kindInteger
	kindFloat
	kindBool
	kindTime
)

var kindNames = [...]string{"a table", "a list", "text", "an integer", "a number with a fraction", "true or false", "a date"}

// node is one value of the file with the line it starts on.
type node struct {
	kind   kind
	line   int
	text   string           // scalars: decoded string, or the literal as written
	items  []*node          // kindArray
	names  []string         // kindTable: keys in order of appearance
	fields map[string]*node // kindTable
}

// Tree is a parsed file that is valid TOML.
type Tree struct {
	file string
	root *node
}

// Parse reads TOML. The name stands in error messages. An error is an [Errors].
func Parse(name string, data []byte) (*Tree, error) {
	if e, ok := checkText(data); !ok {
		e.File = name
		return nil, Errors{e}
	}
	// The first pass is the judge of validity, duplicate keys included; the
	// second builds the tree and may rely on the verdict.
	var discard map[string]any
	if err := toml.Unmarshal(data, &discard); err != nil {
		return nil, Errors{syntaxError(name, data, err)}
	}
	b := builder{lines: lineStarts(data), root: newTable(1)}
	b.current = b.root
	b.parser.Reset(data)
	for b.parser.NextExpression() {
		if err := b.add(b.parser.Expression()); err != nil {
			return nil, Errors{{File: name, Line: b.line, Text: err.Error()}}
		}
	}
	if err := b.parser.Error(); err != nil {
		return nil, Errors{syntaxError(name, data, err)}
	}
	return &Tree{file: name, root: b.root}, nil
}

// checkText refuses what is not plain UTF-8 text of a sensible size.
func checkText(data []byte) (Error, bool) {
	switch {
	case len(data) > MaxBytes:
		return Error{Line: 1, Text: fmt.Sprintf("file is larger than %s", Size(MaxBytes))}, false
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return Error{Line: 1, Text: "file begins with a byte order mark: save it as UTF-8 without one"}, false
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return Error{Line: 1, Text: "file is UTF-16: save it as UTF-8"}, false
	case bytes.Count(data, []byte("="))+bytes.Count(data, []byte("[")) > maxKeys:
		return Error{Line: 1, Text: fmt.Sprintf("file has more than %d keys", maxKeys)}, false
	}
	for rest, line := data, 1; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			return Error{Line: line, Text: "file is not valid UTF-8"}, false
		}
		if r == '\n' {
			line++
		}
		rest = rest[n:]
	}
	return Error{}, true
}

func syntaxError(name string, data []byte, err error) Error {
	e := Error{File: name, Line: 1, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		e.Line, _ = decode.Position()
	}
	e.Line = max(1, min(e.Line, 1+bytes.Count(data, []byte("\n"))))
	return e
}

// lineStarts returns the offset at which each line begins.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

func newTable(line int) *node {
	return &node{kind: kindTable, line: line, fields: map[string]*node{}}
}

// builder turns the parser's expressions into one tree.
type builder struct {
	parser  unstable.Parser
	lines   []int
	root    *node
	current *node // table that the last header opened
	line    int   // line of the expression being added
}

func (b *builder) lineOf(r unstable.Range) int {
	return sort.SearchInts(b.lines, int(r.Offset)+1)
}

func (b *builder) add(expr *unstable.Node) error {
	switch expr.Kind {
	case unstable.Table, unstable.ArrayTable:
		keys, err := b.keys(expr.Key())
		if err != nil {
			return err
		}
		parent := b.descend(b.root, keys[:len(keys)-1])
		if expr.Kind == unstable.Table {
			b.current = b.table(parent, keys[len(keys)-1])
		} else {
			b.current = b.appendTable(parent, keys[len(keys)-1])
		}
		return nil
	case unstable.KeyValue:
		return b.keyValue(b.current, expr)
	default:
		return nil
	}
}

func (b *builder) keys(it unstable.Iterator) ([]string, error) {
	var keys []string
	for it.Next() {
		if len(keys) == 0 {
			b.line = b.lineOf(it.Node().Raw)
		}
		keys = append(keys, string(it.Node().Data))
	}
	if len(keys) > maxKeyParts {
		return nil, fmt.Errorf("key has more than %d parts", maxKeyParts)
	}
	return keys, nil
}

func (b *builder) descend(from *node, keys []string) *node {
	for _, k := range keys {
		from = b.table(from, k)
	}
	return from
}

// table returns the table of that name, the last one if it is a list of tables.
func (b *builder) table(parent *node, name string) *node {
	if have := parent.fields[name]; have != nil {
		if have.kind == kindArray && len(have.items) > 0 {
			return have.items[len(have.items)-1]
		}
		return have
	}
	return parent.set(name, newTable(b.line))
}

func (b *builder) appendTable(parent *node, name string) *node {
	list := parent.fields[name]
	if list == nil {
		list = parent.set(name, &node{kind: kindArray, line: b.line})
	}
	item := newTable(b.line)
	list.items = append(list.items, item)
	return item
}

func (b *builder) keyValue(into *node, expr *unstable.Node) error {
	keys, err := b.keys(expr.Key())
	if err != nil {
		return err
	}
	line := b.line
	into = b.descend(into, keys[:len(keys)-1])
	value, err := b.value(expr.Value(), line)
	if err != nil {
		return err
	}
	into.set(keys[len(keys)-1], value)
	return nil
}

func (b *builder) value(v *unstable.Node, line int) (*node, error) {
	if v.Raw.Length > 0 {
		line = b.lineOf(v.Raw)
	}
	out := &node{line: line, text: string(v.Data)}
	switch v.Kind {
	case unstable.String:
		out.kind = kindString
	case unstable.Integer:
		out.kind = kindInteger
	case unstable.Float:
		out.kind = kindFloat
	case unstable.Bool:
		out.kind = kindBool
	case unstable.InlineTable:
		out = newTable(line)
		for it := v.Children(); it.Next(); {
			if err := b.keyValue(out, it.Node()); err != nil {
				return nil, err
			}
		}
	case unstable.Array:
		out.kind = kindArray
		for it := v.Children(); it.Next(); {
			item, err := b.value(it.Node(), line)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
	default:
		out.kind = kindTime
	}
	return out, nil
}

func (n *node) set(name string, v *node) *node {
	if n.fields[name] == nil {
		n.names = append(n.names, name)
	}
	n.fields[name] = v
	return v
}
