package ossa

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

// linkPolicy is what the manifest says of hosts.
type linkPolicy struct {
	allowed []string // hosts; empty: none
	blocked []string
	open    bool // any that is not blocked
	from    string
}

// maxRegex is how long an expression of the configuration may be.
const maxRegex = 900

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)*$`)

// hosts reads a list of domains, each with or without "*." before it.
func (m *maker) hosts(n *yamltree.Node) (out []string, every bool) {
	for _, item := range n.Items(&m.errs) {
		text, ok := item.Text(&m.errs)
		host := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ".")
		host = strings.TrimPrefix(host, "*.")
		switch {
		case !ok:
		case host == "*":
			every = true
		case len(host) > 253 || !hostName.MatchString(host):
			m.errs.Add(item, "%.60q: want a domain such as api.example.com or *.example.com", text)
		case !slices.Contains(out, host):
			out = append(out, host)
		}
	}
	return out, every
}

const dialing = "the gateway reads what messages name; it does not see what the agent and the servers dial"

// network turns rules about hosts into rules about the links and addresses
// that messages name.
func (m *maker) network() {
	for _, root := range []*yamltree.Node{m.doc, m.spec} {
		if n := root.Get("security", "network_access"); n != nil && n.Table(&m.errs) {
			m.networkAccess(n)
		}
	}
}

func (m *maker) networkAccess(n *yamltree.Node) {
	if m.links != nil {
		m.errs.Add(n, "stands in two places, the other is %s: keep one", m.links.from)
		return
	}
	l := &linkPolicy{}
	m.links = l
	policy := "allow-list" // what the format says where it is left out
	if p := n.Get("egress_policy"); p != nil {
		policy, _ = p.Word(&m.errs, "allow-all", "allow-list", "deny-all")
	}
	allow, any := m.hosts(n.Get("allowed_domains"))
	block, none := m.hosts(n.Get("blocked_domains"))
	l.blocked = append(l.blocked, block...)
	l.open = policy == "allow-all" || policy == "allow-list" && any
	l.from = n.Path
	switch {
	case none || policy == "deny-all":
		l.allowed, l.open = nil, false
	case !l.open:
		l.allowed = append(l.allowed, allow...)
	}
	do := "allow the same hosts in the firewall, or in the network policy, of agent and servers"
	if !l.open {
		m.stricter(n, "inspect", "private addresses in arguments are refused, whatever is allowed")
		if at := n.Get("egress_policy"); at != nil {
			m.missing(at, dialing, do)
		}
		if at := n.Get("allowed_domains"); at != nil {
			m.missing(at, dialing+"; links in results may also name hosts below the allowed ones", do)
		}
	}
	if len(l.blocked) > 0 {
		m.missing(n.Get("blocked_domains"), dialing+"; messages that name these hosts, or those below them, are refused", do)
	}
	m.protocols(n.Get("protocols"))
}

// protocols are held against the addresses of servers.
func (m *maker) protocols(n *yamltree.Node) {
	list := n.Texts(&m.errs)
	if n == nil {
		return
	}
	for _, s := range m.servers {
		if u, err := url.Parse(s.upstream.text); err == nil && s.upstream.from != nil && !slices.Contains(list, u.Scheme) {
			m.stricter(s.upstream.from, "upstream", fmt.Sprintf("%s allows no %s: the address is left out", n.Path, u.Scheme))
			s.upstream = sourced{from: s.upstream.from}
		}
	}
	m.missing(n, "held against the addresses of servers only; "+dialing, "allow the same protocols in the firewall")
}

// checkServers leaves out addresses that the manifest itself does not allow.
func (m *maker) checkServers() {
	if m.links == nil {
		return
	}
	for _, s := range m.servers {
		u, err := url.Parse(s.upstream.text)
		if s.upstream.text == "" || err != nil {
			continue
		}
		host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		switch {
		case covered(m.links.blocked, host):
			m.stricter(s.upstream.from, "upstream", "the manifest blocks this host: the address is left out")
		case !m.links.open && !covered(m.links.allowed, host):
			m.stricter(s.upstream.from, "upstream", "the manifest does not allow this host: the address is left out")
		default:
			continue
		}
		s.upstream = sourced{from: s.upstream.from}
	}
}

func covered(domains []string, host string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

// blockedPatterns returns expressions that find the blocked hosts.
func (l *linkPolicy) blockedPatterns() []string {
	var out []string
	part := ""
	for _, host := range l.blocked {
		quoted := regexp.QuoteMeta(host)
		if part != "" && len(part)+len(quoted) > maxRegex {
			out, part = append(out, part), ""
		}
		part += "|" + quoted
	}
	if part != "" {
		out = append(out, part)
	}
	for i, alternatives := range out {
		out[i] = `(?i)\b(?:` + alternatives[1:] + `)\b`
	}
	return out
}
