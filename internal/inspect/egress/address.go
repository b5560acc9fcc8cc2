package egress

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// mapRune is the ASCII that resolvers make of a character, or "?" for a letter
// of another script.
func mapRune(r rune) string {
	switch r {
	case '。', '．', '｡':
		return "."
	case 0x00ad, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff:
		return ""
	}
	const ascii = "0123456789abcdefghijklmnopqrstuvwxyz-.:[]"
	var buf [utf8.UTFMax]byte
	n := utf8.EncodeRune(buf[:], r)
	d := norm.NFKD.Properties(buf[:n]).Decomposition()
	if len(d) == 1 {
		c := d[0]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		for k := 0; k < len(ascii); k++ {
			if ascii[k] == c {
				return ascii[k : k+1]
			}
		}
	}
	return "?"
}

// ipv4 reads an address as inet_aton does: one to four numbers, each decimal,
// octal or hexadecimal, the last of which fills what is left.
func ipv4(h []byte) (uint32, bool) {
	var parts [4]uint64
	n := 0
	for rest, more := h, true; more; {
		var p []byte
		p, rest, more = bytes.Cut(rest, []byte("."))
		if n == 4 {
			return 0, false
		}
		v, ok := number(p)
		if !ok {
			return 0, false
		}
		parts[n] = v
		n++
	}
	var a uint64
	for k := range n - 1 {
		if parts[k] > 255 {
			return 0, false
		}
		a |= parts[k] << (24 - 8*k)
	}
	if last := parts[n-1]; last >= 1<<(8*(5-n)) {
		return 0, false
	}
	return uint32(a | parts[n-1]), true
}

func number(p []byte) (uint64, bool) {
	radix := uint64(10)
	switch {
	case len(p) > 1 && p[0] == '0' && p[1] == 'x':
		radix, p = 16, p[2:]
		if len(p) == 0 {
			return 0, true
		}
	case len(p) > 1 && p[0] == '0':
		radix, p = 8, p[1:]
	}
	if len(p) == 0 || len(p) > 40 {
		return 0, false
	}
	v := uint64(0)
	for _, c := range p {
		d := hex(c)
		if d < 0 || uint64(d) >= radix {
			return 0, false
		}
		if v = v*radix + uint64(d); v > 1<<32 {
			return 0, false
		}
	}
	return v, true
}

// place says where an IPv4 address is.
func place(a uint32) (kind string, score uint8) {
	switch a {
	case 0xa9fea9fe, 0xa9feaa02, 0x646464c8, 0xc00000c0, 0xa83f8110, 0xa9fea9fd, 0xa9fe0001:
		return KindMetadata, sure // 169.254.169.254, .170.2, 100.100.100.200, 192.0.0.192, 168.63.129.16
	}
	switch {
	case a>>24 == 0, a>>24 == 10, a>>24 == 127, a>>20 == 0xac1, a>>16 == 0xc0a8, a>>16 == 0xa9fe,
		a>>22 == 100<<2|1, a>>8 == 192<<16, a>>17 == (198<<8|18)>>1, a>>28 >= 14:
		return KindPrivate, sure
	}
	return "", 0
}

// ipv6 judges an address with or without a zone.
func (d *Detector) ipv6(h []byte) (kind string, score uint8) {
	if k := bytes.IndexByte(h, '%'); k >= 0 {
		h = h[:k]
	}
	g, ok := groups(h)
	if !ok {
		return "", 0
	}
	tail := uint32(g[6])<<16 | uint32(g[7])
	zero := func(n int) bool {
		for _, v := range g[:n] {
			if v != 0 {
				return false
			}
		}
		return true
	}
	switch {
	case g[0] == 0xfd00 && g[1] == 0xec2 && g[7] == 0x254:
		return KindMetadata, sure
	case zero(5) && g[5] == 0xffff, zero(6) && tail > 1, g[0] == 0x64 && g[1] == 0xff9b, zero(4) && g[4] == 0xffff && g[5] == 0:
		return place(tail)
	case g[0] == 0x2002:
		return place(uint32(g[1])<<16 | uint32(g[2]))
	case zero(6), g[0]&0xfe00 == 0xfc00, g[0]&0xffc0 == 0xfe80, g[0]&0xffc0 == 0xfec0, g[0]>>8 == 0xff:
		return KindPrivate, sure
	}
	return "", 0
}

// groups reads the eight groups of an IPv6 address, the last two of which may
// be written as an IPv4 address.
func groups(h []byte) (g [8]uint16, ok bool) {
	n, gap := 0, -1
	if bytes.HasPrefix(h, []byte("::")) {
		gap, h = 0, h[2:]
	}
	for len(h) > 0 {
		if n == 8 {
			return g, false
		}
		p, rest, more := bytes.Cut(h, []byte(":"))
		if bytes.IndexByte(p, '.') >= 0 {
			a, is := ipv4(p)
			if !is || more || n > 6 {
				return g, false
			}
			g[n], g[n+1] = uint16(a>>16), uint16(a)
			n += 2
			break
		}
		if len(p) == 0 || len(p) > 4 {
			return g, false
		}
		for _, c := range p {
			d := hex(c)
			if d < 0 {
				return g, false
			}
			g[n] = g[n]<<4 | uint16(d)
		}
		n++
		h = rest
		if more && len(h) > 0 && h[0] == ':' {
			if gap >= 0 {
				return g, false
			}
			gap, h = n, h[1:]
		}
	}
	if gap < 0 {
		return g, n == 8
	}
	if n == 8 {
		return g, false
	}
	moved := n - gap
	for k := range moved {
		g[7-k], g[n-1-k] = g[n-1-k], 0
	}
	return g, true
}

// insideNames end names that resolve only inside a network, or to an address
// that is written in them.
var insideNames = [...]string{
	".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home", ".corp", ".private", ".home.arpa",
	".svc", ".cluster.local", ".consul",
}

// echoNames resolve to the address that stands before them, or to loopback.
var echoNames = [...]string{".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com", ".traefik.me", ".1u.ms"}

// name judges a host name.
func name(h []byte, schemed bool) (kind string, score uint8) {
	switch string(h) {
	case "metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal",
		"metadata.packet.net", "metadata.tencentyun.com", "metadata.platformequinix.com":
		if string(h) == "metadata" && !schemed {
			return "", 0
		}
		return KindMetadata, sure
	case "localhost", "localhost6", "ip6-localhost", "ip6-loopback", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"host.docker.internal", "gateway.docker.internal", "host.containers.internal", "localtest.me", "lvh.me", "vcap.me":
		if string(h) == "kubernetes" && !schemed {
			return "", 0
		}
		return KindPrivate, sure
	}
	for _, e := range echoNames {
		if bytes.HasSuffix(h, []byte(e)) {
			return echo(h[:len(h)-len(e)], e)
		}
	}
	for _, e := range insideNames {
		if bytes.HasSuffix(h, []byte(e)) && len(h) > len(e) {
			if !schemed && !machine(h) {
				return KindPrivate, low
			}
			return KindPrivate, likely
		}
	}
	if schemed && bytes.IndexByte(h, '.') < 0 && single(h) {
		return KindPrivate, likely
	}
	return "", 0
}

// machine reports what reads as a host rather than as a file or a word.
func machine(h []byte) bool {
	for _, c := range h {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return h[0] != '.' && h[0] != '-'
}

// single reports a name of one label, which only a local resolver knows.
func single(h []byte) bool {
	return machine(h) && len(h) >= 2
}

// echo judges a name that holds an address: 10.0.0.1, app-10-0-0-1, 7f000001.
func echo(h []byte, service string) (kind string, score uint8) {
	switch service {
	case ".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com":
		return KindPrivate, sure
	}
	var parts [4]uint64
	n := 0
	for k := len(h); k > 0 && n < 4; {
		start := k
		for start > 0 && h[start-1] >= '0' && h[start-1] <= '9' {
			start--
		}
		v, ok := decimal(h[start:k])
		if !ok || v > 255 {
			break
		}
		parts[3-n] = v
		n++
		k = start - 1
	}
	if n == 4 {
		return place(uint32(parts[0]<<24 | parts[1]<<16 | parts[2]<<8 | parts[3]))
	}
	last := h[bytes.LastIndexAny(h, ".-")+1:]
	if len(last) == 8 {
		v := uint32(0)
		for _, c := range last {
			d := hex(c)
			if d < 0 {
				return "", 0
			}
			v = v<<4 | uint32(d)
		}
		return place(v)
	}
	return "", 0
}

func decimal(p []byte) (uint64, bool) {
	if len(p) == 0 || len(p) > 3 {
		return 0, false
	}
	v := uint64(0)
	for _, c := range p {
		v = v*10 + uint64(c-'0')
	}
	return v, true
}
