package html

import (
	"bytes"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Kinds that the detector reports.
const (
	KindActive  = "html.active"  // runs, loads, or sends by itself
	KindTag     = "html.tag"     // any other tag that is not allowed as it is
	KindAllowed = "html.allowed" // p, br, b, i, em, strong without attributes
)

const (
	sure   = 95
	likely = 80
	low    = 30
)

// active elements run, load or send something by themselves.
var active = [...]string{"script", "iframe", "frame", "object", "embed", "applet", "base", "link", "meta", "form", "svg", "math", "portal", "template", "style", "frameset"}

// plainTags are the other elements of HTML.
var plainTags = [...]string{
	"a", "abbr", "address", "area", "article", "aside", "audio", "bdi", "bdo", "big", "blockquote", "body", "button", "canvas", "caption",
	"center", "cite", "code", "col", "colgroup", "data", "datalist", "dd", "del", "details", "dfn", "dialog", "dir", "div", "dl", "dt",
	"fieldset", "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "img",
	"input", "ins", "kbd", "label", "legend", "li", "main", "map", "mark", "marquee", "menu", "nav", "noscript", "ol", "optgroup",
	"option", "output", "param", "picture", "pre", "progress", "q", "s", "samp", "section", "select", "small", "source", "span",
	"strike", "sub", "summary", "sup", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "time", "title", "tr", "track", "tt",
	"u", "ul", "var", "video", "wbr",
}

// Detector finds markup. The zero Detector is ready to use.
type Detector struct{}

// Name returns "html".
func (Detector) Name() string { return "html" }

// Kinds returns every kind that Find reports.
func (Detector) Kinds() []string { return []string{KindActive, KindTag, KindAllowed} }

// Hint asks for "<", or for an address that runs.
func (Detector) Hint() finding.Hint {
	return finding.Hint{MinLen: 3, Bytes: "<", Words: []string{"script:", "text/html"}}
}

// Find appends tags, whole elements where their content is a program, and
// javascript: addresses of links.
func (d Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	var gone unclosed
	from := 0
	for from < len(s) {
		k := bytes.IndexByte(s[from:], '<')
		if k < 0 {
			break
		}
		dst = addresses(dst, s, from, from+k)
		i := from + k
		t, ok := readTag(s, i)
		if !ok {
			from = i + 1
			continue
		}
		f, found := judge(s, t, &gone)
		if !found && t.open {
			from = i // what stands before has been looked at
			break    // nothing closes it, so the rest is no markup
		}
		if !found {
			from = i + 1
			continue
		}
		dst = append(dst, f)
		from = f.End
	}
	return addresses(dst, s, from, len(s))
}

// judge says what a tag is.
func judge(s []byte, t tag, gone *unclosed) (finding.Finding, bool) {
	f := finding.Finding{Start: t.start, End: t.end, Kind: KindTag, Score: likely}
	code := t.start > 0 && (s[t.start-1] == '`' || wordByte(s[t.start-1]))
	switch {
	case len(t.name) == 0:
		if t.open || !bytes.HasPrefix(s[t.start:], []byte("<!--")) && !bytes.HasPrefix(s[t.start:], []byte("<![")) && !hasFold(s[t.start:], "<!doctype") {
			return f, false
		}
		f.Score = low
		return f, true
	case among(t.name, active[:]):
		f.Kind, f.Score = KindActive, sure
		if code && s[t.start-1] == '`' && t.end < len(s) && s[t.end] == '`' {
			f.Score = low // spoken of: "the `<script>` tag"
			return f, true
		}
		if !t.closing && !t.open && among(t.name, rawText[:]) {
			f.End = gone.elementEnd(s, t)
		}
		if code && f.End == t.end || t.open && !t.attrs {
			f.Score = low
		} else if code && s[t.start-1] == '`' && f.End < len(s) && s[f.End] == '`' {
			f.Score = low
		} else if t.closing || !t.attrs && f.End == t.end {
			f.Score = low
		}
		return f, true
	case !t.closing && t.attrs && acts(s[t.start:t.end], t):
		f.Kind, f.Score = KindActive, sure
		return f, true
	case among(t.name, allowed[:]):
		if !t.attrs {
			f.Kind = KindAllowed
		}
	case !among(t.name, plainTags[:]):
		if !t.attrs || t.open {
			return f, false // List<String>, <john@host>, <https://host>
		}
		f.Score = low
	}
	if t.open || code && !t.attrs {
		f.Score = low
	}
	return f, true
}

func wordByte(c byte) bool { return letter(c) || c >= '0' && c <= '9' || c == '_' }

func hasFold(s []byte, p string) bool {
	return len(s) >= len(p) && isName(s[:len(p)], p)
}

// acts reports event handlers, addresses that run, and styles that load.
func acts(s []byte, t tag) bool {
	k := 1 + len(t.name)
	for k < len(s) && s[k] != '>' {
		if space(s[k]) || s[k] == '/' {
			k++
			continue
		}
		var a attr
		a, k = attribute(s, k)
		switch {
		case len(a.name) > 3 && hasFold(a.name, "on") && letters(a.name) && len(a.value) > 0 && a.value[0] != '{':
			return true
		case isName(a.name, "srcdoc"), isName(a.name, "formaction"):
			return true
		case len(a.value) > 0 && runs(a.value):
			return true
		}
	}
	return false
}

func letters(s []byte) bool {
	for _, c := range s {
		if !letter(c) {
			return false
		}
	}
	return true
}

// schemes of addresses that run in the page.
var schemes = [...]string{"javascript:", "vbscript:", "data:text/html", "data:image/svg", "data:application/xhtml", "livescript:"}

// runs reports whether a value is an address that runs, however it is spelled:
// with entities, controls and spaces between the letters.
func runs(v []byte) bool {
	var buf [24]byte
	n := 0
	for k := 0; k < len(v) && n < len(buf); {
		c := v[k]
		k++
		if c == '&' {
			if e, size := entity(v[k:]); size > 0 {
				c = e
				k += size
			}
		}
		if c <= ' ' {
			continue
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[n] = c
		n++
	}
	for _, s := range schemes {
		if n >= len(s) && string(buf[:len(s)]) == s {
			return true
		}
	}
	return false
}

// entity decodes "#x6a;", "#106;", "colon;", "Tab;", "NewLine;" behind "&".
func entity(v []byte) (c byte, size int) {
	switch {
	case bytes.HasPrefix(v, []byte("colon;")):
		return ':', 6
	case hasFold(v, "tab;"):
		return '\t', 4
	case hasFold(v, "newline;"):
		return '\n', 8
	}
	if len(v) < 2 || v[0] != '#' {
		return 0, 0
	}
	k, radix := 1, 10
	if v[1]|0x20 == 'x' {
		k, radix = 2, 16
	}
	n, digits := 0, 0
	for k < len(v) && digits < 10 {
		d := -1
		switch b := v[k]; {
		case b >= '0' && b <= '9':
			d = int(b - '0')
		case radix == 16 && b|0x20 >= 'a' && b|0x20 <= 'f':
			d = int(b|0x20-'a') + 10
		}
		if d < 0 {
			break
		}
		n = (n*radix + d) & 0xffff
		digits++
		k++
	}
	if digits == 0 || n > 0x7f {
		return 0, 0
	}
	if k < len(v) && v[k] == ';' {
		k++
	}
	return byte(n), k
}

// addresses appends links of Markdown and whole texts that run: "](javascript:".
func addresses(dst []finding.Finding, s []byte, from, end int) []finding.Finding {
	for i := from; i < end; {
		k := bytes.IndexByte(s[i:end], ':')
		if k < 0 {
			return dst
		}
		at := i + k
		i = at + 1
		start := at
		for start > from && at-start < 16 && (letter(s[start-1]) || s[start-1] == '\t') {
			start--
		}
		if !runs(s[start:min(end, at+24)]) {
			continue
		}
		before := bytes.TrimRight(s[from:start], " <\t")
		if len(before) > 0 && !bytes.HasSuffix(before, []byte("](")) && !bytes.HasSuffix(before, []byte("]:")) {
			continue
		}
		stop := at + 1
		if stop >= end || s[stop] == ' ' && len(before) == 0 {
			continue
		}
		for stop < end && s[stop] > ' ' && s[stop] != '"' {
			stop++
		}
		if stop > at+1 && s[stop-1] == ')' && len(before) > 0 {
			stop--
		}
		dst = append(dst, finding.Finding{Start: start, End: stop, Kind: KindActive, Score: sure})
		i = stop
	}
	return dst
}

// Clean appends what the allow list leaves of a tag or element. Allowed tags
// go when they are what is to be cleaned: that strips all markup.
func (Detector) Clean(dst []byte, kind string, found []byte) []byte {
	if kind == KindAllowed {
		return dst
	}
	if len(found) == 0 || found[0] != '<' {
		return dst // an address
	}
	t, ok := readTag(found, 0)
	if ok && !t.open && among(t.name, allowed[:]) {
		return appendTag(dst, t)
	}
	return dst
}
