package enrich

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Bounds of a list of Tor exits.
const (
	maxList  = 4 << 20 // bytes
	maxExits = 1 << 17
)

// exits are the addresses of Tor exits. Nobody writes into it once it is read.
type exits map[netip.Addr]struct{}

// parseExits reads a list in the forms that the Tor project publishes: one
// address a line, or lines "ExitAddress ADDRESS DATE TIME" among others that
// say more of the same node. A line of any other form is an error, so that a
// page that says "try again later" is never taken for a list, and so is a list
// without an address.
func parseExits(text []byte) (exits, error) {
	if len(text) > maxList {
		return nil, fmt.Errorf("list of Tor exits: more than %d bytes", maxList)
	}
	out := exits{}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		s := strings.TrimSpace(string(line))
		if s == "" || s[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(s, " ")
		switch word {
		case "ExitNode", "Published", "LastStatus":
			continue
		case "ExitAddress":
			word, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		default:
			word = s
		}
		addr, err := netip.ParseAddr(word)
		if err != nil || addr.Zone() != "" {
			return nil, fmt.Errorf("list of Tor exits: line %d: want an address", n)
		}
		if out[addr.Unmap()] = struct{}{}; len(out) > maxExits {
			return nil, fmt.Errorf("list of Tor exits: more than %d addresses", maxExits)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("list of Tor exits: it names no address")
	}
	return out, nil
}
