package jws

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxToken is the largest token or proof that is read, in bytes.
const MaxToken = 8 << 10

// maxJSONDepth bounds the nesting of headers, claims and keys.
const maxJSONDepth = 16

// Reason says why a token is refused. It goes to the log, so it never holds
// anything of the token.
type Reason string

// Error implements error.
func (r Reason) Error() string { return string(r) }

// strictBase64 refuses padding and stray bits; line breaks, which
// encoding/base64 skips, are refused by isBase64URL.
var strictBase64 = base64.RawURLEncoding.Strict()

// Header is the JOSE header of a compact JWS.
type Header struct {
	Alg, KeyID, Type string
	JWK              jsontext.Value // of a DPoP proof; refused in a token
}

// Compact is a JWS in compact form, read strictly and not yet verified.
type Compact struct {
	Text    string
	Header  Header
	Payload []byte
}

// LooksLike reports whether a token has the three parts of a compact JWS.
func LooksLike(s string) bool { return strings.Count(s, ".") == 2 }

// Parse reads a compact JWS so that it has exactly one reading.
// proof says that it is a DPoP proof, which brings its own key.
func Parse(s string, proof bool) (Compact, error) {
	if len(s) > MaxToken {
		return Compact{}, Reason("longer than 8 KiB")
	}
	if !LooksLike(s) {
		return Compact{}, Reason("not three parts")
	}
	head, rest, _ := strings.Cut(s, ".")
	body, sig, _ := strings.Cut(rest, ".")
	if head == "" || sig == "" {
		return Compact{}, Reason("empty header or signature")
	}
	rawHead, err := Decode(head)
	if err != nil {
		return Compact{}, err
	}
	payload, err := Decode(body)
	if err != nil {
		return Compact{}, err
	}
	if _, err := Decode(sig); err != nil {
		return Compact{}, err
	}
	c := Compact{Text: s, Payload: payload}
	c.Header, err = parseHeader(rawHead, proof)
	return c, err
}

func Decode(s string) ([]byte, error) {
	if !isBase64URL(s) {
		return nil, Reason("not canonical base64url")
	}
	b, err := strictBase64.DecodeString(s)
	if err != nil {
		return nil, Reason("not canonical base64url")
	}
	return b, nil
}

func isBase64URL(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c-'0' > 9 && c-'a' > 25 && c-'A' > 25 && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// headerNames are the parameters that mean something here. Another spelling of
// one is refused: some other reader may not see a difference.
var headerNames = [...]string{"alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc"}

func parseHeader(raw []byte, proof bool) (Header, error) {
	var h Header
	err := EachMember(raw, headerNames[:], func(name string, v jsontext.Value) error {
		var err error
		switch name {
		case "alg":
			h.Alg, err = Text(v, 32)
		case "kid":
			h.KeyID, err = Text(v, 256)
			if err == nil && h.KeyID == "" {
				err = Reason("empty kid")
			}
		case "typ":
			h.Type, err = Text(v, 64)
		case "jwk":
			if !proof {
				return Reason("header brings a key")
			}
			h.JWK = v
		case "jku", "x5u", "x5c":
			return Reason("header brings a key")
		case "crit", "b64", "zip", "enc":
			return Reason("header demands an extension")
		}
		return err
	})
	if err != nil {
		return Header{}, err
	}
	if h.Alg == "" {
		return Header{}, Reason("no algorithm")
	}
	return h, nil
}

// EachMember walks the members of one JSON object (RFC 8259 and RFC 7493):
// duplicate names, invalid UTF-8, trailing bytes, deep nesting, and names that
// differ only in case from one of known are refused.
func EachMember(raw []byte, known []string, f func(name string, v jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '{' {
		return Reason("not a JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return Reason("not a JSON object")
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return Reason("not one reading as JSON")
		}
		name := t.String()
		if strings.IndexByte(name, 0) >= 0 || variant(name, known) {
			return Reason("misspelled member")
		}
		v, err := d.ReadValue()
		if err != nil || depth(v) > maxJSONDepth {
			return Reason("not one reading as JSON")
		}
		if err := f(name, v.Clone()); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return Reason("not one reading as JSON")
	}
	if rest := d.UnreadBuffer(); len(bytes.TrimLeft(rest, " \t\r\n")) > 0 || d.InputOffset()+int64(len(rest)) != int64(len(raw)) {
		return Reason("bytes after the JSON object")
	}
	return nil
}

// variant reports whether name is one of known in other letters' case.
func variant(name string, known []string) bool {
	for _, k := range known {
		if name != k && len(name) == len(k) && strings.EqualFold(name, k) {
			return true
		}
	}
	return false
}

// depth is how deep a valid JSON value nests.
func depth(v jsontext.Value) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}', c == ']':
			now--
		}
	}
	return deepest
}

// Text reads a JSON string of at most limit bytes without control characters.
func Text(v jsontext.Value, limit int) (string, error) {
	if v.Kind() != '"' {
		return "", Reason("a text is not a string")
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", Reason("not one reading as JSON")
	}
	s := string(b)
	if len(s) > limit || strings.ContainsFunc(s, IsControl) {
		return "", Reason("a text is too long or holds control characters")
	}
	return s, nil
}

func IsControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// Texts reads a JSON string or an array of strings.
func Texts(v jsontext.Value, limit int) ([]string, error) {
	if v.Kind() == '"' {
		s, err := Text(v, limit)
		return []string{s}, err
	}
	if v.Kind() != '[' {
		return nil, Reason("a list is neither a string nor an array")
	}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := d.ReadToken(); err != nil {
		return nil, Reason("not one reading as JSON")
	}
	var out []string
	for d.PeekKind() != ']' {
		e, err := d.ReadValue()
		if err != nil {
			return nil, Reason("not one reading as JSON")
		}
		s, err := Text(e, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
