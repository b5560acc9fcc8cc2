// Package htu compares the URL that a proof of possession is for with the one
// that is called (RFC 9449).
package htu

import (
	"net/url"
	"strings"
)

// Same compares the htu of a proof with the URL of the call, without query
// and fragment (RFC 9449 section 4.3, RFC 3986 section 6.2).
func Same(htu, want string) bool {
	u, err := url.Parse(htu)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	w, err := url.Parse(want)
	if err != nil {
		return false
	}
	path := func(u *url.URL) string {
		if p := u.EscapedPath(); p != "" {
			return p
		}
		return "/"
	}
	return strings.EqualFold(u.Scheme, w.Scheme) && hostPort(u) == hostPort(w) && path(u) == path(w)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if strings.EqualFold(u.Scheme, "http") {
			port = "80"
		}
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
