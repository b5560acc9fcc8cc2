package yamltree

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type kind uint8

const (
	null kind = iota
	text
	number
	boolean
	list
	table
)

var kindNames = [...]string{"nothing", "a text", "a number", "true or false", "a list", "a table"}

// Node is a value of a document. A nil *Node is one that is not there: all its
// methods may be called, and it has no value.
type Node struct {
	Path   string // "spec.tools[2].name"
	Line   int
	Column int // of the value, in characters from 1

	file   string
	kind   kind
	text   string
	fields []field
	items  []*Node
	read   bool
}

type field struct {
	name string
	node *Node
}

// Get returns the member at a path of names, or nil.
func (n *Node) Get(names ...string) *Node {
	for _, name := range names {
		if n == nil || n.kind != table {
			return nil
		}
		n.read = true
		var next *Node
		for _, f := range n.fields {
			if f.name == name {
				next = f.node
			}
		}
		n = next
	}
	return n
}

// Names returns the names of a table, in order.
func (n *Node) Names() []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, f := range n.fields {
		out = append(out, f.name)
	}
	return out
}

// IsText reports whether the value is a text.
func (n *Node) IsText() bool { return n != nil && n.kind == text }

// IsList reports whether the value is a list.
func (n *Node) IsList() bool { return n != nil && n.kind == list }

// IsTable reports whether the value is a table.
func (n *Node) IsTable() bool { return n != nil && n.kind == table }

// IsBool reports whether the value is true or false.
func (n *Node) IsBool() bool { return n != nil && n.kind == boolean }

// Raw returns the text of a value that is neither list nor table, without
// reading it.
func (n *Node) Raw() string {
	if n == nil {
		return ""
	}
	return n.text
}

// Ignore counts everything below as read.
func (n *Node) Ignore() {
	if n == nil {
		return
	}
	n.read = true
	for _, f := range n.fields {
		f.node.Ignore()
	}
	for _, item := range n.items {
		item.Ignore()
	}
}

// Unread returns the uppermost nodes that nobody asked for.
func (n *Node) Unread() []*Node {
	if n == nil {
		return nil
	}
	if !n.read {
		return []*Node{n}
	}
	var out []*Node
	for _, f := range n.fields {
		out = append(out, f.node.Unread()...)
	}
	for _, item := range n.items {
		out = append(out, item.Unread()...)
	}
	return out
}

// Errors collects what is wrong with a document.
type Errors struct {
	errs    []error
	dropped int
}

const maxErrors = 20

// Add adds what is wrong with a node.
func (e *Errors) Add(n *Node, format string, a ...any) {
	if len(e.errs) == maxErrors {
		e.dropped++
		return
	}
	e.errs = append(e.errs, fmt.Errorf("%s:%d: %s: %s", n.file, n.Line, n.Path, fmt.Sprintf(format, a...)))
}

// Err returns what was added, or nil.
func (e *Errors) Err() error {
	if e.dropped > 0 {
		return errors.Join(errors.Join(e.errs...), fmt.Errorf("and %d more", e.dropped))
	}
	return errors.Join(e.errs...)
}

func (n *Node) want(e *Errors, k kind) bool {
	if n == nil {
		return false
	}
	n.read = true
	if n.kind == k {
		return true
	}
	why := ""
	switch lower := strings.ToLower(n.text); {
	case n.kind == null:
		why = " (to leave it out, take out the name too)"
	case k == boolean && (lower == "yes" || lower == "no" || lower == "on" || lower == "off"):
		why = " (without quotes; yes and on mean different things to different readers)"
	case k == text && (n.kind == number || n.kind == boolean):
		why = " (put it in quotes)"
	}
	e.Add(n, "is %s: want %s%s", kindNames[n.kind], kindNames[k], why)
	return false
}

// Text returns a text.
func (n *Node) Text(e *Errors) (string, bool) {
	if !n.want(e, text) {
		return "", false
	}
	return n.text, true
}

// Word returns a text that must be one of some.
func (n *Node) Word(e *Errors, known ...string) (string, bool) {
	s, ok := n.Text(e)
	if !ok {
		return "", false
	}
	for _, k := range known {
		if s == k {
			return s, true
		}
	}
	e.Add(n, "%.60q: want %s", s, strings.Join(known, ", "))
	return "", false
}

// Bool returns true or false.
func (n *Node) Bool(e *Errors) (value, ok bool) {
	if !n.want(e, boolean) {
		return false, false
	}
	return strings.EqualFold(n.text, "true"), true
}

// Number returns a number of at least least. Numbers are decimal.
func (n *Node) Number(e *Errors, least float64) (float64, bool) {
	if !n.want(e, number) {
		return 0, false
	}
	digits := strings.TrimPrefix(n.text, "-")
	v, err := strconv.ParseFloat(n.text, 64)
	if err != nil || digits == "" || strings.Trim(digits, "0123456789.") != "" || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		e.Add(n, "%.40q: want a decimal number such as 60", n.text)
		return 0, false
	}
	if v < least || v > 1e15 {
		e.Add(n, "%s: want %g or more", n.text, least)
		return 0, false
	}
	return v, true
}

// Whole returns a whole number of at least least.
func (n *Node) Whole(e *Errors, least int64) (int64, bool) {
	v, ok := n.Number(e, float64(least))
	if ok && v != float64(int64(v)) {
		e.Add(n, "%s: want a whole number", n.text)
		return 0, false
	}
	return int64(v), ok
}

// Items returns the elements of a list.
func (n *Node) Items(e *Errors) []*Node {
	if !n.want(e, list) {
		return nil
	}
	return n.items
}

// Table reports whether the value is a table, which it has to be if it is there.
func (n *Node) Table(e *Errors) bool { return n.want(e, table) }

// Texts returns the elements of a list of texts that are not empty, and those
// of them that are not texts as mistakes.
func (n *Node) Texts(e *Errors) []string {
	var out []string
	for _, item := range n.Items(e) {
		s, ok := item.Text(e)
		if ok && strings.TrimSpace(s) == "" {
			e.Add(item, "is empty: take it out")
		} else if ok {
			out = append(out, s)
		}
	}
	return out
}
