package keytext

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

// DefaultPrefix starts every key unless the configuration says otherwise.
const DefaultPrefix = "mcp_"

// Lengths of the parts of a key.
const (
	SecretLen = 43 // base64url characters of 32 bytes, unpadded
	RandomLen = 28 // random bytes of a secret; the other 4 are the checksum
)

const (
	idLen      = 32 // hex digits of an id: 16 random bytes
	minPrefix  = 2
	maxPrefix  = 16
	redactText = "[redacted]"
)

// ErrMalformed says that a text is not a key: wrong length, character,
// encoding or checksum. It never holds the text.
var ErrMalformed = errors.New("malformed api key")

// secretEncoding refuses a last character whose two spare bits are set, so one
// secret has one spelling.
var secretEncoding = base64.RawURLEncoding.Strict()

// Grammar makes and reads the texts of keys with one prefix. The zero Grammar
// reads nothing; use [NewGrammar]. It is a value, safe for concurrent use.
type Grammar struct{ prefix string }

// NewGrammar returns the grammar with a prefix of 2 to 16 characters: lower
// case letters, digits and '_', a letter first and '_' last. Such a prefix
// cannot start a JWT.
func NewGrammar(prefix string) (Grammar, error) {
	n := len(prefix)
	bad := n < minPrefix || n > maxPrefix || prefix[0] < 'a' || prefix[0] > 'z' || prefix[n-1] != '_'
	for i := 0; i < n; i++ {
		c := prefix[i]
		bad = bad || (c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9'))
	}
	if bad {
		return Grammar{}, fmt.Errorf("prefix: %q: want 2 to 16 of a-z, 0-9 and _, a letter first and _ last", prefix)
	}
	return Grammar{prefix: prefix}, nil
}

// Prefix returns what every key of the grammar starts with.
func (g Grammar) Prefix() string { return g.prefix }

// Pattern returns an RE2 expression that finds keys of this grammar in text,
// for secret scanners. The checksum then tells real keys from look-alikes.
func (g Grammar) Pattern() string {
	return `\b` + g.prefix + `[0-9a-f]{32}\.[A-Za-z0-9_-]{43}`
}

// Key is one key in the clear, made by [Grammar.Generate] or read by
// [Grammar.Parse]. It prints as [redacted] in every form; only [Key.Reveal]
// gives the text away. The zero Key has no id and no text.
type Key struct {
	prefix string
	id     string
	// A function, because fmt prints the unexported fields of an enclosing
	// struct without asking Format, and follows pointers for some verbs. Of a
	// function it shows the address.
	secret func() *[32]byte
}

func newKey(prefix, id string, secret *[32]byte) Key {
	return Key{prefix: prefix, id: id, secret: func() *[32]byte { return secret }}
}

// ID returns the public part, 32 lower-case hex digits.
func (k Key) ID() string { return k.id }

// Reveal returns the key's text. Show it once and keep it nowhere.
func (k Key) Reveal() string {
	if k.secret == nil {
		return ""
	}
	return k.prefix + k.id + "." + secretEncoding.EncodeToString(k.secret()[:])
}

// Secret returns the secret's 32 bytes, for hashing. It is nil for the zero Key.
func (k Key) Secret() *[32]byte {
	if k.secret == nil {
		return nil
	}
	return k.secret()
}

// String returns [redacted].
func (Key) String() string { return redactText }

// GoString returns [redacted].
func (Key) GoString() string { return redactText }

// Format writes [redacted] whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactText) }

// LogValue returns [redacted].
func (Key) LogValue() slog.Value { return slog.StringValue(redactText) }

// MarshalText returns [redacted].
func (Key) MarshalText() ([]byte, error) { return []byte(redactText), nil }

// MarshalJSON returns "[redacted]".
func (Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redactText + `"`), nil }

// Generate makes a key from 44 bytes of rand, which is crypto/rand.Reader
// outside tests.
func (g Grammar) Generate(rand io.Reader) (Key, error) {
	if g.prefix == "" {
		return Key{}, errors.New("generating api key: grammar has no prefix")
	}
	var id [idLen / 2]byte
	if _, err := io.ReadFull(rand, id[:]); err != nil {
		return Key{}, fmt.Errorf("generating api key id: %w", err)
	}
	var random [RandomLen]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return Key{}, fmt.Errorf("generating api key secret: %w", err)
	}
	return g.Complete(hex.EncodeToString(id[:]), random[:]), nil
}

// Complete makes the key of an id and 28 secret bytes.
func (g Grammar) Complete(id string, random []byte) Key {
	secret := new([32]byte)
	copy(secret[:RandomLen], random)
	binary.BigEndian.PutUint32(secret[RandomLen:], checksum(g.prefix, id, secret[:RandomLen]))
	return newKey(g.prefix, id, secret)
}

// Parse reads a key. Every error is [ErrMalformed], perhaps with a cause that
// holds nothing of the text.
func (g Grammar) Parse(text string) (Key, error) {
	id, secret, ok := g.Split(text)
	if !ok {
		return Key{}, ErrMalformed
	}
	raw := new([32]byte)
	if n, err := secretEncoding.Decode(raw[:], []byte(secret)); err != nil || n != len(raw) {
		return Key{}, fmt.Errorf("%w: encoding of the secret", ErrMalformed)
	}
	if binary.BigEndian.Uint32(raw[RandomLen:]) != checksum(g.prefix, id, raw[:RandomLen]) {
		return Key{}, fmt.Errorf("%w: checksum", ErrMalformed)
	}
	return newKey(g.prefix, id, raw), nil
}

// Split cuts a text into id and secret, checking lengths and characters and
// nothing else. It does not allocate: the parts are slices of text.
func (g Grammar) Split(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, g.prefix)
	if !ok || g.prefix == "" || len(rest) != idLen+1+SecretLen || rest[idLen] != '.' {
		return "", "", false
	}
	id, secret = rest[:idLen], rest[idLen+1:]
	if !ValidID(id) {
		return "", "", false
	}
	for i := 0; i < len(secret); i++ {
		if !IsBase64URL(secret[i]) {
			return "", "", false
		}
	}
	return id, secret, true
}

// checksum is CRC-32 (IEEE) over the prefix, the id's hex digits and the
// secret's random bytes.
func checksum(prefix, id string, random []byte) uint32 {
	sum := crc32.ChecksumIEEE([]byte(prefix))
	sum = crc32.Update(sum, crc32.IEEETable, []byte(id))
	return crc32.Update(sum, crc32.IEEETable, random)
}

// ValidID reports whether a text has the form of an id.
func ValidID(id string) bool {
	if len(id) != idLen {
		return false
	}
	for i := 0; i < len(id); i++ {
		if !isLowerHex(id[i]) {
			return false
		}
	}
	return true
}

func isLowerHex(c byte) bool { return c-'0' <= 9 || c-'a' <= 5 }

// IsBase64URL reports whether c is a character of base64url.
func IsBase64URL(c byte) bool {
	return c-'0' <= 9 || c-'a' <= 25 || c-'A' <= 25 || c == '-' || c == '_'
}
