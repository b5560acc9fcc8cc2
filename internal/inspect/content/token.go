package content

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"iter"

	"bytes"
)

// KeySize is the length of the key of [NewTokens].
const KeySize = 32

// Tokens makes tokens of values and turns them back: AES-256-GCM with a random
// nonce, so that two tokens of one value do not tell that they are. A token
// opens only on the route it was made for, and says of what kind its value is.
// It is safe for concurrent use.
type Tokens struct{ aead cipher.AEAD }

const (
	tokenPrefix   = "pctok_v1_"
	tokenPurpose  = "portcullis content token v1\x00"
	maxTokenValue = 4096 // bytes of a value; a longer one is redacted
	maxToken      = 8192 // bytes of a token
)

// NewTokens returns the tokens of a key.
func NewTokens(key []byte) (*Tokens, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("key of %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Tokens{aead}, nil
}

// seal returns the token of a value. What it encrypts is the length of the
// kind, the kind and the value.
func (t *Tokens) seal(route, kind string, value []byte) string {
	text := make([]byte, 0, 1+len(kind)+len(value))
	text = append(text, byte(min(len(kind), 255)))
	text = append(append(text, kind[:min(len(kind), 255)]...), value...)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(t.aead.Seal(nil, nil, text, []byte(tokenPurpose+route)))
}

// open returns what a token stands for; ok is false if it was not made here,
// or not for this route.
func (t *Tokens) open(route string, token []byte) (kind string, value []byte, ok bool) {
	inner, found := bytes.CutPrefix(token, []byte(tokenPrefix))
	if !found || len(token) > maxToken {
		return "", nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().AppendDecode(nil, inner)
	if err != nil {
		return "", nil, false
	}
	text, err := t.aead.Open(nil, nil, sealed, []byte(tokenPurpose+route))
	if err != nil || len(text) < 1 || len(text) < 1+int(text[0]) {
		return "", nil, false
	}
	n := 1 + int(text[0])
	return string(text[1:n]), text[n:], true
}

func tokenChar(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// tokensIn yields where in a text something stands that looks like a token.
func tokensIn(text []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		for i := 0; ; {
			n := bytes.Index(text[i:], []byte(tokenPrefix))
			if n < 0 {
				return
			}
			at := span{i + n, i + n + len(tokenPrefix)}
			for at.end < len(text) && tokenChar(text[at.end]) {
				at.end++
			}
			if i = at.end; !yield(at) {
				return
			}
		}
	}
}
