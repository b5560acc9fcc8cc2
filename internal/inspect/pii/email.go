package pii

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

const (
	maxLocal  = 64
	maxDomain = 253
)

func localByte(c byte) bool {
	return wordByte(c) || c == '.' || c == '+' || c == '-' || c == '%' || c == '\'' || c >= 0x80
}

// email finds an address around the "@" at i.
func email(s []byte, i, from int) (finding.Finding, bool) {
	none := finding.Finding{}
	start := i
	for start > from && i-start <= maxLocal && localByte(s[start-1]) {
		start--
	}
	for start < i && (s[start] == '.' || s[start] == '\'' || s[start] == '-' || s[start] == '+' || s[start] == '%') {
		start++
	}
	if start == i || i-start > maxLocal || s[i-1] == '.' {
		return none, false
	}
	// "user:password@host" of a URL is a credential, no address.
	if at(s, start-1) == ':' && !mailto(s[:start]) || at(s, start-1) == '/' && at(s, start-2) == '/' {
		return none, false
	}
	end, label, lastDot := i+1, 0, -1
	for end < len(s) && end-i <= maxDomain {
		c := s[end]
		if c == '.' && label > 0 && end+1 < len(s) && (wordByte(s[end+1]) && s[end+1] != '_' || s[end+1] >= 0x80) {
			lastDot, label = end, 0
		} else if digit(c) || letter(c) || c == '-' || c >= 0x80 {
			label++
		} else {
			break
		}
		end++
	}
	for end > i && s[end-1] == '-' {
		end--
	}
	if lastDot < 0 || end-lastDot < 3 || !letter(s[lastDot+1]) && s[lastDot+1] < 0x80 {
		return none, false
	}
	domain, top := s[i+1:end], s[lastDot+1:end]
	for _, c := range top {
		if digit(c) && !hasFold(top, "xn--") {
			return none, false
		}
	}
	score := uint8(sure)
	switch {
	case isFile(top), at(s, end) == '(':
		return none, false // "icon@2x.png", "pkg@v.call()"
	case reserved(domain), robot(s[start:i]):
		score = low
	}
	if hasFold(s[start:], "git@") && (at(s, end) == ':' || at(s, end) == '/') {
		return none, false // a remote of git
	}
	return finding.Finding{Start: start, End: end, Kind: KindEmail, Score: score}, true
}

func mailto(s []byte) bool {
	const word = "mailto:"
	return len(s) >= len(word) && hasFold(s[len(s)-len(word):], word) || !endsScheme(s)
}

// endsScheme reports whether the ":" at the end of s parts a user name from a
// password: "//" stands before it in the same word.
func endsScheme(s []byte) bool {
	for k := len(s) - 2; k > 0 && len(s)-k < 80 && s[k] > ' '; k-- {
		if s[k] == '/' && s[k-1] == '/' {
			return true
		}
	}
	return false
}

func isFile(top []byte) bool {
	for _, ext := range [...]string{"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "ts", "tsx", "jsx", "json", "html", "service", "target", "timer", "socket", "tgz", "zip", "map"} {
		if len(top) == len(ext) && hasFold(top, ext) {
			return true
		}
	}
	return false
}

// reserved domains belong to nobody (RFC 2606).
func reserved(domain []byte) bool {
	for _, d := range [...]string{"example.com", "example.org", "example.net", "example.edu", ".example", ".test", ".invalid", ".localhost", "domain.com", "yourdomain.com", "noreply.github.com"} {
		if len(domain) >= len(d) && hasFold(domain[len(domain)-len(d):], d) && (d[0] == '.' || len(domain) == len(d) || domain[len(domain)-len(d)-1] == '.') {
			return true
		}
	}
	return false
}

// robot reports addresses that are no person's.
func robot(local []byte) bool {
	for _, name := range [...]string{"noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon"} {
		if hasFold(local, name) {
			return true
		}
	}
	return false
}

// hasFold reports whether s begins with p, which is in lower case.
func hasFold(s []byte, p string) bool {
	return len(s) >= len(p) && strings.EqualFold(string(s[:len(p)]), p) // the conversion is not allocated
}
