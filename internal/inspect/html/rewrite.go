package html

import "bytes"

// allowed are the tags that [AllowList] keeps, without attributes.
var allowed = [...]string{"p", "br", "b", "i", "em", "strong"}

// rawText are elements whose content is no text for readers; it goes with them.
var rawText = [...]string{"script", "style", "iframe", "object", "embed", "noscript", "noembed", "noframes", "template", "svg", "math", "textarea", "title", "xmp", "plaintext", "select"}

// AllowList appends s with no markup but <p>, <br>, <b>, <i>, <em> and
// <strong>, all without attributes. A "<" that begins no tag becomes "&lt;", so
// that what is left cannot join to a new one.
func AllowList(dst, s []byte) []byte { return rewrite(dst, s, true) }

// Strip appends s without any markup.
func Strip(dst, s []byte) []byte { return rewrite(dst, s, false) }

func rewrite(dst, s []byte, keep bool) []byte {
	var gone unclosed
	for i := 0; i < len(s); {
		if s[i] != '<' {
			next := bytes.IndexByte(s[i:], '<')
			if next < 0 {
				return append(dst, s[i:]...)
			}
			dst = append(dst, s[i:i+next]...)
			i += next
			continue
		}
		t, ok := readTag(s, i)
		if !ok {
			dst = append(dst, "&lt;"...)
			i++
			continue
		}
		if keep && !t.open && among(t.name, allowed[:]) {
			dst = appendTag(dst, t)
		}
		i = t.end
		if !t.closing && !t.open && among(t.name, rawText[:]) {
			i = gone.elementEnd(s, t)
		}
	}
	return dst
}

// appendTag appends a tag in small letters without attributes.
func appendTag(dst []byte, t tag) []byte {
	dst = append(dst, '<')
	if t.closing {
		dst = append(dst, '/')
	}
	for _, c := range t.name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return append(dst, '>')
}

// unclosed remembers which elements of rawText have no closing tag in the rest
// of a text, so that nobody looks for it twice.
type unclosed uint32

// elementEnd returns the end of the element that t begins: behind its closing
// tag, or of the tag alone if there is none.
func (u *unclosed) elementEnd(s []byte, t tag) int {
	which := 0
	for which < len(rawText) && !isName(t.name, rawText[which]) {
		which++
	}
	if *u>>which&1 != 0 {
		return t.end
	}
	for i := t.end; i < len(s); {
		k := bytes.Index(s[i:], []byte("</"))
		if k < 0 {
			break
		}
		i += k
		after := i + 2 + len(t.name)
		if after <= len(s) && bytes.EqualFold(s[i+2:after], t.name) && (after == len(s) || space(s[after]) || s[after] == '/' || s[after] == '>') {
			closing, ok := readTag(s, i)
			if ok {
				return closing.end
			}
		}
		i += 2
	}
	*u |= 1 << which
	if isName(t.name, "plaintext") || isName(t.name, "script") || isName(t.name, "style") {
		return len(s)
	}
	return t.end
}
