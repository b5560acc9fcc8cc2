package sanitize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	inspecturl "github.com/portcullis-dev/portcullis/internal/inspect/url"
)

const (
	// MaxURL is the longest URL that is kept whole, in bytes; of a longer one
	// only the origin is.
	MaxURL = 16 << 10

	maxDepth  = 6 // encodings and nested URLs that are followed
	maxRounds = 6 // passes until a fixed point is reached
	minHidden = 5 // shortest hidden value that is looked for in titles

	invalidURL  = "invalid:"
	invalidHost = "invalid"
)

// Redacted stands where a secret stood.
const Redacted = inspecturl.Redacted

// Sanitizer takes secrets out of URLs and texts. It is immutable and safe for
// concurrent use.
type Sanitizer struct{ names *inspecturl.Names }

// New returns a Sanitizer that hides the built-in parameter names and custom
// (`[security] custom_sensitive_params`, S1-8).
func New(custom []string) (*Sanitizer, error) {
	names, err := inspecturl.NewNames(custom)
	if err != nil {
		return nil, err
	}
	return &Sanitizer{names: names}, nil
}

// pass is one reading of one URL.
type pass struct {
	s      *Sanitizer
	hidden []string // values that were taken out, decoded
}

// URL returns raw without its secrets. The result is a fixed point.
func (s *Sanitizer) URL(raw string) string {
	p := pass{s: s}
	return p.clean(raw)
}

// Page sanitizes a URL and the title that belongs to it: the title also loses
// every value that was taken out of the URL.
func (s *Sanitizer) Page(rawURL, title string) (cleanURL, cleanTitle string) {
	p := pass{s: s}
	cleanURL = p.clean(rawURL)
	if title == "" {
		return cleanURL, ""
	}
	return cleanURL, s.text(title, p.hidden)
}

// clean repeats step until nothing changes, which makes URL idempotent by
// construction. A URL that does not settle keeps only its origin.
func (p *pass) clean(raw string) string {
	cur := raw
	for range maxRounds {
		next := p.step(cur)
		if next == cur {
			return cur
		}
		cur = next
	}
	if o := origin(cur); p.step(o) == o {
		return o
	}
	return invalidURL
}

func (p *pass) step(raw string) string {
	if len(raw) > MaxURL {
		p.hide(raw)
		return origin(prepare(raw[:MaxURL]))
	}
	u := p.url(prepare(raw), 0)
	if len(u) > MaxURL {
		return origin(u)
	}
	return u
}

// hide remembers a value that was taken out, for the title.
func (p *pass) hide(v string) {
	v = inspecturl.DecodeAll(strings.ReplaceAll(v, "+", " "))
	if len(v) >= minHidden && len(v) <= MaxURL && len(p.hidden) < 64 && v != Redacted {
		p.hidden = append(p.hidden, v)
	}
}

// splitScheme parts "scheme:" from the rest. "localhost:8080" has no scheme.
func splitScheme(v string) (scheme, rest string) {
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			if i+1 < len(v) && v[i+1] >= '0' && v[i+1] <= '9' {
				return "", v
			}
			return strings.ToLower(v[:i]), v[i+1:]
		default:
			return "", v
		}
	}
	return "", v
}

func special(scheme string) bool {
	switch scheme {
	case "http", "https", "ws", "wss", "ftp":
		return true
	}
	return false
}

func specialScheme(v string) bool {
	scheme, _ := splitScheme(v)
	return special(scheme)
}

// url sanitizes one URL reference. Depth counts nested URLs and encodings.
func (p *pass) url(v string, depth int) string {
	scheme, rest := splitScheme(v)
	switch scheme {
	case "data", "javascript", "vbscript":
		p.hide(rest)
		return scheme + ":"
	case "blob", "view-source", "filesystem", "feed", "jar":
		if depth >= maxDepth {
			return scheme + ":"
		}
		return scheme + ":" + p.url(rest, depth+1)
	}
	var b strings.Builder
	b.Grow(len(v))
	if scheme != "" {
		b.WriteString(scheme)
		b.WriteByte(':')
	}
	tail := rest
	switch {
	case special(scheme):
		tail = strings.TrimLeft(rest, `/\`)
		tail = p.writeAuthority(&b, tail)
	case strings.HasPrefix(rest, "//"):
		tail = p.writeAuthority(&b, rest[2:])
	case scheme != "mailto":
		tail = p.dropUserinfo(rest)
		if tail != rest && scheme != "" {
			b.Reset() // what looked like a scheme was a user name
		}
	}
	path, query, fragment := split(tail)
	b.WriteString(p.path(path, depth))
	if q := p.params(query, depth); q != "" {
		b.WriteByte('?')
		b.WriteString(q)
	}
	if f := p.fragment(fragment, depth); f != "" {
		b.WriteByte('#')
		b.WriteString(f)
	}
	return b.String()
}

func split(v string) (path, query, fragment string) {
	path, fragment, _ = strings.Cut(v, "#")
	path, query, _ = strings.Cut(path, "?")
	return path, query, fragment
}

// writeAuthority writes "//host:port" and returns what follows it.
func (p *pass) writeAuthority(b *strings.Builder, v string) (tail string) {
	end := strings.IndexAny(v, `/?#\`)
	if end < 0 {
		end = len(v)
	}
	auth, tail := v[:end], v[end:]
	b.WriteString("//")
	if strings.IndexByte(auth, '%') >= 0 {
		auth = inspecturl.DecodeAll(auth)
	}
	if at := strings.LastIndexByte(auth, '@'); at >= 0 {
		user, pass, _ := strings.Cut(auth[:at], ":")
		p.hide(user)
		p.hide(pass)
		auth = auth[at+1:]
	}
	b.WriteString(p.host(auth))
	return tail
}

// host lower-cases a host, hides labels that are tokens and refuses what no
// host can be.
func (p *pass) host(h string) string {
	plain := true
	for i := 0; i < len(h); i++ {
		c := h[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != ':' {
			plain = false
			break
		}
	}
	if !plain {
		for _, r := range h {
			if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_:[]", r) {
				return invalidHost
			}
		}
		h = strings.ToLower(h)
	}
	if len(h) < inspecturl.MinRandom {
		return h
	}
	labels := strings.Split(h, ".")
	for i, l := range labels {
		if len(l) >= inspecturl.MinRandom && inspecturl.IsToken(l) {
			p.hide(l)
			labels[i] = strings.ToLower(Redacted)
		}
	}
	return strings.Join(labels, ".")
}

// dropUserinfo takes "user:password@" off a reference without "//".
func (p *pass) dropUserinfo(v string) string {
	end := strings.IndexAny(v, `/?#`)
	if end < 0 {
		end = len(v)
	}
	at := strings.LastIndexByte(v[:end], '@')
	if at <= 0 || strings.ContainsAny(v[:at], " \t") {
		return v
	}
	user, pass, _ := strings.Cut(v[:at], ":")
	p.hide(user)
	p.hide(pass)
	return v[at+1:]
}

// origin returns "scheme://host/" of a URL, or what is left of the scheme.
func origin(v string) string {
	scheme, rest := splitScheme(v)
	if !special(scheme) {
		return invalidURL
	}
	auth := strings.TrimLeft(rest, `/\`)
	if end := strings.IndexAny(auth, `/?#\`); end >= 0 {
		auth = auth[:end]
	}
	auth = auth[strings.LastIndexByte(auth, '@')+1:]
	p := pass{}
	h := p.host(inspecturl.DecodeAll(auth))
	if len(h) > 255 || strings.Contains(h, "%") {
		h = invalidHost
	}
	return scheme + "://" + h + "/"
}
