// Package field says what a header field may look like, and which fields
// concern one connection only and so never travel on.
package field

import (
	"net/http"
	"net/textproto"
	"strings"
)

// tokenBytes has a bit for each byte of a token (RFC 9110 5.6.2).
const tokenBytes = (1<<10-1)<<'0' | (1<<26-1)<<'a' | (1<<26-1)<<'A' |
	1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' |
	1<<'-' | 1<<'.' | 1<<'^' | 1<<'_' | 1<<'`' | 1<<'|' | 1<<'~'

// IsToken reports whether s can be a field name (RFC 9110 5.1).
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if uint64(1)<<c&(tokenBytes&(1<<64-1))|uint64(1)<<(c-64)&(tokenBytes>>64) == 0 {
			return false
		}
	}
	return s != ""
}

// IsValue reports whether s can be a field value (RFC 9110 5.5): no
// control characters but the tab.
func IsValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Trim removes optional white space (RFC 9110 5.6.3) from both ends.
func Trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// OfRequest reports whether name is a field of one connection, or one
// that this package sets itself, so that no caller's value is sent.
func OfRequest(name string) bool {
	switch name {
	case "Host", "Content-Length", "Accept-Encoding", "Expect":
		return true
	}
	return HopByHop(name)
}

// Dropped reports whether name does not belong to an end-to-end
// reply. Cookies go too: sessions end at the gateway.
func Dropped(name string) bool {
	return name == "Set-Cookie" || name == "Set-Cookie2" || HopByHop(name)
}

// HopByHop lists the Canonical names of the fields that concern one connection
// only (RFC 9110 7.6.1).
func HopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// Canonical returns the name as http.Header spells it.
func Canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// Clean removes from h what is not end to end, and what its Connection field
// names.
func Clean(h http.Header) {
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			delete(h, Canonical(Trim(name)))
		}
	}
	for name := range h {
		if Dropped(name) {
			delete(h, name)
		}
	}
}
