package content

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// carriesBase64 reports whether a member of this name may carry base64: blob
// and data in MCP, bytes in A2A.
func carriesBase64(name []byte) bool {
	switch string(name) {
	case "blob", "data", "bytes":
		return true
	}
	return false
}

// encodingOf returns the base64 that a text may be.
func encodingOf(text []byte) *base64.Encoding {
	url := bytes.ContainsAny(text, "-_")
	padded := bytes.HasSuffix(text, []byte("="))
	switch {
	case url && padded:
		return base64.URLEncoding
	case url:
		return base64.RawURLEncoding
	case padded || len(text)%4 == 0:
		return base64.StdEncoding
	}
	return base64.RawStdEncoding
}

// headLen is how much of a base64 text tells whether it encodes text: a
// multiple of four.
const headLen = 256

// encoded lets the rules decide on the text that the value at b[at:end]
// encodes. What is no base64, and what encodes no UTF-8 text, passes.
func (s *scan) encoded(at, end int, value []byte) bool {
	if len(value) < 4 {
		return true
	}
	enc := encodingOf(value)
	head := value[:min(len(value), headLen)]
	if len(value) <= headLen {
		head = nil
	}
	if head != nil && !s.decodes(enc, head, true) || !s.decodes(enc, value, false) {
		return true
	}
	text := s.blob
	pre := s.set.pre
	_, sig := pre.scan(text, 0, &pre.decoded)
	cand := pre.concerned(len(text), sig, 0)
	if cand == 0 {
		return true
	}
	s.located = false
	if !s.judge(text, nil, cand) {
		return false
	}
	if next := s.rewritten(text); !bytes.Equal(next, text) {
		s.replace(at, end, enc.AppendEncode(nil, next))
	}
	return true
}

// decodes puts what a text encodes into s.blob and reports whether it is text.
func (s *scan) decodes(enc *base64.Encoding, text []byte, head bool) bool {
	var err error
	if s.blob, err = enc.AppendDecode(s.blob[:0], text); err != nil {
		return false
	}
	b := s.blob
	if head { // the last character may be cut
		for n := 0; n < utf8.UTFMax && len(b) > 0; n++ {
			if r, size := utf8.DecodeLastRune(b); r != utf8.RuneError || size > 1 {
				break
			}
			b = b[:len(b)-1]
		}
	}
	for _, c := range b[:min(len(b), headLen)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b {
			return false
		}
	}
	return utf8.Valid(b)
}
