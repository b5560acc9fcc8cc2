package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/pelletier/go-toml/v2"
)

// tables reads TOML and returns the lines where [[package]] stands, if there are
// as many as packages.
func tables(t text, into any) ([]int, error) {
	if err := toml.Unmarshal(t.data, into); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return nil, fmt.Errorf("line %d: is no TOML, or not what the package manager writes", row)
		}
		return nil, errors.New("is no TOML, or not what the package manager writes")
	}
	var lines []int
	for i, line := range bytes.Split(t.data, []byte("\n")) {
		if bytes.Equal(bytes.TrimSpace(line), []byte("[[package]]")) {
			lines = append(lines, i+1)
		}
	}
	return lines, nil
}

// lineOf is the line of the i-th of n packages, 0 where it cannot be told.
func lineOf(lines []int, i, n int) int {
	if len(lines) != n {
		return 0
	}
	return lines[i]
}

type poetryFile struct {
	File string `toml:"file"`
	Hash string `toml:"hash"`
}

func readPoetry(l *Lock, t text) error {
	var doc struct {
		Package []struct {
			Name, Version, Category string
			Groups                  []string
			Files                   []poetryFile
			Source                  struct {
				Type, URL, Reference string
				Resolved             string `toml:"resolved_reference"`
			}
		}
		Metadata struct {
			Files  map[string][]poetryFile // until version 1.1
			Hashes map[string][]string     // version 1.0
		}
	}
	lines, err := tables(t, &doc)
	if err != nil {
		return err
	}
	for i, e := range doc.Package {
		p := Package{Name: Normal(e.Name), Version: e.Version, Line: lineOf(lines, i, len(doc.Package)), From: e.Source.URL}
		p.Dev = e.Category == "dev" || len(e.Groups) > 0 && !slices.Contains(e.Groups, "main")
		var hashes []string
		for _, f := range slices.Concat(e.Files, doc.Metadata.Files[e.Name]) {
			hashes = append(hashes, f.Hash)
		}
		p.Hash = every(append(hashes, doc.Metadata.Hashes[e.Name]...))
		switch e.Source.Type {
		case "git":
			p.Source, p.Commit = Git, hexCommit(e.Source.Resolved)
		case "directory", "file":
			p.Source = Local
		case "url":
			p.Source = Archive
		}
		if err := l.add(p); err != nil {
			return err
		}
	}
	return nil
}

// every returns the first of some hashes, and nothing if one of them is missing:
// the file without one is the file that is exchanged.
func every(hashes []string) string {
	if len(hashes) == 0 || slices.Contains(hashes, "") {
		return ""
	}
	return hashes[0]
}

type uvFile struct {
	URL, Path, Hash string
}

func readUV(l *Lock, t text) error {
	var doc struct {
		Version int
		Package []struct {
			Name, Version string
			Source        struct {
				Registry, Git, URL, Path, Editable, Virtual, Directory string
			}
			Sdist  *uvFile
			Wheels []uvFile
		}
	}
	lines, err := tables(t, &doc)
	if err != nil {
		return err
	}
	if doc.Version != 1 {
		return fmt.Errorf("version %d: %w", doc.Version, ErrFormat)
	}
	for i, e := range doc.Package {
		p := Package{Name: Normal(e.Name), Version: e.Version, Line: lineOf(lines, i, len(doc.Package))}
		var hashes []string
		files := e.Wheels
		if e.Sdist != nil {
			files = append(files, *e.Sdist)
		}
		for _, f := range files {
			hashes = append(hashes, f.Hash)
			if f.URL != "" {
				p.Others = append(p.Others, f.URL)
			}
		}
		p.Hash = every(hashes)
		switch s := e.Source; {
		case s.Git != "":
			p.Source, p.From, p.Commit = address("git+" + s.Git)
		case s.URL != "":
			p.Source, p.From = Archive, s.URL
		case s.Path != "" || s.Editable != "" || s.Virtual != "" || s.Directory != "":
			p.Source, p.From = Local, s.Path+s.Editable+s.Virtual+s.Directory
		default:
			p.From = s.Registry
			if kind, _, _ := address(s.Registry); kind == Local {
				p.Source = Local
			}
		}
		if err := l.add(p); err != nil {
			return err
		}
	}
	return nil
}

func readPipfile(l *Lock, t text) error {
	return t.whole(func(group string, at, _ int, v jsontext.Value) error {
		if group == "_meta" {
			return nil
		}
		return t.members(at, v, func(name string, _, line int, v jsontext.Value) error {
			var e struct {
				Version string   `json:"version"`
				Hashes  []string `json:"hashes"`
				Git     string   `json:"git"`
				Ref     string   `json:"ref"`
				Path    string   `json:"path"`
				File    string   `json:"file"`
			}
			if err := t.decode(line, v, &e); err != nil {
				return err
			}
			p := Package{Name: Normal(name), Version: strings.TrimPrefix(e.Version, "=="), Line: line, Hash: every(e.Hashes), Dev: group != "default"}
			switch {
			case e.Git != "":
				p.Source, p.From, p.Commit = Git, e.Git, hexCommit(e.Ref)
			case e.File != "":
				p.Source, p.From, _ = address(e.File)
			case e.Path != "":
				p.Source, p.From = Local, e.Path
			}
			return l.add(p)
		})
	})
}
