package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// A refresh token is
//
//	mcprt_<session>.<secret>
//
// with the session's id in 32 hexadecimal digits and, in base64url, 32 random
// bytes and the first 16 bytes of an HMAC-SHA256 over id and random bytes. The
// HMAC tells a token that this gateway once gave out from one that somebody
// made up: session ids stand in logs, and who reads them must not be able to
// end sessions by "reusing" tokens that never were.
const (
	idBytes     = 16
	randomBytes = 32
	tagBytes    = 16
	secretChars = (randomBytes + tagBytes) * 4 / 3
)

// refreshTexts makes and reads refresh tokens. The key is the pepper.
type refreshTexts struct{ key []byte }

func (r refreshTexts) mac(purpose string, parts ...string) [32]byte {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(purpose)) // a hash takes everything
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	return [32]byte(h.Sum(nil))
}

func (r refreshTexts) tag(id string, random []byte) []byte {
	sum := r.mac("refresh tag", id, string(random))
	return sum[:tagBytes]
}

// hash is the stored form of a token.
func (r refreshTexts) hash(text string) [32]byte { return r.mac("refresh hash", text) }

// make returns a new token of a session.
func (r refreshTexts) make(prefix, id string) string {
	random := make([]byte, randomBytes, randomBytes+tagBytes)
	_, _ = rand.Read(random) // never fails
	return prefix + id + "." + base64.RawURLEncoding.EncodeToString(append(random, r.tag(id, random)...))
}

// read returns the session of a token that this gateway gave out. The prefix is
// for people and scanners: one that was configured before is as good.
func (r refreshTexts) read(text string) (id string, ok bool) {
	_, rest, found := strings.Cut(text, "_")
	if !found || len(text) > 128 {
		return "", false
	}
	id, secret, found := strings.Cut(rest, ".")
	if !found || !isSessionID(id) || len(secret) != secretChars {
		return "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(b) != randomBytes+tagBytes {
		return "", false
	}
	return id, hmac.Equal(b[randomBytes:], r.tag(id, b[:randomBytes]))
}

// newSessionID returns 128 random bits in hexadecimal.
func newSessionID() string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func isSessionID(s string) bool {
	return len(s) == 2*idBytes && strings.Trim(s, "0123456789abcdef") == ""
}
