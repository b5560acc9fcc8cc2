package anomaly

import (
	"net/netip"
	"strings"
)

// name is what tools and peers are found by.
type name struct {
	route, name string
}

func textOf(s *subject) string  { return s.name }
func routeOf(s *subject) string { return s.route }
func nameOf(s *subject) name    { return name{s.route, s.name} }

// The text of an address subject is its key; a /64 is written as its prefix.
func addrOf(s *subject) netip.Addr {
	text, _, _ := strings.Cut(s.name, "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// ofAddress is the subject that an address belongs to: one of IPv6 is as easy
// to change as a port, the network is not.
func ofAddress(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

func addressText(a netip.Addr) string {
	if a.Is6() {
		return a.String() + "/64"
	}
	return a.String()
}
