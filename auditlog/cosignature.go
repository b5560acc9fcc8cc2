package auditlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Kinds of keys in the text of a verifier key (c2sp.org/signed-note).
const (
	kindEd25519     = 1
	kindCosignature = 4
)

// NewVerifier returns the verifier of a key as text,
// "<name>+<hash>+<base64 key>": the Ed25519 key of a log, or that of a witness
// that makes timestamped cosignatures (c2sp.org/tlog-cosignature).
func NewVerifier(vkey string) (note.Verifier, error) {
	vkey = strings.TrimSuffix(vkey, "\n")
	name, rest, _ := strings.Cut(vkey, "+")
	id, key64, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.Strict().DecodeString(key64)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || base64.StdEncoding.EncodeToString(key) != key64 {
		return nil, errors.New("verifier key: want <name>+<hash>+<base64 of an Ed25519 key>")
	}
	switch key[0] {
	case kindEd25519:
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("verifier key: %w", err)
		}
		if want := keyText(v.Name(), v.KeyHash(), key); want != vkey {
			return nil, errors.New("verifier key: not written as it must be")
		}
		return v, nil
	case kindCosignature:
		sum := keyHash(name, key)
		if name == "" || strings.ContainsAny(name, " \t\r\n+") || keyText(name, sum, key) != strings.Join([]string{name, id, key64}, "+") {
			return nil, errors.New("verifier key: name, hash and key do not fit")
		}
		return &witness{name: name, hash: sum, key: key[1:]}, nil
	}
	return nil, fmt.Errorf("verifier key: kind %d is not known: want an Ed25519 key", key[0])
}

func keyHash(name string, key []byte) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + string(key)))
	return binary.BigEndian.Uint32(sum[:])
}

func keyText(name string, hash uint32, key []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(key))
}

// witness verifies the cosignatures of one witness.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

var _ note.Verifier = (*witness)(nil)

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

// Verify checks a cosignature/v1: eight bytes of time, then the signature over
// that time and the whole text of the checkpoint.
func (w *witness) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	if at > math.MaxInt64 {
		return false
	}
	signed := append([]byte("cosignature/v1\ntime "), strconv.FormatUint(at, 10)...)
	signed = append(append(signed, '\n'), text...)
	return ed25519.Verify(w.key, signed, sig[8:])
}

// cosignedAt returns the time in a cosignature that was verified.
func cosignedAt(s note.Signature) (time.Time, error) {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(raw) != 4+8+ed25519.SignatureSize {
		return time.Time{}, fmt.Errorf("checkpoint: the signature of %q is no cosignature", s.Name)
	}
	return time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC(), nil
}
