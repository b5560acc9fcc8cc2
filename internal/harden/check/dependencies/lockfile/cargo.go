package lockfile

import (
	"fmt"
	"strings"
)

func readCargo(l *Lock, t text) error {
	var doc struct {
		Version int
		Package []struct {
			Name, Version, Source, Checksum string
		}
		Metadata map[string]string
	}
	lines, err := tables(t, &doc)
	if err != nil {
		return err
	}
	if doc.Version > 4 {
		return fmt.Errorf("version %d: %w", doc.Version, ErrFormat)
	}
	for i, e := range doc.Package {
		p := Package{Name: e.Name, Version: e.Version, Line: lineOf(lines, i, len(doc.Package)), Hash: e.Checksum}
		if p.Hash == "" { // until version 2
			p.Hash = doc.Metadata["checksum "+e.Name+" "+e.Version+" ("+e.Source+")"]
		}
		if p.Hash == "<none>" {
			p.Hash = ""
		}
		kind, from, _ := strings.Cut(e.Source, "+")
		switch {
		case e.Source == "":
			p.Source = Local
		case kind == "registry", kind == "sparse":
			p.From = from
		case kind == "git":
			at, commit, _ := strings.Cut(from, "#")
			p.Source, p.From, p.Commit = Git, at, hexCommit(commit)
		default:
			return fmt.Errorf("line %d: source %.80q: is none that is read", p.Line, e.Source)
		}
		if err := l.add(p); err != nil {
			return err
		}
	}
	return nil
}
