package ipfilter

import (
	"encoding/binary"
	"net/netip"
)

// embeddedMax is how many IPv4 addresses one IPv6 address may carry.
const embeddedMax = 5

// Unwrap returns the IPv4 address that a carries, or a itself without its
// zone. It knows IPv4-mapped (::ffff:0:0/96), IPv4-translated (::ffff:0:0:0/96),
// IPv4-compatible (::/96), NAT64 (64:ff9b::/96 of RFC 6052 and the last 32 bits
// of 64:ff9b:1::/48 of RFC 8215), 6to4 (2002::/16, RFC 3056), the client of
// Teredo (2001::/32, RFC 4380) and ISATAP (RFC 5214).
func Unwrap(a netip.Addr) netip.Addr {
	var room [embeddedMax]netip.Addr
	if found := embedded(a, &room); len(found) > 0 {
		return found[0]
	}
	return a.WithZone("")
}

// embedded lists every IPv4 address that a may carry, the likeliest first.
// 64:ff9b:1::/48 may be split anywhere RFC 6052 allows, so all splits count.
func embedded(a netip.Addr, room *[embeddedMax]netip.Addr) []netip.Addr {
	out := room[:0]
	if a.Is4In6() {
		return append(out, a.Unmap())
	}
	if !a.Is6() {
		return out
	}
	b := a.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	last := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case hi == 0 && lo>>32 == 0 && lo > 1: // IPv4-compatible, not :: and ::1
		return append(out, last)
	case hi == 0 && lo>>32 == 0xffff_0000: // IPv4-translated
		return append(out, last)
	case hi == 0x0064_ff9b_0000_0000 && lo>>32 == 0:
		return append(out, last)
	case hi>>16 == 0x0064_ff9b_0001:
		return append(out, last, // /96, /48, /56, /64; octet 8 is skipped
			netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}),
			netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}),
			netip.AddrFrom4([4]byte{b[9], b[10], b[11], b[12]}))
	case hi>>48 == 0x2002:
		return append(out, netip.AddrFrom4([4]byte(b[2:6])))
	case hi>>32 == 0x2001_0000: // Teredo: the client is stored inverted, the server plain
		return append(out,
			netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}),
			netip.AddrFrom4([4]byte(b[4:8])))
	case lo>>32&^0x0200_0000 == 0x0000_5efe: // ISATAP, either value of the u bit
		return append(out, last)
	}
	return out
}
