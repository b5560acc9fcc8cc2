package field

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// AddressRange checks the i-th address or CIDR range of a list.
func AddressRange(name string, i int, s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf(`%s[%d]: %q: want an address or a range such as "10.0.0.0/8"`, name, i, s)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("%s[%d]: %q: has bits set beyond the prefix, want %q", name, i, s, prefix.Masked())
	}
	return nil
}

// IsHost accepts a DNS name or an address, with or without a port.
func IsHost(s string) bool {
	if host, port, err := net.SplitHostPort(s); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		s = host
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || !IsToken(label) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(s) <= 253
}
