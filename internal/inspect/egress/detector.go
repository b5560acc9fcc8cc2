package egress

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Kinds that the detector reports.
const (
	KindPrivate  = "egress.private"
	KindMetadata = "egress.metadata"
)

const (
	sure   = 95
	likely = 80
	low    = 30

	maxHost = 255
)

// Detector finds hosts inside a network. Use [New].
type Detector struct{ allowed []string }

// New returns the detector. Allowed hosts are let pass, as they are written
// here and with any port.
func New(allowed []string) *Detector {
	d := &Detector{}
	for _, h := range allowed {
		d.allowed = append(d.allowed, strings.ToLower(strings.TrimSuffix(h, ".")))
	}
	return d
}

// Name returns "egress".
func (*Detector) Name() string { return "egress" }

// Kinds returns every kind that Find reports.
func (*Detector) Kinds() []string { return []string{KindPrivate, KindMetadata} }

// Hint asks for what stands in every host inside: a dot, a colon, what spells
// either in another way, or one of the few names that need none.
func (*Detector) Hint() finding.Hint {
	return finding.Hint{MinLen: 2, Bytes: ".:%", Beyond: true, Words: []string{"//", "0x", "localhost", "instance-data"}}
}

// Find appends the hosts of s, each with its spelling.
func (d *Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	dst, any := d.urls(dst, s)
	if any || len(s) > maxHost {
		return dst
	}
	start, end := 0, len(s)
	for start < end && s[start] <= ' ' {
		start++
	}
	for end > start && s[end-1] <= ' ' {
		end--
	}
	if f, ok := d.bare(s, start, end); ok {
		dst = append(dst, f)
	}
	return dst
}

// urls looks at what stands behind "//", and behind `\\` and ":" of schemes.
func (d *Detector) urls(dst []finding.Finding, s []byte) ([]finding.Finding, bool) {
	any := false
	colon, double := -1, -1 // the next of each from i on, looked for only when i has passed it
	for i := 0; i < len(s); {
		if colon < i {
			colon = next(s, i, ":")
		}
		if double < i {
			double = next(s, i, "//")
		}
		at := min(colon, double)
		if at == len(s) {
			break
		}
		if colon < double {
			if at+1 == len(s) || s[at+1] != '/' && s[at+1] != '\\' || at-i < 2 || !letter(s[at-1]) || !letterOrDigit(s[at-2]) {
				i = at + 1
				continue
			}
			at++
		}
		begin := at
		for begin < len(s) && (s[begin] == '/' || s[begin] == '\\') {
			begin++
		}
		if at > 0 && s[at-1] != ':' && at > i && !quoteOrSpace(s[at-1]) {
			i = begin // a path with two slashes
			continue
		}
		any = any || at == 0 || s[at-1] == ':'
		end := begin
		for end < len(s) && end-begin < maxHost+64 && !endsHost(s[end]) {
			end++
		}
		if begin == end {
			i = max(begin, at+1)
			continue
		}
		if f, ok := d.authority(s, begin, end, at > 0 && s[at-1] == ':'); ok {
			dst = append(dst, f)
		}
		i = end
	}
	return dst, any
}

// next returns where a mark stands from i on, the length of s if nowhere.
func next(s []byte, i int, mark string) int {
	if k := bytes.Index(s[i:], []byte(mark)); k >= 0 {
		return i + k
	}
	return len(s)
}

func quoteOrSpace(c byte) bool { return c <= ' ' || c == '"' || c == '\'' || c == '(' || c == '=' }

func endsHost(c byte) bool {
	switch c {
	case '/', '\\', '?', '#', '"', '\'', '<', '>', '`', ')', ',', ';':
		return true
	}
	return c <= ' '
}

func letterOrDigit(c byte) bool { return letter(c) || c >= '0' && c <= '9' }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// authority judges "user:password@host:port".
func (d *Detector) authority(s []byte, begin, end int, schemed bool) (finding.Finding, bool) {
	if at := bytes.LastIndexByte(s[begin:end], '@'); at >= 0 {
		begin += at + 1
	}
	for end > begin && (s[end-1] == '.' && end-begin > 1 && s[end-2] == '.' || s[end-1] == '!' || s[end-1] == '*') {
		end--
	}
	host := s[begin:end]
	if len(host) == 0 {
		return finding.Finding{}, false
	}
	if host[0] == '[' {
		if k := bytes.IndexByte(host, ']'); k > 0 {
			end = begin + k + 1
		}
	} else if k := bytes.LastIndexByte(host, ':'); k > 0 && port(host[k+1:]) {
		end = begin + k
	}
	kind, score := d.judge(s[begin:end], schemed)
	return finding.Finding{Start: begin, End: end, Kind: kind, Score: score}, score > 0
}

// bare judges a string that is a host, a host with a port, or either with a
// path.
func (d *Detector) bare(s []byte, begin, end int) (finding.Finding, bool) {
	none := finding.Finding{}
	if begin == end {
		return none, false
	}
	dots := false
	for k := begin; k < end; k++ {
		c := s[k]
		if c == '/' {
			end = k
			break
		}
		if c <= ' ' || c == ',' || c == '=' || c == '"' || c == '(' {
			return none, false
		}
		dots = dots || c == '.' || c == ':' || c >= 0x80 || c == '%'
	}
	if begin == end || !dots && !local(s[begin:end]) && !hexNumber(s[begin:end]) {
		return none, false
	}
	return d.authority(s, begin, end, false)
}

// local reports names that are hosts without any dot.
func local(v []byte) bool {
	return len(v) == 9 && bytes.EqualFold(v, []byte("localhost")) || len(v) == 13 && bytes.EqualFold(v, []byte("instance-data"))
}

// hexNumber reports an address written as one hexadecimal number.
func hexNumber(v []byte) bool {
	return len(v) >= 9 && len(v) <= 10 && v[0] == '0' && v[1]|0x20 == 'x'
}

func port(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(v) <= 5
}

// judge says what a host is.
func (d *Detector) judge(host []byte, schemed bool) (kind string, score uint8) {
	var buf [maxHost]byte
	plain, ok := fold(buf[:0], host)
	if !ok || len(plain) == 0 {
		return "", 0
	}
	for _, a := range d.allowed {
		if string(plain) == a {
			return "", 0
		}
	}
	if plain[0] == '[' || bytes.Count(plain, []byte(":")) > 1 {
		return d.ipv6(bytes.Trim(plain, "[]"))
	}
	if a, is := ipv4(plain); is {
		kind, score = place(a)
		if score > 0 && !schemed && bytes.Count(plain, []byte(".")) < 3 && (plain[0] != '0' || len(plain) < 8) {
			return "", 0 // a bare number is a number, "10.5" too
		}
		return kind, score
	}
	return name(plain, schemed)
}

// fold decodes percent-encoding, brings full-width and circled characters to
// ASCII, letters to lower case, and drops a dot at the end.
func fold(dst, host []byte) ([]byte, bool) {
	if len(host) > maxHost {
		return nil, false
	}
	var raw [maxHost]byte
	plain := raw[:0]
	for i := 0; i < len(host); i++ {
		c := host[i]
		if c == '%' && i+2 < len(host) {
			if hi, lo := hex(host[i+1]), hex(host[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		plain = append(plain, c)
	}
	for i := 0; i < len(plain); {
		c := plain[i]
		if len(dst) >= maxHost-4 {
			return nil, false
		}
		if c >= 0x80 {
			r, n := utf8.DecodeRune(plain[i:])
			dst = append(dst, mapRune(r)...)
			i += n
			continue
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
		i++
	}
	if n := len(dst); n > 1 && dst[n-1] == '.' {
		dst = dst[:n-1]
	}
	return dst, true
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
