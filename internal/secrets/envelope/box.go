package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes in bytes.
const (
	KeySize   = 32
	nonceSize = 12
	tagSize   = 16
	Overhead  = nonceSize + tagSize // what sealing adds
)

// ErrOpen is a sealed text that does not open: another key, other associated
// data, or changed bytes. Which of them nobody can tell.
var ErrOpen = errors.New("what is sealed does not open: another key or place, or it was changed")

// ErrKey is a key of a size that is not taken.
var ErrKey = errors.New("a key has 32 bytes")

// NewKey makes a random key.
func NewKey() []byte {
	k := make([]byte, KeySize)
	rand.Read(k) //nolint:errcheck // it never fails: crypto/rand ends the process instead
	return k
}

// Derive makes a key for one purpose out of another key (HKDF-SHA-256).
func Derive(key []byte, purpose string) ([]byte, error) {
	if len(key) != KeySize {
		return nil, ErrKey
	}
	k, err := hkdf.Key(sha256.New, key, nil, purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return k, nil
}

// Box seals with AES-256-GCM under one key: a random nonce of 12 bytes, the
// ciphertext, a tag of 16 bytes. A key seals at most 2^32 texts.
type Box struct{ aead cipher.AEAD }

// NewBox returns a box for a key of 32 bytes, which it does not keep.
func NewBox(key []byte) (Box, error) {
	if len(key) != KeySize {
		return Box{}, ErrKey
	}
	aead, err := gcm(key, nonceSize)
	return Box{aead}, err
}

func gcm(key []byte, nonce int) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithNonceSize(block, nonce)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return aead, nil
}

// Seal appends the sealed plaintext to dst.
func (b Box) Seal(dst, plaintext, aad []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, nonceSize)...)
	rand.Read(dst[at:]) //nolint:errcheck // it never fails
	return b.aead.Seal(dst, dst[at:at+nonceSize], plaintext, aad)
}

// Open returns the plaintext, or [ErrOpen].
func (b Box) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrOpen
	}
	out, err := b.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], aad)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// OpenForeign opens AES-GCM as others wrote it: any AES key size and any nonce
// but an empty one. Nothing is sealed like that here.
func OpenForeign(key, nonce, ciphertext, tag, aad []byte) ([]byte, error) {
	if len(tag) != tagSize || len(nonce) == 0 {
		return nil, ErrOpen
	}
	aead, err := gcm(key, len(nonce))
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(nil, nonce, append(append([]byte{}, ciphertext...), tag...), aad)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// AAD encodes what a sealed text is bound to. Parts are length-prefixed: no
// two lists of parts have the same encoding.
func AAD(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p))) //nolint:gosec // parts are names, far below 4 GiB
		out = append(out, p...)
	}
	return out
}
