package sanitize

import (
	"strings"

	inspecturl "github.com/portcullis-dev/portcullis/internal/inspect/url"
	"github.com/portcullis-dev/portcullis/internal/protocol/percent"
)

// path sanitizes each segment of a path.
func (p *pass) path(v string, depth int) string {
	if v == "" {
		return ""
	}
	segments := strings.Split(v, "/")
	prev := ""
	for i, seg := range segments {
		if seg != "" {
			segments[i] = p.segment(seg, prev, depth)
		}
		prev = seg
	}
	return strings.Join(segments, "/")
}

// segment sanitizes one path segment and its matrix parameters.
func (p *pass) segment(seg, prev string, depth int) string {
	if inspecturl.IsCommit(seg) && gitObject(prev) {
		return seg
	}
	if len(seg) >= 8 && strings.ContainsAny(seg, "0123456789") && p.s.names.Strong(prev) && seg != Redacted {
		p.hide(seg)
		return Redacted
	}
	if !strings.ContainsAny(seg, ";=%@") {
		return inspecturl.RedactTokens(seg, p.hide)
	}
	out := p.pieces(seg, depth)
	if len(out) == 0 {
		return Redacted
	}
	return strings.Join(out, ";")
}

// gitObject reports whether the next segment names a public git object.
func gitObject(prev string) bool {
	switch prev {
	case "commit", "commits", "blob", "tree", "blame", "raw", "archive":
		return true
	}
	return false
}

// fragment sanitizes what stands behind "#": parameters, a route with
// parameters, or an anchor.
func (p *pass) fragment(v string, depth int) string {
	if v == "" {
		return ""
	}
	if strings.HasPrefix(v, "/") || strings.HasPrefix(v, "!/") {
		path, query, _ := strings.Cut(v, "?")
		out := p.path(path, depth)
		if q := p.params(query, depth); q != "" {
			out += "?" + q
		}
		return out
	}
	return p.params(v, depth)
}

// params sanitizes a query string. "&" always ends a parameter, and so do a
// stray "?" and "#"; a sensitive parameter is dropped with all that follows it
// behind a ";", which may belong to its value.
func (p *pass) params(q string, depth int) string {
	if q == "" {
		return ""
	}
	var b strings.Builder
	b.Grow(len(q))
	kept, sep := false, byte('&')
	for {
		end := strings.IndexAny(q, "&?#")
		chunk := q
		if end >= 0 {
			chunk = q[:end]
		}
		if out := p.pieces(chunk, depth); len(out) > 0 {
			if kept {
				b.WriteByte(sep)
			}
			for i, piece := range out {
				if i > 0 {
					b.WriteByte(';')
				}
				b.WriteString(piece)
			}
			kept = true
		}
		if end < 0 {
			return b.String()
		}
		sep, q = q[end], q[end+1:]
	}
}

// pieces sanitizes the parts of a chunk between ";".
func (p *pass) pieces(chunk string, depth int) []string {
	var first [4]string
	out := first[:0]
	for rest, more := chunk, true; more; {
		var piece string
		piece, rest, more = strings.Cut(rest, ";")
		name, val, pair := strings.Cut(piece, "=")
		if pair && p.s.names.Sensitive(name) {
			p.hide(val)
			p.hide(rest)
			return out
		}
		if !pair {
			out = append(out, p.value(piece, depth))
			continue
		}
		out = append(out, p.value(name, depth)+"="+p.value(val, depth))
	}
	return out
}

// value sanitizes a name, value or segment. A value with a structure of its own
// is read by that structure; any other is decoded one layer at a time, so that
// an "&" inside a sensitive value is not taken for a separator. The original
// spelling is kept when there was nothing to hide.
func (p *pass) value(v string, depth int) string {
	if v == "" {
		return ""
	}
	if depth > maxDepth {
		if strings.ContainsAny(v, "%=?&#@;") {
			p.hide(v)
			return Redacted
		}
		return inspecturl.RedactTokens(v, p.hide)
	}
	if !strings.ContainsAny(v, "%:/?#=&;@\\ \"") {
		return inspecturl.RedactTokens(v, p.hide)
	}
	if isReference(v) {
		return p.url(v, depth+1)
	}
	if strings.ContainsAny(v, "?#&=;") {
		return p.params(v, depth+1)
	}
	if d := percent.Decode(v); d != v {
		r := p.value(d, depth+1)
		if r == d {
			return v
		}
		return escape(r)
	}
	if strings.ContainsAny(v, " \"") || strings.Contains(v, "://") {
		return p.words(v, depth+1)
	}
	if strings.Contains(v, ":") {
		v = p.dropUserinfo(v)
	}
	return inspecturl.RedactTokens(v, p.hide)
}

// isReference reports whether v is a URL or an absolute path by itself.
func isReference(v string) bool {
	if v[0] == '/' || v[0] == '\\' {
		return true
	}
	scheme, rest := splitScheme(v)
	return scheme != "" && (special(scheme) || wraps(scheme) || strings.HasPrefix(rest, "//"))
}

func wraps(scheme string) bool {
	switch scheme {
	case "data", "javascript", "vbscript", "blob", "view-source", "filesystem", "feed", "jar":
		return true
	}
	return false
}
