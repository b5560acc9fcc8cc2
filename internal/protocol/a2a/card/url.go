package card

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// address reads where an interface is: a URL, or for gRPC host and port.
func (r *reader) address(v value, binding string) string {
	s := r.filled(v, urlText)
	if r.err != nil {
		return ""
	}
	if binding == GRPC && !strings.Contains(s, "://") {
		if host, port, err := net.SplitHostPort(s); err != nil || !isHost(host) || !isPort(port) {
			r.fail(v.path, "not a host and port")
		}
		return s
	}
	schemes := "https"
	switch binding {
	case JSONRPC, HTTPJSON:
	case GRPC:
		schemes = "https grpcs"
	default:
		schemes = "https wss"
	}
	r.url(v, s, schemes, r.plain)
	return s
}

// secure reads a URL that credentials are sent to, if it is there.
func (r *reader) secure(v value) string {
	s := r.text(v, urlText)
	if s != "" {
		r.url(v, s, "https", false)
	}
	return s
}

// link reads a URL that people follow, if it is there and says something.
func (r *reader) link(v value) string {
	s := r.text(v, urlText)
	if s != "" {
		r.url(v, s, "https", true)
	}
	return s
}

// url checks an absolute URL of one of the schemes. Without TLS it must be of
// this machine, unless plain.
func (r *reader) url(v value, s, schemes string, plain bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil || !visible(s):
		r.fail(v.path, "not a URL")
	case u.User != nil:
		r.fail(v.path, "holds a name or password")
	case u.Fragment != "" || strings.Contains(s, "#"):
		r.fail(v.path, "has a fragment")
	case u.Opaque != "" || !isHost(u.Hostname()) || u.Port() != "" && !isPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		r.fail(v.path, "has no host, or one that no host is called")
	case contains(schemes, u.Scheme):
	case !contains(schemes, u.Scheme+"s"):
		r.fail(v.path, "not of a scheme that is taken here")
	case !plain && !Loopback(u.Hostname()):
		r.fail(v.path, "not over TLS")
	}
}

func contains(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// visible refuses what stands in no URL and what some readers take for a
// slash.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// isHost accepts names and addresses.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return !strings.Contains(s, "%")
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// Loopback reports whether a host is this machine by its name alone.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
