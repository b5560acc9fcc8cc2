// Package manifest has the rules for manifests of agents (Open Standard for
// Software Agents): what an agent is given, what it may do without a person,
// and what is said about its data.
//
// A manifest is read twice. Rules about single values look at every value there
// is, wherever it stands and whatever version the file is of. Rules about what
// is missing need to know what the file means; that is what the reader of
// package ossa says, which also makes configuration of manifests. What it
// refuses is a finding of its own, and such a rule cannot tell then.
package manifest

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
	"github.com/portcullis-dev/portcullis/internal/harden/ossa"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// File is a manifest.
type File struct {
	path    string
	data    []byte
	docs    []*yamltree.Node
	roots   []*yamltree.Node // the tables in which sections stand
	values  []value          // all of them
	version string           // of the format, "" for one that is not known
	refused func() error     // what the reader of manifests says, asked once
	servers *mcpclient.File
	judge   *wording.Judge
}

// value is a value of a document.
type value struct {
	name   string           // folded, see fold; of a list element that of the list
	raw    string           // the name as it stands
	above  []string         // folded names of the tables around it
	node   *yamltree.Node   //
	around []*yamltree.Node // the tables around it, the nearest last
	schema bool             // inside a description of parameters
}

var ofAgent = regexp.MustCompile(`(?m)^\s*(?:- )?["']?(?:apiVersion["']?\s*:\s*["']?ossa/|ossaVersion["']?\s*:)|[{,]\s*["']?(?:apiVersion["']?\s*:\s*["']?ossa/|ossaVersion["']?\s*:)`)

// Find returns the files of a tree that are manifests.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		switch f.Ext() {
		case ".yaml", ".yml", ".json":
		default:
			return false
		}
		base := strings.ToLower(strings.TrimSuffix(f.Base(), f.Ext()))
		if strings.HasSuffix(base, ".ossa") || base == "ossa" {
			return true
		}
		data, err := t.Read(f.Path)
		return err == nil && ofAgent.Match(data)
	})
}

var errEmpty = errors.New("the manifest is empty")

// Load reads a manifest.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data)
}

func parse(name string, data []byte) (*File, error) {
	f := &File{path: name, data: data}
	var err error
	if f.docs, err = yamltree.Stream(name, data); err != nil {
		return nil, err
	}
	if len(f.docs) == 0 {
		return nil, errEmpty
	}
	if f.judge, err = wording.New(); err != nil {
		return nil, err
	}
	// What must not be generated is looked at all the same.
	f.refused = sync.OnceValue(func() error {
		_, err := ossa.Generate(data, ossa.Options{Name: name, Commands: true, Force: true})
		return err
	})
	for _, doc := range f.docs {
		f.roots = append(f.roots, doc)
		for _, n := range []*yamltree.Node{doc.Get("spec"), doc.Get("agent"), doc.Get("extensions"), doc.Get("spec", "extensions")} {
			if n.IsTable() {
				f.roots = append(f.roots, n)
			}
		}
		f.collect(value{node: doc})
		if f.version == "" {
			f.version, _ = ossa.Version(doc.Get("apiVersion").Value())
		}
	}
	f.servers = mcpclient.Of(name, f.entries())
	return f, nil
}

// collect lists a value and all below it.
func (f *File) collect(v value) {
	f.values = append(f.values, v)
	below := value{above: append(v.above[:len(v.above):len(v.above)], v.name), around: v.around, schema: v.schema}
	if v.node.IsTable() {
		below.around = append(v.around[:len(v.around):len(v.around)], v.node)
	}
	for _, name := range v.node.Names() {
		next := below
		next.name, next.raw, next.node = fold(name), name, v.node.Get(name)
		switch next.name {
		case "inputschema", "outputschema", "parameters", "returns", "schema", "properties":
			next.schema = next.schema || next.node.IsTable()
		}
		f.collect(next)
	}
	for _, item := range v.node.List() {
		next := below
		next.name, next.raw, next.node = v.name, v.raw, item
		next.above = v.above // the list is no table
		f.collect(next)
	}
}

// fold makes one of the ways to write a name: maxTokens, max_tokens, max-tokens.
func fold(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
}

// under reports whether a value stands in a table of one of some names.
func (v value) under(names ...string) bool {
	for _, a := range v.above {
		for _, n := range names {
			if a == n {
				return true
			}
		}
	}
	return false
}

// parent is the nearest table around a value.
func (v value) parent() *yamltree.Node {
	if len(v.around) == 0 {
		return nil
	}
	return v.around[len(v.around)-1]
}

// off reports whether a value says that something is switched off, by itself or
// by its member enabled or required.
func off(n *yamltree.Node) bool {
	if n.IsTable() {
		return no(n.Get("enabled")) || no(n.Get("required")) || no(n.Get("active"))
	}
	return no(n)
}

// no reports whether a value is false, in any way that people write it.
func no(n *yamltree.Node) bool {
	if n.False() {
		return true
	}
	switch strings.ToLower(n.Value()) {
	case "no", "off", "false", "none", "disabled", "disable", "never", "0":
		return true
	}
	return false
}

// yes reports whether a value is true, in any way that people write it.
func yes(n *yamltree.Node) bool {
	if n.True() {
		return true
	}
	switch strings.ToLower(n.Value()) {
	case "yes", "on", "true", "enabled", "enable", "always", "required", "1":
		return true
	}
	return false
}

// sections returns what stands under a path of names in any of the tables that
// hold sections.
func (f *File) sections(names ...string) []*yamltree.Node {
	var out []*yamltree.Node
	for _, root := range f.roots {
		if n := root.Get(names...); n != nil {
			out = append(out, n)
		}
	}
	return out
}

// found collects what is wrong.
type found struct {
	file string
	list []rule.Finding
	at   []*yamltree.Node
}

func (f *found) add(n *yamltree.Node, message, evidence string) {
	finding := rule.Finding{Message: message, File: f.file, Evidence: evidence}
	if n != nil {
		finding.Line, finding.Pointer = n.Line, n.Path
	}
	f.list, f.at = append(f.list, finding), append(f.at, n)
}

// top is where a finding about what is missing stands.
func (f *File) top() *yamltree.Node {
	for _, n := range f.sections("metadata", "name") {
		return n
	}
	return f.docs[0]
}

// sees makes a check that needs nothing but the values.
func sees(look func(f *File, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, f *File) ([]rule.Finding, error) {
		out := found{file: f.path}
		look(f, &out)
		return out.list, nil
	}
}

// values makes a check of every value.
func values(look func(v value, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return sees(func(f *File, out *found) {
		for _, v := range f.values {
			look(v, out)
		}
	})
}

// means makes a check that has to know what a manifest means: where the reader
// of manifests does not, finding nothing is no pass.
func means(look func(f *File, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, f *File) ([]rule.Finding, error) {
		out := found{file: f.path}
		look(f, &out)
		if len(out.list) == 0 {
			return nil, f.refused()
		}
		return out.list, nil
	}
}
