package yamltree

import (
	"regexp"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	n, err := Parse("m", []byte("# a manifest\nspec:\n  tools:\n  - name: a\n    \"odd name\": 1\n  - *x\nx: &x {name: b}\n"))
	if err == nil {
		t.Fatalf("an alias before its anchor: %+v", n)
	}
	n, err = Parse("m", []byte("x: &x {name: b}\nspec:\n  tools:\n  - name: a\n    \"odd name\": 12\n  - *x\n  on: true\n  n: -1.5\n  day: 2026-01-02\n"))
	if err != nil {
		t.Fatal(err)
	}
	var e Errors
	tools := n.Get("spec", "tools").Items(&e)
	if len(tools) != 2 {
		t.Fatalf("%d tools", len(tools))
	}
	if s, ok := tools[1].Get("name").Text(&e); s != "b" || !ok || tools[1].Get("name").Path != "spec.tools[1].name" {
		t.Errorf("%q %v %s", s, ok, tools[1].Get("name").Path)
	}
	odd := tools[0].Get("odd name")
	if v, ok := odd.Whole(&e, 1); v != 12 || !ok || odd.Path != `spec.tools[0]."odd name"` || odd.Line != 5 {
		t.Errorf("%d %v %s:%d", v, ok, odd.Path, odd.Line)
	}
	if on, ok := n.Get("spec", "on").Bool(&e); !on || !ok {
		t.Error("on")
	}
	if v, ok := n.Get("spec", "n").Number(&e, -2); v != -1.5 || !ok {
		t.Error(v)
	}
	if s, ok := n.Get("spec", "day").Text(&e); s != "2026-01-02" || !ok {
		t.Error(s)
	}
	if n.Get("spec", "nothing", "below").IsTable() || n.Get("nothing").Items(&e) != nil {
		t.Error("something where there is nothing")
	}
	if e.Err() != nil {
		t.Error(e.Err())
	}
	var left []string
	for _, u := range n.Unread() {
		left = append(left, u.Path)
	}
	if got := strings.Join(left, " "); got != "x spec.tools[0].name" {
		t.Errorf("unread: %s", got)
	}
	n.Ignore()
	if n.Unread() != nil {
		t.Error("unread after Ignore")
	}
}

func TestRefused(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+prev+",", 9) + "*" + prev + "]\n"
	}
	for _, c := range []struct{ text, want string }{
		{"", "m:1: "},
		{"- a\n", "m:1: want a table"},
		{"a", "m:1: want a table"},
		{"a: 1\nb:\n  c: 1\n  c: 2\n", "m:4: b: c stands twice, first on line 3"},
		{`{"a": 1, "a": 2}`, "m:1: a stands twice"},
		{"a: 1\n---\nb: 2\n", "more than one document"},
		{"a: {<<: {b: 1}}", `m:1: a: "<<" is read by some`},
		{"? [a]\n: b", "a name is no text"},
		{"a: !!binary aGk=", "m:1: a: has the tag"},
		{"a: !mine {b: 1}", "m:1: a: has the tag"},
		{"a: !mine [1]", "m:1: a: has the tag"},
		{"a:\n\t- b", "m:2: "},
		{"a: [", "m:"},
		{"a: \xff", "is not UTF-8"},
		{"a: " + strings.Repeat("[", 60) + strings.Repeat("]", 60), "nested deeper"},
		{"a: " + strings.Repeat("[", 100000), "nested deeper"},
		{"a: &x [*x]", "nested deeper"},
		{bomb, "holds more than 50000 values"},
		{strings.Repeat("n", 300) + ": 1", "a name has 300 bytes"},
		{strings.Repeat(" ", MaxBytes+1), "want at most 1048576"},
	} {
		_, err := Parse("m", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "m:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestWrongKinds(t *testing.T) {
	n, err := Parse("m", []byte("yes: yes\nnull: ~\nhex: 0x10\noctal: 010\nunder: 1_000\nexp: 1e3\ninf: .inf\nhalf: 1.5\nnum: 5\ntext: [a]\nlist: [1, '']\nword: maybe\nhuge: 99999999999999999999\nminus: -1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		try  func(e *Errors)
		want string
	}{
		{func(e *Errors) { n.Get("yes").Bool(e) }, "m:1: yes: is a text: want true or false (without quotes; yes and on mean"},
		{func(e *Errors) { n.Get("null").Texts(e) }, "m:2: null: is nothing: want a list (to leave it out"},
		{func(e *Errors) { n.Get("hex").Whole(e, 0) }, `m:3: hex: "0x10": want a decimal number`},
		{func(e *Errors) { n.Get("octal").Whole(e, 0) }, `"010": want a decimal number`},
		{func(e *Errors) { n.Get("under").Whole(e, 0) }, `"1_000": want`},
		{func(e *Errors) { n.Get("exp").Whole(e, 0) }, `"1e3": want`},
		{func(e *Errors) { n.Get("inf").Number(e, 0) }, `".inf": want`},
		{func(e *Errors) { n.Get("half").Whole(e, 0) }, "1.5: want a whole number"},
		{func(e *Errors) { n.Get("num").Text(e) }, "is a number: want a text (put it in quotes)"},
		{func(e *Errors) { n.Get("text").Text(e) }, "is a list: want a text"},
		{func(e *Errors) { n.Get("list").Texts(e) }, "m:11: list[1]: is empty"},
		{func(e *Errors) { n.Get("word").Word(e, "warn", "block") }, `"maybe": want warn, block`},
		{func(e *Errors) { n.Get("huge").Whole(e, 0) }, "want 0 or more"},
		{func(e *Errors) { n.Get("minus").Whole(e, 0) }, "-1: want 0 or more"},
		{func(e *Errors) { n.Get("num").Table(e) }, "is a number: want a table"},
	} {
		var e Errors
		if c.try(&e); e.Err() == nil || !strings.Contains(e.Err().Error(), c.want) {
			t.Errorf("%v, want %q", e.Err(), c.want)
		}
	}
	var e Errors
	for range maxErrors + 3 {
		e.Add(n.Get("num"), "wrong")
	}
	if err := e.Err(); err == nil || !strings.HasSuffix(err.Error(), "and 3 more") {
		t.Error(err)
	}
	if (&Errors{}).Err() != nil {
		t.Error("an error of nothing")
	}
}

var located = regexp.MustCompile(`^m:[1-9][0-9]*: [^\n]+$`)

// FuzzParse holds every document to what readers rely on: mistakes have a
// line, every node has a path and a line, and nothing is lost between what was
// read and what was not.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a: 1\n", "a: &x {b: [1, 2]}\nc: *x\n", `{"a": {"b": [true, null, "x"]}}`, "a: &x [*x]", "<<: {a: 1}", "a: !!binary x",
		"? a\n: b\n", "a: |\n  text\n", "%YAML 1.2\n---\na: 1\n...\n", "a: 1\n---\nb: 2", "[[[[", "a: \"\\u0000\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse("m", data)
		if err != nil {
			if !located.MatchString(err.Error()) {
				t.Fatalf("%q", err)
			}
			return
		}
		count := 0
		var walk func(n *Node)
		walk = func(n *Node) {
			if count++; n.Line < 1 {
				t.Fatalf("%q has no line", n.Path)
			}
			seen := map[string]bool{}
			for _, f := range n.fields {
				if seen[f.name] || f.node.Path == "" {
					t.Fatalf("%q: %q", n.Path, f.name)
				}
				seen[f.name] = true
				walk(f.node)
			}
			for _, item := range n.items {
				walk(item)
			}
		}
		walk(n)
		if count > maxNodes {
			t.Fatalf("%d nodes", count)
		}
		if left := n.Unread(); len(left) != 1 || left[0] != n {
			t.Fatal("something was read before anybody asked")
		}
		var e Errors
		n.Text(&e)
		if e.Err() == nil {
			t.Fatal("a table is a text")
		}
		n.Ignore()
		if n.Unread() != nil {
			t.Fatal("unread after Ignore")
		}
	})
}
