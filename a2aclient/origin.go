package a2aclient

import (
	"net/netip"
	"net/url"
	"strings"
)

// maxURL bounds a URL in bytes.
const maxURL = 2048

// origin is scheme, host and port of a URL, in one spelling.
type origin struct{ scheme, host, port string }

func (o origin) String() string {
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port == "443" && o.scheme == "https" || o.port == "80" && o.scheme == "http" {
		return o.scheme + "://" + host
	}
	return o.scheme + "://" + host + ":" + o.port
}

// readURL reads a URL that may be called: https, or http on this machine;
// without credentials, without a fragment. Errors do not repeat the URL, which
// may hold what it should not.
func readURL(text string) (*url.URL, origin, error) {
	if len(text) > maxURL {
		return nil, origin{}, faultf(ErrURL, "it is longer than %d bytes", maxURL)
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return nil, origin{}, faultf(ErrURL, "it holds a character that no URL has")
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, origin{}, faultf(ErrURL, "it cannot be read")
	case u.User != nil:
		return nil, origin{}, faultf(ErrURL, "it holds a name or password: credentials do not belong into URLs")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, origin{}, faultf(ErrURL, "want https://…")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, origin{}, faultf(ErrURL, "it names no host")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, origin{}, faultf(ErrURL, "it has a fragment")
	}
	o := originOf(u)
	if o.scheme == "http" && !isLoopback(o.host) {
		return nil, origin{}, faultf(ErrURL, "want https://…: http is for agents on this machine only")
	}
	return u, o, nil
}

// originOf returns the origin of a URL that was read.
func originOf(u *url.URL) origin {
	o := origin{scheme: strings.ToLower(u.Scheme), host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port: u.Port()}
	if o.port == "" {
		o.port = "80"
		if o.scheme == "https" {
			o.port = "443"
		}
	}
	return o
}

// isLoopback reports whether a host is this machine by its name alone. What
// "localhost" resolves to is checked when it is dialed.
func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// checkID refuses an id that could mean another place when it becomes part of a
// path: what agents give is letters, digits and a few marks.
func checkID(what, id string) error {
	const longest = 256
	switch {
	case id == "":
		return faultf(ErrID, "%s: it is empty", what)
	case len(id) > longest:
		return faultf(ErrID, "%s: it is longer than %d bytes", what, longest)
	case id == "." || strings.Contains(id, ".."):
		return faultf(ErrID, `%s: it holds ".."`, what)
	}
	for _, c := range []byte(id) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~@+=:", c) >= 0 {
			continue
		}
		return faultf(ErrID, "%s: it holds a character that is no letter, no digit and none of -._~@+=:", what)
	}
	return nil
}
