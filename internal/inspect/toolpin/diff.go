package toolpin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// contextLines is how many unchanged lines a diff shows around a change.
const contextLines = 3

// maxDiffCells bounds the work of a diff: beyond, all lines count as changed.
const maxDiffCells = 16 << 20

// Diff returns the unified difference of two entries in their one form, laid
// out for people: text line by line, schemas indented, and characters that a
// reader would not see spelled out, as ⟨U+200B⟩. A version that is not there
// is nil.
func Diff(before, after []byte) (string, error) {
	a, err := layOut(before)
	if err != nil {
		return "", err
	}
	b, err := layOut(after)
	if err != nil {
		return "", err
	}
	return unified(a, b), nil
}

// first are the members that are shown before the others.
var first = [...]string{"name", "title", "description"}

func layOut(text []byte) ([]string, error) {
	if text == nil {
		return nil, nil
	}
	parts, err := Parts(text)
	if err != nil {
		return nil, err
	}
	rank := func(p Part) int {
		if i := slices.Index(first[:], p.Name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortStableFunc(parts, func(x, y Part) int { return rank(x) - rank(y) })
	var lines []string
	for _, p := range parts {
		lines = append(lines, visible(p.Name)+":")
		var s string
		var indented bytes.Buffer
		if len(p.Text) > 0 && p.Text[0] == '"' && json.Unmarshal(p.Text, &s) == nil {
			indented.WriteString(s)
		} else if err := json.Indent(&indented, p.Text, "", "  "); err != nil {
			return nil, fmt.Errorf("laying out an entry: %w", err)
		}
		for line := range strings.SplitSeq(indented.String(), "\n") {
			lines = append(lines, "  "+visible(line))
		}
	}
	return lines, nil
}

// visible spells out what a reader would not see, or not see as it stands.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r != ' ' && r != utf8.RuneError && unicode.IsGraphic(r) && !unicode.In(r, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf) || r == ' ' {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "⟨U+%04X⟩", r)
	}
	return b.String()
}

// edit is a line of a diff.
type edit struct {
	op   byte // ' ', '-' or '+'
	line string
}

func unified(a, b []string) string {
	edits := compare(a, b)
	var out strings.Builder
	shown := 0 // edits written or skipped so far
	for i := 0; i < len(edits); {
		if edits[i].op == ' ' {
			i++
			continue
		}
		from := max(shown, i-contextLines)
		to := i
		for last := i; to < len(edits) && to-last <= 2*contextLines; to++ {
			if edits[to].op != ' ' {
				last = to
			}
		}
		for to > i && edits[to-1].op == ' ' && to > lastChange(edits[:to])+1+contextLines {
			to--
		}
		fmt.Fprintf(&out, "@@ -%s +%s @@\n", span(edits, from, to, '+'), span(edits, from, to, '-'))
		for _, e := range edits[from:to] {
			out.WriteByte(e.op)
			out.WriteString(e.line)
			out.WriteByte('\n')
		}
		i, shown = to, to
	}
	return out.String()
}

func lastChange(edits []edit) int {
	for i := len(edits) - 1; i >= 0; i-- {
		if edits[i].op != ' ' {
			return i
		}
	}
	return -1
}

// span is the "line,count" of one side of a hunk; other is the mark of lines
// that are not on that side.
func span(edits []edit, from, to int, other byte) string {
	start, n := 0, 0
	for i, e := range edits[:to] {
		if e.op == other {
			continue
		}
		if i < from {
			start++
		} else {
			n++
		}
	}
	if n > 0 {
		start++
	}
	return fmt.Sprintf("%d,%d", start, n)
}

// compare returns the edits that turn a into b, by their longest common
// subsequence.
func compare(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head, a, b = append(head, edit{' ', a[0]}), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail, a, b = append(tail, edit{' ', a[len(a)-1]}), a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	return append(append(head, middle(a, b)...), tail...)
}

func middle(a, b []string) []edit {
	var out []edit
	if len(a)*len(b) <= maxDiffCells {
		width := len(b) + 1
		length := make([]int32, (len(a)+1)*width) // of the common part of a[i:] and b[j:]
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					length[i*width+j] = length[(i+1)*width+j+1] + 1
				} else {
					length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
				}
			}
		}
		i, j := 0, 0
		for i < len(a) && j < len(b) {
			switch {
			case a[i] == b[j]:
				out = append(out, edit{' ', a[i]})
				i, j = i+1, j+1
			case length[(i+1)*width+j] >= length[i*width+j+1]:
				out = append(out, edit{'-', a[i]})
				i++
			default:
				out = append(out, edit{'+', b[j]})
				j++
			}
		}
		a, b = a[i:], b[j:]
	}
	for _, line := range a {
		out = append(out, edit{'-', line})
	}
	for _, line := range b {
		out = append(out, edit{'+', line})
	}
	return out
}
