package dial

import (
	"fmt"
	"net/netip"
)

// Policy says which addresses may be dialed. The zero Policy is the one for
// URLs that an operator wrote: loopback and private addresses are allowed,
// link-local and metadata addresses are not.
type Policy struct {
	// InsecureAllowLinkLocal permits link-local and cloud metadata addresses.
	// Whoever can make an upstream answer with metadata owns the machine's
	// cloud identity.
	InsecureAllowLinkLocal bool
	// DenyPrivate permits only addresses that are globally reachable: for URLs
	// a caller or an upstream has a say in.
	DenyPrivate bool
}

// AddressError says that an address may not be dialed.
type AddressError struct {
	Addr netip.Addr
	Why  string // "link-local", "metadata", "multicast", "unspecified", "private"
}

// Error names the address and the reason.
func (e *AddressError) Error() string {
	return fmt.Sprintf("address %s is refused: %s", e.Addr, e.Why)
}

// Check returns an [*AddressError] if addr, or an IPv4 address inside it, may
// not be dialed. Zones are ignored.
func (p Policy) Check(addr netip.Addr) error {
	if why := p.refuse(addr.WithZone("").Unmap()); why != "" {
		return &AddressError{Addr: addr, Why: why}
	}
	return nil
}

func (p Policy) refuse(addr netip.Addr) string {
	if why := p.refusePlain(addr); why != "" {
		return why
	}
	var buf [5]netip.Addr
	for _, inner := range embedded(buf[:0], addr) {
		if why := p.refusePlain(inner); why != "" {
			return why
		}
	}
	return ""
}

// refusePlain judges addr as it stands, without looking inside.
func (p Policy) refusePlain(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "invalid"
	case addr.IsUnspecified(), thisNetwork.Contains(addr):
		return "unspecified"
	case addr.IsMulticast(), addr == broadcast:
		return "multicast"
	}
	if !p.InsecureAllowLinkLocal {
		if addr.IsLinkLocalUnicast() {
			return "link-local"
		}
		for _, m := range metadata {
			if addr == m {
				return "metadata"
			}
		}
	}
	if p.DenyPrivate {
		for _, n := range notGlobal {
			if n.Contains(addr) {
				return "private"
			}
		}
	}
	return ""
}

// The tables below are fixed by the registries they come from.
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // Linux connects 0.0.0.0 to itself
	broadcast   = netip.MustParseAddr("255.255.255.255")

	// metadata lists services outside the link-local ranges that hand
	// credentials or configuration to whoever asks from a machine.
	metadata = []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"),   // AWS
		netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
		netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
		netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
		netip.MustParseAddr("168.63.129.16"),   // Azure
	}

	// notGlobal is what the IANA special-purpose registries (RFC 6890) call
	// not globally reachable. The IPv6 forms that carry an IPv4 address are
	// not here: they are judged by what they carry.
	notGlobal = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("100::/64"),
		netip.MustParsePrefix("2001:2::/48"),
		netip.MustParsePrefix("2001:10::/28"),
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("3fff::/20"),
		netip.MustParsePrefix("5f00::/16"),
		netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("fec0::/10"),
	}

	compatible = netip.MustParsePrefix("::/96")           // RFC 4291 2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765 (SIIT)
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380
	loopback6  = netip.IPv6Loopback()
)

// embedded appends to dst the IPv4 addresses that addr carries or may carry.
func embedded(dst []netip.Addr, addr netip.Addr) []netip.Addr {
	if !addr.Is6() || addr == loopback6 {
		return dst
	}
	b := addr.As16()
	at := func(i, j, k, l int) netip.Addr { return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]}) }
	last := func() netip.Addr { return at(12, 13, 14, 15) }
	switch {
	case compatible.Contains(addr), translated.Contains(addr), nat64.Contains(addr):
		dst = append(dst, last())
	case nat64Local.Contains(addr):
		// The operator of this prefix chooses how long it is; RFC 6052 2.2 has
		// one place for the address per length. One that reads 0.x is no
		// address but the zeros of another length.
		for _, v4 := range [...]netip.Addr{at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), last()} {
			if !thisNetwork.Contains(v4) {
				dst = append(dst, v4)
			}
		}
	case sixToFour.Contains(addr):
		dst = append(dst, at(2, 3, 4, 5))
	case teredo.Contains(addr):
		client := netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
		dst = append(dst, at(4, 5, 6, 7), client)
	}
	// ISATAP (RFC 5214 6.1) puts the address behind 0000:5efe or 0200:5efe in
	// the interface identifier of any prefix.
	if b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		dst = append(dst, last())
	}
	return dst
}
