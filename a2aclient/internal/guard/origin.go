package guard

import (
	"net/netip"
	"net/url"
	"strings"
)

// maxURL bounds a URL in bytes.
const maxURL = 2048

// Origin is scheme, host and port of a URL, in one spelling.
type Origin struct{ Scheme, Host, Port string }

// String returns the origin as URLs begin.
func (o Origin) String() string {
	host := o.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.Port == "443" && o.Scheme == "https" || o.Port == "80" && o.Scheme == "http" {
		return o.Scheme + "://" + host
	}
	return o.Scheme + "://" + host + ":" + o.Port
}

// ReadURL reads a URL that may be called: https, or http on this machine;
// without credentials, without a fragment. Errors do not repeat the URL, which
// may hold what it should not.
func ReadURL(text string) (*url.URL, Origin, error) {
	if len(text) > maxURL {
		return nil, Origin{}, Faultf(ErrURL, "it is longer than %d bytes", maxURL)
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return nil, Origin{}, Faultf(ErrURL, "it holds a character that no URL has")
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, Origin{}, Faultf(ErrURL, "it cannot be read")
	case u.User != nil:
		return nil, Origin{}, Faultf(ErrURL, "it holds a name or password: credentials do not belong into URLs")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, Origin{}, Faultf(ErrURL, "want https://…")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, Origin{}, Faultf(ErrURL, "it names no host")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, Origin{}, Faultf(ErrURL, "it has a fragment")
	}
	o := originOf(u)
	if o.Scheme == "http" && !isLoopback(o.Host) {
		return nil, Origin{}, Faultf(ErrURL, "want https://…: http is for agents on this machine only")
	}
	return u, o, nil
}

// originOf returns the origin of a URL that was read.
func originOf(u *url.URL) Origin {
	o := Origin{Scheme: strings.ToLower(u.Scheme), Host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), Port: u.Port()}
	if o.Port == "" {
		o.Port = "80"
		if o.Scheme == "https" {
			o.Port = "443"
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

// CheckID refuses an id that could mean another place when it becomes part of a
// path: what agents give is letters, digits and a few marks.
func CheckID(what, id string) error {
	const longest = 256
	switch {
	case id == "":
		return Faultf(ErrID, "%s: it is empty", what)
	case len(id) > longest:
		return Faultf(ErrID, "%s: it is longer than %d bytes", what, longest)
	case id == "." || strings.Contains(id, ".."):
		return Faultf(ErrID, `%s: it holds ".."`, what)
	}
	for _, c := range []byte(id) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~@+=:", c) >= 0 {
			continue
		}
		return Faultf(ErrID, "%s: it holds a character that is no letter, no digit and none of -._~@+=:", what)
	}
	return nil
}
