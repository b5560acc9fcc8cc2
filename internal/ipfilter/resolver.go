package ipfilter

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Resolver finds out who the client behind trusted proxies is. It is immutable
// and safe for concurrent use.
type Resolver struct {
	trusted       *Prefixes
	xff, standard bool // which headers are read
}

// NewResolver compiles the trusted proxies of c.
func NewResolver(c Config) (*Resolver, error) {
	if err := validHeader(c.ForwardedHeader); err != nil {
		return nil, err
	}
	trusted, err := ParsePrefixes(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies%w", err)
	}
	return &Resolver{
		trusted:  trusted,
		xff:      c.ForwardedHeader != headerForwarded,
		standard: c.ForwardedHeader != headerXFF,
	}, nil
}

// Client is what is known of where a request comes from.
type Client struct {
	Addr   netip.Addr // unmapped, without zone; zero if not known
	Secure bool       // arrived over TLS, here or at a trusted proxy
}

// Resolve returns the client of a request that peer sent. tls says whether
// peer's own connection is TLS.
func (r *Resolver) Resolve(peer netip.Addr, tls bool, h http.Header) Client {
	peer = clean(peer)
	direct := Client{Addr: peer, Secure: tls}
	if !r.trusted.Contains(peer) {
		return direct
	}
	var xff, std hops
	if r.xff {
		xff = r.readXFF(h["X-Forwarded-For"])
	}
	if r.standard {
		std = r.readForwarded(h["Forwarded"])
	}
	out := direct
	switch {
	case xff.found && std.found && xff.client != std.client:
		out.Addr = netip.Addr{}
	case std.found:
		out.Addr = std.client
	case xff.found:
		out.Addr = xff.client
	}
	proto := std.proto
	if r.xff {
		proto = proto.and(readProto(h["X-Forwarded-Proto"]))
	}
	if proto != protoSilent {
		out.Secure = proto == protoHTTPS
	}
	return out
}

// Trusts reports whether peer is a trusted proxy.
func (r *Resolver) Trusts(peer netip.Addr) bool { return r.trusted.Contains(clean(peer)) }

// hops is what the headers of the trusted hops say.
type hops struct {
	client netip.Addr // zero if unreadable
	proto  proto
	found  bool // there was an entry at all
}

// proto is what is said of the client's connection.
type proto uint8

const (
	protoSilent proto = iota
	protoHTTPS
	protoOther // anything else, or contradicting words
)

func (p proto) and(q proto) proto {
	if p == protoSilent || p == q {
		return q
	}
	if q == protoSilent {
		return p
	}
	return protoOther
}

// readXFF walks X-Forwarded-For from right to left.
func (r *Resolver) readXFF(lines []string) hops {
	var out hops
	for i := len(lines) - 1; i >= 0; i-- {
		rest, more := lines[i], true
		for more {
			var entry string
			entry, rest, more = cutLast(rest)
			if entry == "" {
				continue // an empty list element says nothing (RFC 9110 5.6.1)
			}
			out.found = true
			out.client = parseNode(entry)
			if !r.trusted.Contains(out.client) {
				return out
			}
		}
	}
	return out
}

// cutLast splits off what follows the last comma of list.
func cutLast(list string) (entry, rest string, more bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return strings.Trim(list[i+1:], " \t"), list[:i], true
	}
	return strings.Trim(list, " \t"), "", false
}

// readProto wants every word of X-Forwarded-Proto to be "https". A proxy that
// appends to what the client sent so cannot be talked over.
func readProto(lines []string) proto {
	var out proto
	for _, line := range lines {
		more := true
		for more {
			var word string
			word, line, more = cutLast(line)
			out = out.and(protoOf(word))
		}
	}
	return out
}

func protoOf(word string) proto {
	if strings.EqualFold(word, "https") || strings.EqualFold(word, "wss") {
		return protoHTTPS
	}
	return protoOther
}

// parseNode reads an address with an optional port: 192.0.2.1, 192.0.2.1:80,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. It returns the zero Addr for
// anything else.
func parseNode(s string) netip.Addr {
	host := s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 || !validPort(s[end+1:]) || !strings.Contains(s[:end], ":") {
			return netip.Addr{}
		}
		host = s[1:end]
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.LastIndexByte(s, ':') == i {
		if !validPort(s[i:]) {
			return netip.Addr{}
		}
		host = s[:i]
	}
	if len(host) > 64 { // longer than any address with a zone; errors of ParseAddr copy it
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return clean(a)
}

// validPort accepts "" and ":" with one to five digits, or an obfuscated port
// of RFC 7239 (":_abc").
func validPort(s string) bool {
	if s == "" {
		return true
	}
	if len(s) < 2 || s[0] != ':' {
		return false
	}
	if s[1] == '_' {
		return len(s) > 2 && strings.Trim(s[2:], obfuscated) == ""
	}
	return len(s) <= 6 && strings.Trim(s[1:], "0123456789") == ""
}

const obfuscated = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
