package ossa

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/ossa/naming"
)

const (
	maxPattern = 512  // bytes of a name in a list
	maxList    = 1000 // names in a list
)

// lists is what one route gets.
type lists struct {
	allow, deny, approve []string
	allowFrom, denyFrom  string
	approveFrom          string
}

// decideTools makes the lists of every server, and says what became of each
// action.
func (m *maker) decideTools() []lists {
	out := make([]lists, len(m.servers))
	for i, s := range m.servers {
		out[i] = m.allowList(s)
	}
	m.reportAllowed()
	for _, b := range m.blocked {
		m.block(b, out)
	}
	for i, s := range m.servers {
		l := &out[i]
		l.allow = slices.DeleteFunc(l.allow, func(name string) bool {
			return slices.ContainsFunc(l.deny, func(d string) bool { return naming.Glob(d, name) })
		})
		if len(l.allow) == 0 {
			l.deny, l.denyFrom = []string{"*"}, "nothing is left to allow"
			if !s.listed && m.allowed == nil {
				m.stricter(s.at, "tools.deny", "the manifest does not name the tools of the server: all are denied until they stand in tools.allow")
			}
		}
		if len(l.allow) > maxList || len(l.deny) > maxList {
			m.errs.Add(s.at, "has more than %d tools", maxList)
		}
	}
	m.decideApprovals(out)
	return out
}

// allowList returns what is declared and, if the manifest says what is
// allowed, is among that.
func (m *maker) allowList(s *server) lists {
	var l lists
	l.allowFrom = "the tools that the manifest declares"
	for _, t := range s.tools {
		switch {
		case strings.Contains(t.name, "*") || len(t.name) > maxPattern:
			m.stricter(t.at, "", "is a pattern or longer than a name: no tool is allowed by it")
		case slices.Contains(l.allow, t.name):
		case m.allowed == nil || slices.ContainsFunc(m.allowed.actions, func(a action) bool { return naming.Is(a.text, s.name, t.name) }):
			l.allow = append(l.allow, t.name)
			m.expressed(t.at, "tools.allow")
		default:
			m.stricter(t.at, "", "is declared, and not among the allowed actions: it is denied")
		}
	}
	if m.allowed == nil {
		return l
	}
	l.allowFrom = m.allowed.at.Path
	if s.listed {
		return l
	}
	// A server that does not name its tools: an action is one if it can be of
	// no other server, or says so.
	for _, a := range m.allowed.actions {
		name, qualified := naming.Qualified(a.text, s.name)
		if !qualified {
			name = a.text
		}
		if (qualified || len(m.servers) == 1) && !strings.Contains(name, "*") && name != "" && len(name) <= maxPattern && !slices.Contains(l.allow, name) {
			l.allow = append(l.allow, name)
		}
	}
	return l
}

// reportAllowed says of every allowed action whether it is a tool.
func (m *maker) reportAllowed() {
	if m.allowed == nil {
		return
	}
	if len(m.allowed.actions) == 0 {
		m.stricter(m.allowed.at, "tools.deny", "nothing is allowed")
		return
	}
	for _, a := range m.allowed.actions {
		known, open := false, false
		for _, s := range m.servers {
			known = known || slices.ContainsFunc(s.tools, func(t thing) bool { return naming.Is(a.text, s.name, t.name) })
			_, of := naming.Qualified(a.text, s.name)
			open = open || !s.listed && (len(m.servers) == 1 || of) && !strings.Contains(a.text, "*")
		}
		if known || open {
			m.expressed(a.at, "tools.allow")
		} else {
			m.stricter(a.at, "", "no tool that the manifest declares has this name: nothing is allowed by it")
		}
	}
}

// block denies an action on every route.
func (m *maker) block(b action, out []lists) {
	exact, loose := false, false
	for i, s := range m.servers {
		l := &out[i]
		if l.denyFrom == "" {
			l.denyFrom = b.at.Path
		}
		if len(b.text) <= maxPattern {
			l.deny = append(l.deny, b.text)
		}
		for _, name := range append(slices.Clone(l.allow), declared(s)...) {
			switch {
			case naming.Covers(b.text, s.name, name):
				exact = true
			case naming.Within(b.text, name):
				loose = true
			default:
				continue
			}
			if len(name) <= maxPattern {
				l.deny = append(l.deny, name)
			}
		}
		slices.Sort(l.deny)
		l.deny = slices.Compact(l.deny)
	}
	switch {
	case loose:
		m.stricter(b.at, "tools.deny", "every tool with these words in its name is denied")
	case exact || strings.Contains(b.text, "*") && len(b.text) <= maxPattern:
		m.expressed(b.at, "tools.deny")
	default:
		m.missing(b.at, "no tool that the manifest declares has this name: one of this name is denied, but another may do the same", "check what the allowed tools can do, and deny more")
	}
}

func declared(s *server) []string {
	out := make([]string, len(s.tools))
	for i, t := range s.tools {
		out[i] = t.name
	}
	return out
}

// decideApprovals names the tools whose calls need another person. An action
// that is no tool's name means all of them.
func (m *maker) decideApprovals(out []lists) {
	for _, a := range m.approve {
		found := false
		for i, s := range m.servers {
			for _, name := range out[i].allow {
				if naming.Is(a.text, s.name, name) || naming.SameWords(a.text, name) {
					found = true
					out[i].approve = append(out[i].approve, name)
					out[i].approveFrom = a.at.Path
				}
			}
		}
		switch {
		case found:
			m.expressed(a.at, "approval.tools")
		case m.denied(a):
			m.expressed(a.at, "tools.deny")
		default:
			m.all = append(m.all, sourced{a.text, a.at})
			m.stricter(a.at, "approval.tools", "is not the name of a tool: every call needs the word of another person")
		}
	}
	for i := range out {
		slices.Sort(out[i].approve)
		out[i].approve = slices.Compact(out[i].approve)
		if len(m.all) > 0 {
			out[i].approve, out[i].approveFrom = []string{"*"}, m.all[0].from.Path
		}
		if len(out[i].allow) == 0 {
			out[i].approve = nil
		}
	}
}

// denied reports whether an action is the name of a declared tool, which is
// not among the allowed ones.
func (m *maker) denied(a action) bool {
	return slices.ContainsFunc(m.servers, func(s *server) bool {
		return slices.ContainsFunc(s.tools, func(t thing) bool { return naming.Is(a.text, s.name, t.name) })
	})
}
