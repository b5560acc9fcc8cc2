package jsonstring

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzUnescape: what encoding/json takes for a string says the same here, and the
// offset is the one behind it. What is wider here is told: bytes that are no UTF-8
// are kept as they are, and what is narrower: lone surrogates are refused.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{``, `a`, `a\"b`, `\u00e9\ud83d\ude00`, `\ud83d`, `\ud83dx`, `\ud83d\u0041`, `\u12`, `\x`, `\`, "\x01", "\xff", `12345678\n12345678`, `1234567"`, "1234567\x1f", strings.Repeat("é", 9) + `\\`} {
		f.Add([]byte(s + `" and more`))
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, end := Unescape([]byte("kept"), b, 0)
		if !strings.HasPrefix(string(got), "kept") {
			t.Fatalf("%q: what stood before is gone: %q", b, got)
		}
		if end < 0 {
			return
		}
		if end < 1 || end > len(b) || b[end-1] != '"' {
			t.Fatalf("%q: ends at %d", b, end)
		}
		if !utf8.Valid(b[:end]) {
			return
		}
		var want string
		if err := json.Unmarshal([]byte(`"`+string(b[:end])), &want); err != nil || want != string(got[4:]) {
			t.Fatalf("%q: %q, want %q, %v", b[:end], got[4:], want, err)
		}
	})
}

// TestWhatIsNoString: nothing is taken that has no end or that no string can hold.
func TestWhatIsNoString(t *testing.T) {
	for _, s := range []string{``, `abc`, `abc\`, `abc\"`, `\x"`, `\u"`, `\u00g0"`, `\ud83d"`, `\ud83d\u0041"`, `\ude00"`, "a\nb\"", "\x00\"", "12345678\x1f\""} {
		if got, end := Unescape(nil, []byte(s), 0); end >= 0 {
			t.Errorf("%q: %q, %d", s, got, end)
		}
	}
	// Whatever json.Marshal writes is read back, with what follows left alone.
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t", "\u2028 é 😀 \x7f", strings.Repeat("long ", 100)} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, end := Unescape(nil, append(b, `"x`...), 1); string(got) != s || end != len(b) {
			t.Errorf("%q: %q, %d of %d", s, got, end, len(b))
		}
	}
}
