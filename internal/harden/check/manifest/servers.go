package manifest

import (
	"context"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/mcpclient"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// entries returns everything in the file that starts or calls a server, as the
// configuration of a client would.
func (f *File) entries() []mcpclient.Entry {
	var out []mcpclient.Entry
	for _, v := range f.values {
		if !v.node.IsTable() || v.schema {
			continue
		}
		e := mcpclient.Entry{Name: v.node.Get("name").Value(), At: text(v.node)}
		for i := len(v.around) - 1; i >= 0 && e.Name == ""; i-- { // the name of a transport is that of its server
			e.Name = v.around[i].Get("name").Value()
		}
		started := false
		for _, name := range []string{"command", "cmd", "server", "run", "exec"} {
			n := v.node.Get(name)
			switch line := n.Value(); {
			case n.IsList() && name != "server":
				words := items(n)
				if len(words) > 0 {
					e.Command, e.Args, started = words[0], append(words[1:], items(v.node.Get("args"))...), true
				}
			case !n.IsText():
			case strings.Contains(line, "://"):
				e.URL = text(n)
			default:
				words := strings.Fields(line)
				if len(words) == 0 {
					continue
				}
				started = true
				e.Command = word(n, words[0])
				e.Args = nil
				for _, w := range words[1:] {
					e.Args = append(e.Args, word(n, w))
				}
				e.Args = append(e.Args, items(v.node.Get("args"))...)
			}
		}
		for _, name := range []string{"url", "serverUrl", "endpoint", "base_url", "baseUrl"} {
			if n := v.node.Get(name); n.IsText() {
				e.URL = text(n)
			}
		}
		e.Env = append(pairs(v.node.Get("env")), pairs(v.node.Get("environment"))...)
		e.Headers = pairs(v.node.Get("headers"))
		if started || e.URL.Text != "" || len(e.Env)+len(e.Headers) > 0 {
			out = append(out, e)
		}
	}
	return out
}

func text(n *yamltree.Node) mcpclient.Value { return word(n, n.Value()) }

func word(n *yamltree.Node, text string) mcpclient.Value {
	if n == nil {
		return mcpclient.Value{}
	}
	return mcpclient.Value{Text: text, Pointer: n.Path, Line: n.Line}
}

func items(n *yamltree.Node) []mcpclient.Value {
	var out []mcpclient.Value
	for _, item := range n.List() {
		out = append(out, text(item))
	}
	return out
}

// pairs reads a table, or a list of tables with name and value.
func pairs(n *yamltree.Node) []mcpclient.Pair {
	var out []mcpclient.Pair
	for _, name := range n.Names() {
		out = append(out, mcpclient.Pair{Name: name, Value: text(n.Get(name))})
	}
	for _, item := range n.List() {
		switch name, written, ok := strings.Cut(item.Value(), "="); {
		case item.IsTable() && item.Get("value") != nil:
			out = append(out, mcpclient.Pair{Name: item.Get("name").Value(), Value: text(item.Get("value"))})
		case ok:
			out = append(out, mcpclient.Pair{Name: name, Value: word(item, written)})
		}
	}
	return out
}

// serverRules are the rules for configurations of clients, for the servers that
// a manifest names. Those that it does not take are about what only a client
// has, or look at every value here: see wireRules.
func serverRules() []rule.Rule[*File] {
	var out []rule.Rule[*File]
	for _, r := range mcpclient.Rules() {
		name := strings.TrimPrefix(r.ID, rule.MCPClient.Prefix())
		switch name {
		case "approved", "plain-http", "shadowed", "hidden", "orders":
			continue
		}
		meta := r.Meta
		meta.ID, meta.Kind = rule.OSSA.Prefix()+"server-"+name, rule.OSSA
		meta.Guides = append(meta.Guides[:len(meta.Guides):len(meta.Guides)], "R3-1")
		out = append(out, rule.Rule[*File]{Meta: meta, Check: func(ctx context.Context, f *File) ([]rule.Finding, error) {
			return r.Check(ctx, f.servers)
		}})
	}
	return out
}
