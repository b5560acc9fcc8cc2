package ipfilter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Prefixes is a set of addresses given as prefixes. It is immutable and safe
// for concurrent use; a lookup is a binary search and allocates nothing. The
// zero Prefixes holds no address.
type Prefixes struct {
	v4 []span4
	v6 []span6
	n  int
}

type span4 struct{ from, to uint32 }

type u128 struct{ hi, lo uint64 }

type span6 struct{ from, to u128 }

func (a u128) compare(b u128) int {
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}

func (a u128) next() u128 {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a
}

func toU32(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func toU128(a netip.Addr) u128 {
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// ParsePrefixes reads prefixes ("10.0.0.0/8", "2001:db8::/32") and single
// addresses. It refuses zones and host bits beyond the prefix, which are
// likelier a typing error than a wish; IPv4-mapped forms become IPv4. The error
// names the position and the input.
func ParsePrefixes(list []string) (*Prefixes, error) {
	s := &Prefixes{}
	for i, text := range list {
		p, err := parsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("[%d]: %q: %w", i, text, err)
		}
		s.add(p)
	}
	s.merge()
	return s, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf(`want an address or a prefix such as "10.0.0.0/8"`)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(`want an address or a prefix such as "10.0.0.0/8"`)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("prefix of IPv4-mapped addresses is shorter than /96")
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("bits beyond the prefix are set: want %q", p.Masked())
	}
	return p, nil
}

func (s *Prefixes) add(p netip.Prefix) {
	s.n++
	if p.Addr().Is4() {
		from := toU32(p.Addr())
		s.v4 = append(s.v4, span4{from, from | uint32(uint64(1)<<(32-p.Bits())-1)})
		return
	}
	from, to := toU128(p.Addr()), u128{}
	switch host := 128 - p.Bits(); {
	case host >= 64:
		to = u128{from.hi | (uint64(1)<<(host-64) - 1), ^uint64(0)}
	default:
		to = u128{from.hi, from.lo | (uint64(1)<<host - 1)}
	}
	s.v6 = append(s.v6, span6{from, to})
}

// merge sorts the spans and joins those that overlap or touch.
func (s *Prefixes) merge() {
	slices.SortFunc(s.v4, func(a, b span4) int { return cmp.Compare(a.from, b.from) })
	out4 := s.v4[:0]
	for _, x := range s.v4 {
		if n := len(out4); n > 0 && uint64(x.from) <= uint64(out4[n-1].to)+1 {
			out4[n-1].to = max(out4[n-1].to, x.to)
			continue
		}
		out4 = append(out4, x)
	}
	s.v4 = out4
	slices.SortFunc(s.v6, func(a, b span6) int { return a.from.compare(b.from) })
	out6 := s.v6[:0]
	for _, x := range s.v6 {
		if n := len(out6); n > 0 {
			last := &out6[n-1]
			touches := x.from.compare(last.to) <= 0 || x.from == last.to.next()
			if touches {
				if x.to.compare(last.to) > 0 {
					last.to = x.to
				}
				continue
			}
		}
		out6 = append(out6, x)
	}
	s.v6 = out6
}

// Len returns how many prefixes were given.
func (s *Prefixes) Len() int { return s.n }

// Contains reports whether a is in the set. IPv4-mapped addresses are looked
// up as IPv4 and zones are ignored. The zero Addr is in no set.
func (s *Prefixes) Contains(a netip.Addr) bool {
	if a.Is4() || a.Is4In6() {
		return s.contains4(toU32(a.Unmap()))
	}
	return a.IsValid() && s.contains6(toU128(a))
}

func (s *Prefixes) contains4(x uint32) bool {
	lo, hi := 0, len(s.v4)
	for lo < hi { // first span that ends at or after x
		mid := int(uint(lo+hi) >> 1)
		if s.v4[mid].to < x {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s.v4) && s.v4[lo].from <= x
}

func (s *Prefixes) contains6(x u128) bool {
	lo, hi := 0, len(s.v6)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.v6[mid].to.compare(x) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s.v6) && s.v6[lo].from.compare(x) <= 0
}
