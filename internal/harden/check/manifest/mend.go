package manifest

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// flips makes a fix that turns around every true or false that a check found.
func flips(look func(f *File, out *found)) func(*File) ([]rule.Edit, error) {
	return func(f *File) ([]rule.Edit, error) {
		out := found{file: f.path}
		look(f, &out)
		var edits []rule.Edit
		done := map[int]bool{} // an anchor is found once for each alias
		for _, n := range out.at {
			e, err := f.flip(n)
			if err != nil {
				return nil, err
			}
			if !done[e.Start] {
				edits = append(edits, e)
			}
			done[e.Start] = true
		}
		return edits, nil
	}
}

func (f *File) flip(n *yamltree.Node) (rule.Edit, error) {
	if !n.IsBool() {
		return rule.Edit{}, fmt.Errorf("line %d: is neither true nor false: mend it by hand", yamltree.At(n))
	}
	if bytes.Contains(bytes.ToLower(f.data), []byte(`\ud`)) { // columns are not those of the file then
		return rule.Edit{}, fmt.Errorf("line %d: stands among escapes: mend it by hand", n.Line)
	}
	at := tree.Offset(f.data, n.Line)
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(f.data[at:])
		at += size
	}
	if !bytes.HasPrefix(f.data[at:], []byte(n.Raw())) {
		return rule.Edit{}, fmt.Errorf("line %d: is written in a way that is not changed by a program: mend it by hand", n.Line)
	}
	next := "true"
	if n.True() {
		next = "false"
	}
	return rule.Edit{File: f.path, Start: at, End: at + len(n.Raw()), Text: next}, nil
}
