package mcpclient

import (
	"context"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
)

// texts returns everything of a server that a person or a model reads.
func (s server) texts() []value {
	out := append([]value{{s.name, s.at}, s.command, s.url}, s.args...)
	for _, p := range append(append([]pair(nil), s.env...), s.headers...) {
		out = append(out, value{p.name, p.place}, p.value)
	}
	return append(out, s.told...)
}

// judged makes a check of the texts of servers.
func judged(look func(l wording.Looked, v value, out *found)) func(context.Context, *File) ([]rule.Finding, error) {
	return func(_ context.Context, f *File) ([]rule.Finding, error) {
		judge, err := wording.New()
		if err != nil {
			return nil, err
		}
		out := found{file: f.path}
		for _, s := range f.servers {
			for _, v := range s.texts() {
				if v.text != "" {
					look(judge.Look(v.text), v, &out)
				}
			}
		}
		return out.list, nil
	}
}

func textRules() []rule.Rule[*File] {
	m := func(id, title, why, verify, fix string, cwe ...string) rule.Meta {
		return meta(id, rule.High, title, why, verify, fix, list("S0-54"), list("MCP03:2025", "MCP06:2025"), list("MCP-T3", "MCP-T6"), cwe)
	}
	return []rule.Rule[*File]{
		{
			Meta: m("hidden", "Names and texts hide no characters", "The name is not the one that was read, and a model reads what no person saw.",
				"Look for tag, zero-width and direction characters.", "Write the text again by hand.", "CWE-451", "CWE-1007"),
			Check: judged(func(l wording.Looked, v value, out *found) {
				if l.Hidden != "" {
					out.add(v.place, "A text has characters that a reader does not see.", l.Hidden)
				}
			}),
		},
		{
			Meta: m("orders", "Texts give no orders to a model", "Clients show the model what stands there, as if its user had written it.",
				"Read the names, descriptions and arguments of the servers.", "Say what the server does, and nothing else.", "CWE-74", "CWE-1427"),
			Check: judged(func(l wording.Looked, v value, out *found) {
				if l.Orders != "" {
					out.add(v.place, "A text gives orders to a model.", l.Orders)
				}
			}),
		},
	}
}
