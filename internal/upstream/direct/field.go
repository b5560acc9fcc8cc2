package direct

import (
	"net/http"
	"net/textproto"
	"strings"
)

// tokenBytes has a bit for each byte of a token (RFC 9110 5.6.2).
const tokenBytes = (1<<10-1)<<'0' | (1<<26-1)<<'a' | (1<<26-1)<<'A' |
	1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' |
	1<<'-' | 1<<'.' | 1<<'^' | 1<<'_' | 1<<'`' | 1<<'|' | 1<<'~'

// isToken reports whether s can be a field name (RFC 9110 5.1).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if uint64(1)<<c&(tokenBytes&(1<<64-1))|uint64(1)<<(c-64)&(tokenBytes>>64) == 0 {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether s can be a field value (RFC 9110 5.5): no
// control characters but the tab.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// trim removes optional white space (RFC 9110 5.6.3) from both ends.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// ownRequestField reports whether name is a field of one connection, or one
// that this package sets itself, so that no caller's value is sent.
func ownRequestField(name string) bool {
	switch name {
	case "Host", "Content-Length", "Accept-Encoding", "Expect":
		return true
	}
	return hopByHop(name)
}

// droppedReplyField reports whether name does not belong to an end-to-end
// reply. Cookies go too: sessions end at the gateway.
func droppedReplyField(name string) bool {
	return name == "Set-Cookie" || name == "Set-Cookie2" || hopByHop(name)
}

// hopByHop lists the canonical names of the fields that concern one connection
// only (RFC 9110 7.6.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// canonical returns the name as http.Header spells it.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// clean removes from h what is not end to end, and what its Connection field
// names.
func clean(h http.Header) {
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			delete(h, canonical(trim(name)))
		}
	}
	for name := range h {
		if droppedReplyField(name) {
			delete(h, name)
		}
	}
}
