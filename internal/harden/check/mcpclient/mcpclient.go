// Package mcpclient has the rules for configurations of MCP clients: which
// servers a client starts or calls, with what rights and what secrets.
//
// The files of Claude, Cursor, VS Code, Windsurf and others differ in the name of
// the table and in a few fields; they are read alike. Comments and commas too
// many are let be, as the clients do.
package mcpclient

import (
	"bytes"
	"context"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// File is the configuration of a client.
type File struct {
	path    string
	servers []server
}

// server is one entry.
type server struct {
	name     string
	at       place
	command  value
	args     []value
	env      []pair
	headers  []pair
	url      value
	approved []value // tools that are called without asking
	trusted  bool    // all of them are
	told     []value // what is said about it
}

type place struct {
	pointer string
	line    int
}

type value struct {
	text string
	place
}

type pair struct {
	name string
	value
}

// words is the command with its arguments.
func (s server) words() []string {
	out := []string{s.command.text}
	for _, a := range s.args {
		out = append(out, a.text)
	}
	return out
}

// Find returns the files of a tree that are configurations of clients.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool {
		base := strings.ToLower(f.Base())
		switch base {
		case "mcp.json", ".mcp.json", "claude_desktop_config.json", "mcp_config.json", "mcp_settings.json", "cline_mcp_settings.json", ".claude.json", "mcp-config.json":
			return true
		}
		folder := path.Base(path.Dir(f.Path))
		settings := base == "settings.json" && slices.Contains([]string{".vscode", ".cursor", ".gemini", ".claude", "zed"}, folder)
		if strings.HasSuffix(base, ".mcp.json") {
			return true
		}
		if !settings && !(t.Single() && f.Ext() == ".json") {
			return false
		}
		data, err := t.Read(f.Path)
		return err == nil && names(data)
	})
}

// Tables of servers in a file of any name. Words of the same spelling are in
// files of all kinds, and in schemas of these.
var (
	direct = regexp.MustCompile(`"(?:mcpServers|mcp\.servers|context_servers)"\s*:\s*\{`)
	nested = regexp.MustCompile(`(?s)"mcp"\s*:\s*\{.*"servers"\s*:\s*\{`)
)

// names reports whether a file has such a table.
func names(data []byte) bool {
	return (direct.Match(data) || nested.Match(data)) && !bytes.Contains(data, []byte("json-schema.org/"))
}

// Load reads a configuration.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data)
}

var errNoServers = errors.New("names no servers: want a table mcpServers or servers")

func parse(name string, data []byte) (*File, error) {
	doc, err := yamltree.Parse(name, strict(data))
	if err != nil {
		return nil, err
	}
	f := &File{path: name}
	tables := 0
	for _, at := range [][]string{{"mcpServers"}, {"servers"}, {"mcp", "servers"}, {"mcp", "mcpServers"}, {"mcp.servers"}, {"context_servers"}} {
		if list := doc.Get(at...); list.IsTable() {
			tables++
			if err := f.read(list); err != nil {
				return nil, err
			}
		}
	}
	if projects := doc.Get("projects"); projects.IsTable() { // of .claude.json
		for _, p := range projects.Names() {
			if list := projects.Get(p, "mcpServers"); list.IsTable() {
				tables++
				if err := f.read(list); err != nil {
					return nil, err
				}
			}
		}
	}
	if tables == 0 {
		return nil, errNoServers
	}
	return f, nil
}

func (f *File) read(list *yamltree.Node) error {
	var e yamltree.Errors
	for _, name := range list.Names() {
		n := list.Get(name)
		if !n.Table(&e) {
			continue
		}
		s := server{name: name, at: place{n.Path, n.Line}}
		s.command = one(n.Get("command"), &e)
		if own := n.Get("command"); own.IsTable() { // of Zed
			s.command = one(own.Get("path"), &e)
			s.args, s.env = many(own.Get("args"), &e), pairs(own.Get("env"), &e)
		}
		s.args = append(s.args, many(n.Get("args"), &e)...)
		s.env, s.headers = append(s.env, pairs(n.Get("env"), &e)...), append(pairs(n.Get("headers"), &e), pairs(n.Get("requestInit", "headers"), &e)...)
		for _, field := range []string{"description", "title", "instructions"} {
			if v := n.Get(field); v.IsText() {
				s.told = append(s.told, one(v, &e))
			}
		}
		for _, field := range []string{"url", "serverUrl", "httpUrl"} {
			if u := n.Get(field); u != nil {
				s.url = one(u, &e)
			}
		}
		for _, field := range []string{"alwaysAllow", "autoApprove", "autoAllow"} {
			switch v := n.Get(field); {
			case v.IsList():
				s.approved = append(s.approved, many(v, &e)...)
			case v.IsBool():
				on, _ := v.Bool(&e)
				s.trusted = s.trusted || on
			}
		}
		if v := n.Get("trust"); v.IsBool() {
			on, _ := v.Bool(&e)
			s.trusted = s.trusted || on
		}
		f.servers = append(f.servers, s)
	}
	return e.Err()
}

func one(n *yamltree.Node, e *yamltree.Errors) value {
	if n == nil || n.IsTable() {
		return value{}
	}
	text, _ := n.Text(e)
	return value{text, place{n.Path, n.Line}}
}

func many(n *yamltree.Node, e *yamltree.Errors) []value {
	if n == nil {
		return nil
	}
	var out []value
	for _, item := range n.Items(e) {
		out = append(out, value{item.Raw(), place{item.Path, item.Line}})
	}
	return out
}

func pairs(n *yamltree.Node, e *yamltree.Errors) []pair {
	if n == nil || !n.Table(e) {
		return nil
	}
	var out []pair
	for _, name := range n.Names() {
		v := n.Get(name)
		out = append(out, pair{name, value{v.Raw(), place{v.Path, v.Line}}})
	}
	return out
}

// strict blanks comments, commas before a closing bracket and tabs between
// values, and leaves every line where it was.
func strict(data []byte) []byte {
	out := bytes.Clone(data)
	comma := -1
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
			comma = -1
		case c == '/' && i+1 < len(out) && out[i+1] == '/':
			end := len(out)
			if n := bytes.IndexByte(out[i:], '\n'); n >= 0 {
				end = i + n
			}
			blank(i, end)
			i = end - 1
		case c == '/' && i+1 < len(out) && out[i+1] == '*':
			end := len(out)
			if n := bytes.Index(out[i+2:], []byte("*/")); n >= 0 {
				end = i + 2 + n + 2
			}
			blank(i, end)
			i = end - 1
		case c == '\t' || c == '\r':
			out[i] = ' '
		case c == ',':
			comma = i
		case (c == ']' || c == '}') && comma >= 0:
			out[comma], comma = ' ', -1
		case c != ' ' && c != '\n':
			comma = -1
		}
	}
	return out
}

// found collects what is wrong.
type found struct {
	file string
	list []rule.Finding
}

func (f *found) add(at place, message, evidence string) {
	f.list = append(f.list, rule.Finding{Message: message, File: f.file, Line: at.line, Pointer: at.pointer, Evidence: evidence})
}

// each makes a check of the servers of a file.
func each(look func(s server, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, f *File) ([]rule.Finding, error) {
		out := found{file: f.path}
		for _, s := range f.servers {
			look(s, &out)
		}
		return out.list, nil
	}
}
