package ossa

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/ossa/tomltext"
)

// nowhere is the upstream of a route whose server is not known: the name is
// one that never resolves (RFC 2606).
const nowhere = "http://upstream.invalid/mcp"

func paths(from []sourced) string {
	out := make([]string, len(from))
	for i, s := range from {
		out[i] = s.from.Path
	}
	return strings.Join(out, ", ")
}

// write makes the text of the configuration.
func (m *maker) write(tools []lists) {
	var head, w tomltext.Writer
	for i, s := range m.servers {
		m.writeRoute(&w, s, tools[i])
	}
	m.writeAccess(&w)
	m.writeLinks(&w)
	m.reportContent()
	head.Comment("What the agent %s may do, made of its manifest (ossa/v%s).", m.res.Agent, m.res.Version)
	head.Comment("Behind each line stands the field it comes from. Read the report as well:")
	head.Comment("%d fields are not expressed here.", len(m.res.NotExpressed))
	m.res.Config = head.String() + w.String()
}

func (m *maker) writeRoute(w *tomltext.Writer, s *server, l lists) {
	name := m.routeName(s)
	m.res.Routes = append(m.res.Routes, name)
	w.Table("[[route]]")
	w.Set("name", tomltext.Text(name), s.at.Path)
	w.Set("path", tomltext.Text("/mcp/"+name), "")
	m.writeServer(w, s)
	if m.timeout.from != nil {
		w.Set("timeout", tomltext.Text(m.timeout.text), m.timeout.from.Path)
	}
	if len(m.rates) > 0 {
		rates := []string{"1000/1m per address"} // the default: a list replaces it
		for _, r := range m.rates {
			rates = append(rates, r.text)
		}
		w.Set("rate", tomltext.List(rates), paths(m.rates))
	}
	if len(l.allow) > 0 {
		w.Set("tools.allow", tomltext.List(l.allow), l.allowFrom)
	}
	if len(l.deny) > 0 {
		w.Set("tools.deny", tomltext.List(l.deny), l.denyFrom)
	}
	writeThings(w, "prompts", s.prompts)
	writeThings(w, "resources", s.resources)
	for _, things := range [][]thing{s.prompts, s.resources} {
		for _, t := range things {
			m.reportThing(t)
		}
	}
	if len(l.approve) > 0 {
		w.Set("approval.tools", tomltext.List(l.approve), l.approveFrom)
	}
	if m.calls.from != nil {
		w.Set("use.calls_per_session", m.calls.text, m.calls.from.Path)
	}
	if m.secret.from != nil {
		w.Set("taint.confidential", `["*"]`, m.secret.from.Path)
	}
	preset, from := "standard", ""
	if m.preset.from != nil {
		preset, from = m.preset.text, m.preset.from.Path
	}
	w.Set("inspect.preset", tomltext.Text(preset), from)
	m.writeRules(w, false)
	m.writeRules(w, true)
}

// writeThings writes the lists of prompts or resources: none is denial.
func writeThings(w *tomltext.Writer, key string, things []thing) {
	var allow []string
	for _, t := range things {
		if plainName(t.name) {
			allow = append(allow, t.name)
		}
	}
	if len(allow) == 0 || len(allow) > maxList {
		w.Set(key+".deny", `["*"]`, "the manifest names none")
		return
	}
	w.Set(key+".allow", tomltext.List(allow), things[0].at.Path)
}

func plainName(s string) bool {
	return s != "" && len(s) <= maxPattern && !strings.Contains(s, "*")
}

func (m *maker) reportThing(t thing) {
	if plainName(t.name) {
		m.expressed(t.at, "allow")
	} else {
		m.stricter(t.at, "", "is a pattern or longer than a name: nothing is allowed by it")
	}
}

// writeServer writes where the server is. A command is written only if asked
// for: it runs on the machine of the gateway.
func (m *maker) writeServer(w *tomltext.Writer, s *server) {
	switch {
	case s.command != nil && m.opts.Commands:
		w.Set("command", tomltext.List(s.command), s.commandAt.Path)
		if len(s.env) > 0 {
			w.Comment("pass_env = %s", tomltext.List(s.env))
			m.missing(s.commandAt, "variables of the gateway's own environment are not handed to a command of a manifest", "take out the # before pass_env if they are meant for it")
		}
		m.expressed(s.commandAt, "command")
	case s.command != nil:
		w.Comment("command = %s", tomltext.List(s.command))
		w.Set("upstream", tomltext.Text(nowhere), "the command was not taken over")
		m.stricter(s.commandAt, "upstream", "a command of a manifest runs on the gateway's machine: it is left out unless --commands is given")
	case s.upstream.text != "":
		w.Set("upstream", tomltext.Text(s.upstream.text), s.upstream.from.Path)
		m.expressed(s.upstream.from, "upstream")
	case s.upstream.from == nil && m.opts.Upstream != "":
		w.Set("upstream", tomltext.Text(m.opts.Upstream), "--upstream")
	default:
		w.Set("upstream", tomltext.Text(nowhere), "no address to use: put it here")
		if s.upstream.from == nil {
			m.minor(s.at, "where the server is, the manifest does not say", "give --upstream, or write it into the route")
		}
	}
}

// writeRules writes the content rules of one direction.
func (m *maker) writeRules(w *tomltext.Writer, results bool) {
	head := "[[route.inspect.arguments]]"
	if results {
		head = "[[route.inspect.results]]"
	}
	rule := func(detect []string, action, from string) {
		w.Table(head)
		w.Set("detect", tomltext.List(detect), from)
		w.Set("action", tomltext.Text(action), "")
	}
	if m.links != nil && len(m.links.blocked) > 0 {
		var names []string
		for i := range m.links.blockedPatterns() {
			names = append(names, "pattern."+m.patternName(i))
		}
		rule(names, "block", m.links.from+".blocked_domains")
	}
	own := m.rulesFor(results)
	network := content{detect: []string{"egress"}, action: "block"}
	if results {
		network = content{detect: []string{"url.exfiltration"}, action: "redact"}
	}
	if m.links == nil || m.links.open {
		network.detect = nil
	}
	for _, c := range own {
		if network.detect != nil && sterner(network.action, c.action) {
			rule(network.detect, network.action, m.links.from)
			network.detect = nil
		}
		rule(c.detect, c.action, c.at.Path)
	}
	if network.detect != nil {
		rule(network.detect, network.action, m.links.from)
	}
}

// writeAccess writes the role of the agent, if the manifest has a tier.
func (m *maker) writeAccess(w *tomltext.Writer) {
	if m.tier.from == nil {
		return
	}
	role := shortened("ossa-"+m.res.Agent, 64) // also a permission that no other role has
	grants := append([]string{role, m.tier.text}, m.grants...)
	w.Table("[access.roles] # the first three are the defaults: a table replaces them")
	w.Set("admin", `["read", "write", "delete", "manage"]`, "")
	w.Set("editor", `["read", "write"]`, "")
	w.Set("viewer", `["read"]`, "")
	w.Set(tomltext.Text(role), tomltext.List(grants), m.tier.from.Path)
	w.Table("[[access.rules]]")
	w.Set("routes", tomltext.List(m.res.Routes), "")
	for _, key := range []string{"tools", "prompts", "resources"} {
		w.Set(key, `["*"]`, "")
	}
	w.Set("needs", tomltext.List(grants[:2]), m.tier.from.Path)
}

// writeLinks writes which hosts messages may name.
func (m *maker) writeLinks(w *tomltext.Writer) {
	l := m.links
	if l == nil {
		return
	}
	if !l.open {
		hosts, from := l.allowed, l.from+".allowed_domains"
		if len(hosts) == 0 {
			hosts, from = []string{"none.invalid"}, l.from+": no host is allowed"
		}
		w.Table("[inspect] # for every route of the gateway")
		w.Set("link_hosts", tomltext.List(hosts), from)
	}
	for i, expression := range l.blockedPatterns() {
		w.Table("[[inspect.patterns]]")
		w.Set("name", tomltext.Text(m.patternName(i)), l.from+".blocked_domains")
		w.Set("regex", tomltext.Text(expression), "")
	}
}

func (m *maker) patternName(i int) string {
	sum := sha256.Sum256([]byte(m.res.Agent))
	return fmt.Sprintf("hosts_%s_%d", hex.EncodeToString(sum[:4]), i+1)
}

// routeName is the name of the agent and, if it has several servers, of the
// server.
func (m *maker) routeName(s *server) string {
	name := m.res.Agent
	if len(m.servers) > 1 || s.name != m.res.Agent {
		name += "." + s.name
	}
	clean := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
	if clean != name {
		clean += "-" + digest(name)
	}
	return shortened(clean, 64)
}

// shortened cuts a name that is too long and makes it one of its own again.
func shortened(name string, most int) string {
	if len(name) <= most {
		return name
	}
	return name[:most-9] + "-" + digest(name)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

// ValidUpstream reports whether a URL may be an upstream.
func ValidUpstream(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
}
