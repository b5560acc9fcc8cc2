package url

import (
	"bytes"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// exfiltrates reports a link that a client follows by itself, or that shows
// more than it names, to a host that is not listed.
func (d *Detector) exfiltrates(s []byte, u span) (finding.Finding, bool) {
	none := finding.Finding{}
	if !u.http {
		return none, false
	}
	how := embedding(s, u.start)
	if how == bare {
		return none, false
	}
	host := hostOf(s[u.auth:u.path])
	if len(host) == 0 || d.listed(host) {
		return none, false
	}
	carries := carriesData(s, u)
	f := finding.Finding{Start: u.start, End: u.end, Kind: KindExfiltration}
	switch {
	case d.hosts != nil && how == image:
		f.Score = sure
	case carries && how == image:
		f.Score = sure
	case carries:
		f.Score = likely
	case d.hosts != nil:
		f.Score = likely
	default:
		return none, false
	}
	return f, true
}

type place uint8

const (
	bare  place = iota
	link        // a reader must follow it
	image       // a client fetches it by itself
)

// embedding says how the URL at i stands in Markdown or HTML.
func embedding(s []byte, i int) place {
	before := s[max(0, i-512):i]
	n := len(before)
	if n >= 1 && before[n-1] == '<' {
		n--
	}
	before = bytes.TrimRight(before[:n], " ")
	n = len(before)
	switch {
	case n >= 2 && before[n-1] == '(' && before[n-2] == ']':
		if opening := bytes.LastIndexByte(before, '['); opening > 0 && before[opening-1] == '!' {
			return image
		}
		return link
	case n >= 2 && before[n-1] == ':' && before[n-2] == ']':
		return image // a definition may serve an image as well as a link
	}
	if n < 5 {
		return bare
	}
	if q := before[n-1]; q == '"' || q == '\'' {
		before = before[:n-1]
	}
	attr := bytes.TrimRight(before, " ")
	if !bytes.HasSuffix(attr, []byte("=")) && !bytes.HasSuffix(attr, []byte("url(")) {
		return bare
	}
	open := bytes.LastIndexByte(attr, '<')
	if bytes.HasSuffix(attr, []byte("url(")) {
		return image
	}
	if open < 0 || bytes.IndexByte(attr[open:], '>') >= 0 {
		return bare
	}
	name := attr[bytes.LastIndexByte(attr, ' ')+1:]
	switch tag := attr[open+1:]; {
	case hasFold(name, "href=") && hasFold(tag, "a "):
		return link
	case hasFold(name, "src"), hasFold(name, "href"), hasFold(name, "background"), hasFold(name, "poster"), hasFold(name, "data="), hasFold(name, "action"):
		return image
	}
	return bare
}

// hostOf returns the host of an authority.
func hostOf(auth []byte) []byte {
	if at := bytes.LastIndexByte(auth, '@'); at >= 0 {
		auth = auth[at+1:]
	}
	if len(auth) > 0 && auth[0] == '[' {
		return auth
	}
	if colon := bytes.IndexByte(auth, ':'); colon >= 0 {
		auth = auth[:colon]
	}
	return bytes.TrimRight(auth, ".")
}

// listed reports whether a host, or one above it, is listed.
func (d *Detector) listed(host []byte) bool {
	for _, h := range d.hosts {
		if len(host) < len(h) || !strings.EqualFold(string(host[len(host)-len(h):]), h) {
			continue
		}
		if len(host) == len(h) || host[len(host)-len(h)-1] == '.' {
			return true
		}
	}
	return false
}

const (
	dataBytes   = 24 // a value this long that is no word says something
	labelBytes  = 24
	queryBytes  = 256
	carryingPct = 3
)

// carriesData reports whether the URL holds more than an address: a long or
// encoded value in the query, the fragment, the path or a label of the host,
// or the name of a value that is sent out.
func carriesData(s []byte, u span) bool {
	if u.query < u.end {
		if u.frag-u.query > queryBytes {
			return true
		}
		for rest := s[u.query+1 : u.end]; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte("&"))
			name, value, ok := bytes.Cut(pair, []byte("="))
			if !ok {
				value = name
			}
			if len(value) >= dataBytes && dense(value) || len(value) >= 12 && (bytes.Count(value, []byte("%20"))+bytes.Count(value, []byte("+"))+bytes.Count(value, []byte("%0A")) >= carryingPct) ||
				len(value) >= 6 && speaks(name) && !standIn(value) || len(value) > 0 && (value[0] == '{' || value[0] == '[' || value[0] == '$' || hasFold(value, "%7B") || hasFold(value, "%5B")) {
				return true
			}
		}
	}
	for rest := s[u.path:min(u.query, u.frag)]; len(rest) > 0; {
		var seg []byte
		seg, rest, _ = bytes.Cut(rest, []byte("/"))
		if seg = trimExt(seg); len(seg) >= 40 && dense(seg) && !IsCommit(string(seg)) && !hexOnly(seg) {
			return true
		}
	}
	for rest := hostOf(s[u.auth:u.path]); len(rest) > 0; {
		var label []byte
		label, rest, _ = bytes.Cut(rest, []byte("."))
		if len(label) >= labelBytes && dense(label) {
			return true
		}
	}
	return false
}

// speaks reports names under which stolen text is sent.
func speaks(name []byte) bool {
	for _, n := range [...]string{"data", "leak", "exfil", "secret", "payload", "stolen", "content", "history", "conversation", "chat", "summary", "context", "prompt", "dump", "msg", "message", "env", "cookie", "token", "apikey", "api_key", "key"} {
		if len(name) == len(n) && hasFold(name, n) {
			return true
		}
	}
	return false
}

func hexOnly(v []byte) bool {
	for _, c := range v {
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' || c == '-') {
			return false
		}
	}
	return true
}

func trimExt(seg []byte) []byte {
	if dot := bytes.LastIndexByte(seg, '.'); dot > 0 && len(seg)-dot <= 6 {
		return seg[:dot]
	}
	return seg
}

// dense reports text without words: base64, hex or percent-encoding.
func dense(v []byte) bool {
	var digits, upper, letters, changes, escapes int
	var prev byte
	for _, c := range v {
		k := class(c)
		switch k {
		case 'd':
			digits++
		case 'u':
			upper++
			letters++
		case 'l':
			letters++
		}
		if c == '%' {
			escapes++
		}
		if prev != 0 && k != 0 && k != prev {
			changes++
		}
		prev = k
	}
	if escapes*6 >= len(v) {
		return true
	}
	return changes*4 >= len(v) && (digits > 0 && letters > 0 || upper > 0 && upper < letters)
}
