package content

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// span is a place in a string.
type span struct{ start, end int }

// edit is a finding that a rule rewrites.
type edit struct {
	span
	kind     string
	score    uint8
	action   Action
	detector finding.Detector
}

const (
	redactedPrefix = "[redacted:"
	wholeString    = "content" // kind of a string that could not be rewritten in part
)

func appendRedacted(dst []byte, kind string) []byte {
	return append(append(append(dst, redactedPrefix...), kind...), ']')
}

func validText(b []byte) bool { return utf8.Valid(b) }

// ownSpans appends where in a string the rules have been before, in order:
// redactions of kinds that there are, and tokens that open.
func (s *scan) ownSpans(dst []span, text []byte) []span {
	for i := 0; ; {
		n := bytes.Index(text[i:], []byte(redactedPrefix))
		if n < 0 {
			break
		}
		start := i + n
		i = start + len(redactedPrefix)
		if end := bytes.IndexByte(text[i:min(len(text), i+maxKind)], ']'); end >= 0 {
			if _, ok := s.set.known[string(text[i:i+end])]; ok {
				i += end + 1
				dst = append(dst, span{start, i})
			}
		}
	}
	if s.engine.tokens == nil {
		return dst
	}
	for t := range tokensIn(text) {
		if _, _, ok := s.engine.tokens.open(s.engine.route, text[t.start:t.end]); ok {
			dst = append(dst, t)
		}
	}
	slices.SortFunc(dst, func(a, b span) int { return cmp.Compare(a.start, b.start) }) // they do not overlap: a kind holds no token
	return dst
}

// maxKind bounds the name of a kind, and so the search for the end of a redaction.
const maxKind = 64

// apply appends text with the edits made. Edits that overlap become one: that
// of the sternest action, and if it does not cover them all, a redaction.
func (s *scan) apply(dst, text []byte) []byte {
	slices.SortFunc(s.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(b.action, a.action))
	})
	at := 0
	for i := 0; i < len(s.edits); {
		e := s.edits[i]
		all := e.span
		for i++; i < len(s.edits) && s.edits[i].start < all.end; i++ {
			next := s.edits[i]
			all.end = max(all.end, next.end)
			if next.action > e.action || next.action == e.action && next.score > e.score {
				e = next
			}
		}
		if e.span != all {
			e.span, e.action = all, Redact
		}
		dst = append(dst, text[at:e.start]...)
		dst = s.appendEdit(dst, text, e)
		at = e.end
	}
	return append(dst, text[at:]...)
}

// appendEdit appends what stands in the place of one finding. What an action
// cannot do becomes a redaction.
func (s *scan) appendEdit(dst, text []byte, e edit) []byte {
	found := text[e.start:e.end]
	switch e.action {
	case Mask:
		if m, ok := e.detector.(finding.Masker); ok {
			return m.Mask(dst, e.kind, found)
		}
	case Clean:
		if c, ok := e.detector.(finding.Cleaner); ok {
			return c.Clean(dst, e.kind, found)
		}
	case Tokenize:
		if token := s.token(e.kind, found); token != "" && standsAlone(text, e.span) {
			return append(dst, token...)
		}
	}
	return appendRedacted(dst, e.kind)
}

// token returns the token of a value, the same all over the message; "" if the
// value is too long for one.
func (s *scan) token(kind string, value []byte) string {
	if s.engine.tokens == nil {
		return ""
	}
	key := kind + "\x00" + string(value)
	if t, ok := s.memo[key]; ok {
		return t
	}
	if len(value) > maxTokenValue {
		return ""
	}
	t := s.engine.tokens.seal(s.engine.route, kind, value)
	if s.memo == nil {
		s.memo = map[string]string{}
	}
	s.memo[key] = t
	return t
}

// swapBack replaces tokens of the original text by what they stand for, on the
// way to the upstream. Those that a rule made just now stay.
func (s *scan) swapBack(original, text []byte) []byte {
	var out []byte
	at := 0
	for t := range tokensIn(text) {
		token := text[t.start:t.end]
		kind, value, ok := s.engine.tokens.open(s.engine.route, token)
		if !ok || !bytes.Contains(original, token) || !utf8.Valid(value) {
			continue
		}
		s.count(kind, Detokenize)
		out = append(append(out, text[at:t.start]...), value...)
		at = t.end
	}
	if at == 0 {
		return text
	}
	return append(out, text[at:]...)
}

// standsAlone reports whether a token may stand in the place: beside a letter
// it could not be told from the word around it.
func standsAlone(text []byte, at span) bool {
	return (at.start == 0 || !tokenChar(text[at.start-1])) && (at.end == len(text) || !tokenChar(text[at.end]))
}
