package edge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Hosts is a compiled list of host names that are ours. It is immutable and
// safe for concurrent use.
type Hosts struct {
	entries []hostEntry
	literal map[string]struct{} // entries as clients write them: the fast path
}

type hostEntry struct {
	name   string // lower case, without brackets; ".example.com" for "*.example.com"
	port   string // "" = any
	suffix bool
}

// ParseHosts compiles names, IPv4 addresses and bracketed IPv6 addresses, each
// with an optional port: "example.com", "*.example.com", "[::1]:8080". Without
// a port every port matches. "*.example.com" stands for all names below
// example.com, not for itself. A lone "*" is refused: it would switch the
// protection against DNS rebinding off.
func ParseHosts(list []string) (*Hosts, error) {
	h := &Hosts{literal: make(map[string]struct{})}
	for i, text := range list {
		text = strings.ToLower(strings.TrimSpace(text))
		name, wild := strings.CutPrefix(text, "*.")
		host, port, ok := splitHost(name)
		if !ok || wild && (isIP(host) || !strings.Contains(host, ".")) {
			return nil, fmt.Errorf(`[%d]: %q: want a host such as "example.com", "*.example.com" or "[::1]:8080"`, i, list[i])
		}
		e := hostEntry{name: host, port: port}
		if wild {
			e.name, e.suffix = "."+host, true
		} else {
			h.literal[text] = struct{}{}
		}
		h.entries = append(h.entries, e)
	}
	return h, nil
}

// DefaultHosts returns the hosts under which a server that listens on listen
// is reached by default: its own address, or the loopback names if it listens
// on a loopback or on every address. Port 0, which the system replaces when the
// listener opens, stands for every port. public, when not empty, is added.
func DefaultHosts(listen, public string) ([]string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %q: want host:port", listen)
	}
	own := func(name string) string {
		switch {
		case port != "0":
			return net.JoinHostPort(name, port)
		case strings.Contains(name, ":"):
			return "[" + name + "]"
		}
		return name
	}
	var out []string
	if a, err := netip.ParseAddr(host); err == nil && !a.IsLoopback() && !a.IsUnspecified() || err != nil && host != "" && host != "localhost" {
		out = append(out, own(host))
	} else {
		for _, name := range []string{"127.0.0.1", "localhost", "::1"} {
			out = append(out, own(name))
		}
		if err == nil && a.IsLoopback() && a.String() != "127.0.0.1" && a.String() != "::1" {
			out = append(out, own(host))
		}
	}
	if public != "" {
		out = append(out, public)
	}
	return out, nil
}

// Match reports whether authority, the value of a Host header, is on the list.
// A missing port is the default one of the scheme.
func (h *Hosts) Match(authority string, secure bool) bool {
	if _, ok := h.literal[authority]; ok {
		return true
	}
	host, port, ok := splitHost(authority)
	return ok && h.match(host, port, defaultPort(secure))
}

func (h *Hosts) match(host, port, fallback string) bool {
	if port == "" {
		port = fallback
	}
	for i := range h.entries {
		e := &h.entries[i]
		if e.port != "" && e.port != port {
			continue
		}
		if e.suffix {
			if n := len(host) - len(e.name); n > 0 && strings.EqualFold(host[n:], e.name) && host[0] != '.' {
				return true
			}
		} else if strings.EqualFold(host, e.name) {
			return true
		}
	}
	return false
}

func defaultPort(secure bool) string {
	if secure {
		return "443"
	}
	return "80"
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

const maxHost = 255

// splitHost splits an authority without userinfo into host and port. It
// accepts what browsers and HTTP clients send and nothing else: letters,
// digits, "-", "_" and single dots, or a bracketed IPv6 address without a zone.
// The brackets are not part of the host.
func splitHost(s string) (host, port string, ok bool) {
	if s == "" || len(s) > maxHost {
		return "", "", false
	}
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		host, port = s[1:end], s[end+1:]
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", "", false
		}
	} else {
		host = s
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i:]
		}
		if !validName(host) {
			return "", "", false
		}
	}
	if port == "" {
		return host, "", true
	}
	if port[0] != ':' || !validPort(port[1:]) {
		return "", "", false
	}
	return host, port[1:], true
}

func validName(s string) bool {
	dot := true // a name starts with no dot and has no empty label
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if dot {
				return false
			}
			dot = true
			continue
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		dot = false
	}
	return !dot // no trailing dot either: "localhost." is not what we configured
}

// validPort accepts 1 to 65535 without leading zeros.
func validPort(s string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// parseHostname checks a public host with optional port for use in redirects.
func parseHostname(s string) error {
	if _, _, ok := splitHost(s); !ok {
		return fmt.Errorf(`%q: want a host such as "mcp.example.com" or "mcp.example.com:8443"`, s)
	}
	return nil
}

// errNoHosts says that a Host guard would refuse everyone.
var errNoHosts = errors.New("no host allowed")
