package settings

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// nearby reports whether a host is this machine.
func nearby(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// inside reports whether a host is of a private network: an address of one, a
// name without a dot as containers have, or one below a name that is never
// public.
func inside(host string) bool {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		addr = addr.Unmap()
		return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") {
		return true
	}
	for _, end := range [...]string{".internal", ".local", ".svc", ".cluster.local", ".lan", ".intranet", ".home.arpa", ".localhost"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}

// exposed reports whether an address to listen on can be reached from other
// machines.
func exposed(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && !nearby(host)
}

// plainHost returns the host of an http URL, and whether it is one.
func plainHost(text string) (host string, plain bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" {
		return "", false
	}
	return u.Hostname(), true
}
