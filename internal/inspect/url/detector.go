package url

import (
	"bytes"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/protocol/percent"
)

// Kinds that the detector reports.
const (
	KindCredential   = "url.credential"
	KindExfiltration = "url.exfiltration"
)

const (
	sure   = 95
	likely = 80
	low    = 30

	maxURL   = 8 << 10
	maxValue = 2 << 10
	maxName  = 96
	maxDepth = 3
)

// Detector finds credentials in URLs, and links that carry data out.
type Detector struct {
	names *Names
	hosts []string // nil: no list, only links that carry data are reported
}

// New returns the detector. Hosts are those that links and images may name,
// each with the hosts below it; without any, only those are reported that
// carry data.
func New(names *Names, hosts []string) *Detector {
	d := &Detector{names: names}
	for _, h := range hosts {
		d.hosts = append(d.hosts, strings.ToLower(strings.Trim(strings.TrimPrefix(h, "*."), ".")))
	}
	return d
}

// Name returns "url".
func (*Detector) Name() string { return "url" }

// Kinds returns every kind that Find reports.
func (*Detector) Kinds() []string { return []string{KindCredential, KindExfiltration} }

// Hint asks for a slash.
func (*Detector) Hint() finding.Hint { return finding.Hint{MinLen: 8, Bytes: "/"} }

// Find appends the values of credentials, and whole URLs that carry data out.
func (d *Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	for i := 0; i < len(s); {
		k := bytes.Index(s[i:], []byte("//"))
		if k < 0 {
			break
		}
		at := i + k
		u, ok := extent(s, at, i)
		if !ok {
			i = at + 2
			continue
		}
		before := len(dst)
		dst = d.credentials(dst, s, u)
		if f, out := d.exfiltrates(s, u); out && (f.Score == sure || len(dst) == before) {
			// What goes as a whole needs no findings inside.
			dst = append(dst[:before], f)
		}
		i = u.end
	}
	return dst
}

// span is the place of a URL and its parts in a text.
type span struct {
	start, end        int
	auth              int // begin of the authority
	path, query, frag int // begin of each, end of the URL if there is none
	http              bool
}

// extent finds the URL around the "//" at i.
func extent(s []byte, i, from int) (span, bool) {
	u := span{start: i, auth: i + 2}
	if i > from && s[i-1] == ':' {
		k := i - 1
		for k > from && i-k < 20 && (letterOrDigit(s[k-1]) || s[k-1] == '+' || s[k-1] == '-') {
			k--
		}
		scheme := s[k : i-1]
		u.start = k
		u.http = hasFold(scheme, "http") || hasFold(scheme, "ws") || hasFold(scheme, "ftp")
		if len(scheme) < 2 {
			return u, false
		}
	} else if i > from && s[i-1] != '(' && s[i-1] != '"' && s[i-1] != '\'' && s[i-1] != '=' {
		return u, false // a comment or a path
	} else {
		u.http = true
	}
	end := u.auth
	for end < len(s) && end-u.start < maxURL && !endsURL(s[end]) {
		end++
	}
	for end > u.auth && (s[end-1] == '.' || s[end-1] == ',' || s[end-1] == ';' || s[end-1] == ':' || s[end-1] == '!' || s[end-1] == '?' || s[end-1] == '*') {
		end--
	}
	if open := u.start > 0 && s[u.start-1] == '('; open {
		if k := bytes.IndexByte(s[u.start:end], ')'); k >= 0 {
			end = u.start + k
		}
	}
	if end-u.auth < 3 {
		return u, false
	}
	u.end, u.path, u.query, u.frag = end, end, end, end
	for k := u.auth; k < end; k++ {
		switch c := s[k]; {
		case c == '#' && u.frag == end:
			u.frag = k
			u.query = min(u.query, k)
			u.path = min(u.path, k)
		case c == '?' && u.query == end && u.frag == end:
			u.query = k
			u.path = min(u.path, k)
		case (c == '/' || c == '\\') && u.path == end:
			u.path = k
		}
	}
	return u, true
}

func endsURL(c byte) bool {
	switch c {
	case '"', '\'', '`', '<', '>', '|', '^', '{', '}':
		return true
	}
	return c <= ' ' || c == 0x7f
}

func letterOrDigit(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

func hasFold(s []byte, p string) bool {
	return len(s) >= len(p) && strings.EqualFold(string(s[:len(p)]), p)
}

// credentials appends the places of secret values of the URL.
func (d *Detector) credentials(dst []finding.Finding, s []byte, u span) []finding.Finding {
	if u.http {
		if at := bytes.LastIndexByte(s[u.auth:u.path], '@'); at > 0 {
			user := s[u.auth : u.auth+at]
			if colon := bytes.IndexByte(user, ':'); colon >= 0 && colon+1 < len(user) && !standIn(user[colon+1:]) {
				dst = append(dst, finding.Finding{Start: u.auth + colon + 1, End: u.auth + at, Kind: KindCredential, Score: sure})
			} else if colon < 0 && len(user) >= MinRandom && looksRandom(user) {
				dst = append(dst, finding.Finding{Start: u.auth, End: u.auth + at, Kind: KindCredential, Score: likely})
			}
		}
	}
	dst = d.segments(dst, s, u.path, min(u.query, u.frag))
	if u.query < u.frag {
		dst = d.params(dst, s, u.query+1, u.frag, 0)
	}
	if u.frag < u.end {
		dst = d.params(dst, s, u.frag+1, u.end, 0)
	}
	return dst
}

// segments looks at the path: matrix parameters, and what follows "token".
func (d *Detector) segments(dst []finding.Finding, s []byte, from, end int) []finding.Finding {
	prevStart, prevEnd := from, from
	for k := from; k < end; {
		next := k
		for next < end && s[next] != '/' {
			next++
		}
		seg := s[k:next]
		if semi := bytes.IndexByte(seg, ';'); semi >= 0 {
			dst = d.params(dst, s, k+semi+1, next, 0)
		} else if len(seg) >= 16 && d.after(s[prevStart:prevEnd]) && looksRandom(seg) && !standIn(seg) {
			dst = append(dst, finding.Finding{Start: k, End: next, Kind: KindCredential, Score: likely})
		}
		if next > k {
			prevStart, prevEnd = k, next
		}
		k = next + 1
	}
	return dst
}

// after reports whether a segment announces a credential in the next one.
func (d *Detector) after(prev []byte) bool {
	switch len(prev) {
	case 5, 6, 10, 14, 15:
	default:
		if len(prev) < 3 || len(prev) > 24 {
			return false
		}
	}
	for _, w := range [...]string{"reset", "verify", "confirm", "reset-password", "password-reset", "magic", "invite", "unsubscribe", "activate", "token", "secret", "apikey", "api-key", "access-token", "magic-link"} {
		if len(prev) == len(w) && hasFold(prev, w) {
			return true
		}
	}
	return false
}

// params looks at "name=value" between "&" and ";".
func (d *Detector) params(dst []finding.Finding, s []byte, from, end, depth int) []finding.Finding {
	for k := from; k < end; {
		next := k
		for next < end && s[next] != '&' && s[next] != ';' && (s[next] != '?' && s[next] != '#') {
			next++
		}
		eq := bytes.IndexByte(s[k:next], '=')
		if eq > 0 && k+eq+1 < next {
			dst = d.pair(dst, s, k, k+eq, next, depth)
		} else if eq < 0 && next-k > 8 {
			dst = d.encodedPair(dst, s, k, next, depth)
		}
		k = next + 1
	}
	return dst
}

// pair judges the parameter whose name is s[k:eq] and whose value ends at end.
func (d *Detector) pair(dst []finding.Finding, s []byte, k, eq, end, depth int) []finding.Finding {
	var buf [maxName]byte
	name := s[k:eq]
	value := s[eq+1 : end]
	folded, ok := foldName(&buf, name)
	if ok {
		ok = d.names.knownBytes(folded)
	} else if bytes.ContainsAny(name, "[]. ") || len(name) <= maxName {
		ok = d.names.Sensitive(string(name))
		folded = nil
	}
	if ok {
		if score := d.worth(folded, value); score > 0 {
			return append(dst, finding.Finding{Start: eq + 1, End: end, Kind: KindCredential, Score: score})
		}
		return dst
	}
	return d.nested(dst, s, eq+1, end, depth)
}

// encodedPair judges "token%3Dx", an assignment that is itself encoded.
func (d *Detector) encodedPair(dst []finding.Finding, s []byte, k, end, depth int) []finding.Finding {
	at := bytes.Index(s[k:end], []byte("%3D"))
	if at < 0 {
		at = bytes.Index(s[k:end], []byte("%3d"))
	}
	if at <= 0 || k+at+3 >= end {
		return dst
	}
	var buf [maxName]byte
	if folded, ok := foldName(&buf, s[k:k+at]); ok && d.names.knownBytes(folded) && d.worth(folded, s[k+at+3:end]) > 0 {
		return append(dst, finding.Finding{Start: k + at + 3, End: end, Kind: KindCredential, Score: likely})
	}
	return d.nested(dst, s, k, end, depth)
}

// nested looks into a value that is a URL of its own, encoded or not. What is
// encoded is reported whole: its bytes cannot be told apart by place.
func (d *Detector) nested(dst []finding.Finding, s []byte, from, end, depth int) []finding.Finding {
	value := s[from:end]
	if depth >= maxDepth || len(value) < 12 {
		return dst
	}
	if at := bytes.Index(value, []byte("://")); at > 0 {
		if q := bytes.IndexAny(value, "?#"); q >= 0 {
			return d.params(dst, s, from+q+1, end, depth+1)
		}
		return dst
	}
	encoded := bytes.Contains(value, []byte("%3A%2F%2F")) || bytes.Contains(value, []byte("%3a%2f%2f")) || bytes.Contains(value, []byte("%253A"))
	if !encoded || len(value) > maxValue {
		return dst
	}
	var buf [maxValue]byte
	plain := decode(buf[:0], value)
	for range 2 {
		plain = decode(plain[:0], plain)
	}
	at := bytes.Index(plain, []byte("://"))
	if at < 0 {
		return dst
	}
	before := len(dst)
	if u, ok := extent(plain, at+1, 0); ok {
		dst = d.credentials(dst, plain, u)
	}
	if len(dst) == before {
		return dst
	}
	best := dst[before].Score
	return append(dst[:before], finding.Finding{Start: from, End: end, Kind: KindCredential, Score: best})
}

// decode appends s without its percent-encoding. dst may be the begin of s.
func decode(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := percent.Hex(s[i+1]), percent.Hex(s[i+2]); hi >= 0 && lo >= 0 {
				dst = append(dst, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		dst = append(dst, s[i])
	}
	return dst
}

// foldName brings a name of ASCII to the form of [Fold] without allocating. It
// reports false for a name that needs more than that.
func foldName(buf *[maxName]byte, name []byte) ([]byte, bool) {
	if len(name) > maxName {
		return nil, false
	}
	var raw [maxName]byte
	plain := append(raw[:0], name...)
	for range 3 {
		n := len(plain)
		if plain = decode(plain[:0], plain); len(plain) == n {
			break
		}
	}
	n := 0
	for _, c := range plain {
		switch {
		case c >= 'A' && c <= 'Z':
			buf[n] = c | 0x20
			n++
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			buf[n] = c
			n++
		case c == '-' || c == '_' || c == '+' || c <= ' ':
		default:
			return nil, false
		}
	}
	return buf[:n], true
}

// knownBytes is known for a folded name, without allocating.
func (s *Names) knownBytes(n []byte) bool {
	if len(n) == 0 {
		return false
	}
	if _, ok := s.exact[string(n)]; ok {
		return true
	}
	for _, suffix := range s.suffixes {
		if len(n) >= len(suffix) && string(n[len(n)-len(suffix):]) == suffix {
			return true
		}
	}
	for _, prefix := range s.prefixes {
		if len(n) >= len(prefix) && string(n[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// vague names are credentials in one protocol and everyday words elsewhere:
// their values must look the part.
func vague(name []byte) bool {
	switch string(name) {
	case "code", "state", "hash", "key", "salt", "nonce", "policy", "checksum", "digest", "auth", "session", "ticket",
		"pin", "pass", "sid", "cookie", "magic", "webhook", "bearer", "assertion", "jwt", "csrf", "xsrf", "otp", "sas", "secret":
		return true
	case "xamzdate", "xamzexpires", "xamzalgorithm", "xamzsignedheaders", "xgoogdate", "xgoogexpires", "xgoogalgorithm",
		"xgoogsignedheaders", "xamztarget", "xamzversionid", "xmsversion":
		return true
	}
	return false
}

// worth scores the value of a parameter with a telling name.
func (d *Detector) worth(name, value []byte) uint8 {
	if standIn(value) {
		return 0
	}
	if name != nil && vague(name) {
		if hasFold(name, "xamz") || hasFold(name, "xgoog") || hasFold(name, "xms") {
			return 0
		}
		if len(value) < 8 || !looksRandom(value) {
			return low
		}
		return likely
	}
	return sure
}

// standIn reports a value that hides nothing: empty, a placeholder, masked.
func standIn(v []byte) bool {
	if len(v) == 0 || v[0] == '{' || v[0] == '<' || v[0] == '$' || v[0] == '*' || v[0] == '[' || v[0] == ':' {
		return true
	}
	for _, p := range [...]string{"REDACTED", "your", "xxx", "example", "placeholder", "%7B", "%3C", "%24", "%5B", "hidden", "changeme", "null", "none", "undefined", "true", "false", "password"} {
		if hasFold(v, p) {
			return true
		}
	}
	return bytes.Contains(v, []byte("...")) || bytes.Contains(v, []byte("***"))
}

// looksRandom reports letters and digits together, or a long run of mixed case.
func looksRandom(v []byte) bool {
	var digits, letters, upper, changes int
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
		if prev != 0 && k != 0 && k != prev {
			changes++
		}
		prev = k
	}
	return digits > 0 && letters > 0 && changes >= 2 || len(v) >= 20 && upper > 3 && upper < letters-3 && changes*4 >= len(v)
}

// Mask appends what stands for a credential or a link that was taken out.
func (d *Detector) Mask(dst []byte, kind string, _ []byte) []byte {
	if kind == KindExfiltration {
		return append(dst, "about:blank"...)
	}
	return append(dst, Redacted...)
}
