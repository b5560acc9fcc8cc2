package subject_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/audit/subject"
)

// box is AES-256-GCM with a random nonce, as the envelope package has it.
type box struct{ aead cipher.AEAD }

func newBox(key []byte) (subject.Box, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return box{aead}, err
}

func (b box) Seal(dst, plain, aad []byte) []byte {
	nonce := make([]byte, 12)
	if _, err := rand.Read(nonce); err != nil {
		panic(err)
	}
	return b.aead.Seal(append(dst, nonce...), nonce, plain, aad)
}

func (b box) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 12 {
		return nil, errors.New("short")
	}
	return b.aead.Open(nil, sealed[:12], sealed[12:], aad)
}

// wrapper seals keys for the store of a test.
type wrapper struct{ box subject.Box }

func ring(t testing.TB) wrapper {
	b, err := newBox([]byte(strings.Repeat("w", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return wrapper{b}
}

func (w wrapper) Seal(plain []byte, place ...string) []byte {
	return w.box.Seal(nil, plain, []byte(strings.Join(place, "\x00")))
}

func (w wrapper) Open(sealed []byte, place ...string) ([]byte, error) {
	return w.box.Open(sealed, []byte(strings.Join(place, "\x00")))
}
