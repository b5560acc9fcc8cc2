package tlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// SeedSize is the size of the secret that a log's key is made of.
const SeedSize = ed25519.SeedSize

// Key signs the checkpoints of one log.
type Key struct {
	signer   note.Signer
	verifier note.Verifier
	text     string
}

// NewKey makes the key of the log of that origin from a secret.
func NewKey(origin string, seed []byte) (*Key, error) {
	if err := CheckOrigin(origin); err != nil {
		return nil, err
	}
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("secret of %d bytes, want %d", len(seed), SeedSize)
	}
	text, err := note.NewEd25519VerifierKey(origin, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, err
	}
	const ed25519Kind = 1
	secret := base64.StdEncoding.EncodeToString(append([]byte{ed25519Kind}, seed...))
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, verifier.KeyHash(), secret))
	if err != nil {
		return nil, err
	}
	return &Key{signer: signer, verifier: verifier, text: text}, nil
}

// CheckOrigin returns an error unless a log can have that name.
func CheckOrigin(origin string) error {
	if origin == "" || len(origin) > 200 || strings.Trim(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/:") != "" {
		return fmt.Errorf("origin %q: want a name of letters, digits and -._:/ such as audit.example.com/gateway", origin)
	}
	return nil
}

// DefaultOrigin is the name of a log that was given none. It is made of a
// fingerprint of the secret, so that two logs have two names.
func DefaultOrigin(seed []byte) string {
	sum := sha256.Sum256(append([]byte("portcullis audit log name\n"), ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)...))
	return fmt.Sprintf("portcullis/%x", sum[:4])
}

// Verifier verifies what the key signs.
func (k *Key) Verifier() note.Verifier { return k.verifier }

// Text is the verifier key as text, for everybody.
func (k *Key) Text() string { return k.text }

// Signer signs with the key.
func (k *Key) Signer() note.Signer { return k.signer }

// Sign returns the signed note of a text that is no checkpoint: of an archive.
// Its first line must not be the name of a log.
func (k *Key) Sign(text string) ([]byte, error) {
	if first, _, _ := strings.Cut(text, "\n"); CheckOrigin(first) == nil {
		return nil, fmt.Errorf("%q could pass for a checkpoint", first)
	}
	return note.Sign(&note.Note{Text: text}, k.signer)
}
