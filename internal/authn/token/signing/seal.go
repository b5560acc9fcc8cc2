package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
)

// SealKeySize is the size of the key that private keys are sealed with.
const SealKeySize = 32

// ErrSealed says that a stored key cannot be opened: it was changed, or the
// data folder's root.key is not the one it was sealed under.
var ErrSealed = errors.New("signing key cannot be opened: the database and root.key do not belong together, restore both from one backup")

// sealer encrypts seeds with AES-256-GCM. The name of the key is authenticated
// with it, so that no two rows can be swapped.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (*sealer, error) {
	if len(key) != SealKeySize {
		return nil, fmt.Errorf("seal key of %d bytes: want %d", len(key), SealKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return &sealer{aead}, nil
}

func bound(kid string) []byte { return []byte("portcullis signing key ed25519\x00" + kid) }

func (s *sealer) seal(kid string, seed []byte) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(seed)+s.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return s.aead.Seal(nonce, nonce, seed, bound(kid))
}

func (s *sealer) open(kid string, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	seed, err := s.aead.Open(nil, sealed[:n], sealed[n:], bound(kid))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, ErrSealed
	}
	return seed, nil
}
