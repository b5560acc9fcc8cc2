// Package session makes the session ids that callers see. An upstream's own id
// never leaves the gateway: a caller holds it sealed, and what is sealed for
// one principal on one route opens for nobody else and nowhere else.
//
// Of open sessions nothing is stored: a sealed id is a token, so they cost no
// memory, and any replica that has the key can open it. Of sessions that their
// owners ended a bounded memory is kept, so that they stay ended.
package session

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Sealer turns an upstream's session id into one that is worth nothing to
// anyone but the principal who opened the session, on the route where it was
// opened. The id is encrypted and authenticated (AES-256-GCM, random nonce)
// with route and principal as associated data; of open sessions nothing is
// stored, so nothing grows, and any replica with the key can open it. It
// answers session replay across routes (GHSA-mvgg-jvj2-4frq) and the demand of
// MCP's security practices that a session be bound to its user.
//
// A Sealer is safe for concurrent use.
type Sealer struct {
	aead  cipher.AEAD
	life  time.Duration
	now   func() time.Time
	ended endedSessions
	cuts  cuts
}

// Life is how long a sealed id opens. Upstreams end idle sessions long
// before; this bounds what a stolen id and a stolen key together are good for.
const Life = 7 * 24 * time.Hour

// maxID bounds the id an upstream may hand out, in bytes.
const maxID = 512

// KeySize is the length of a Sealer's key, in bytes (AES-256).
const KeySize = 32

// NewSealer returns a Sealer for a key of KeySize bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("session key: %d bytes: want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return &Sealer{aead: aead, life: Life, now: time.Now}, nil
}

func binding(route, principal string) []byte {
	b := make([]byte, 0, 64)
	b = append(b, "portcullis session v1\x00"...)
	b = binary.AppendUvarint(b, uint64(len(route)))
	b = append(b, route...)
	return append(b, principal...)
}

// Seal returns the id the caller sees. The error is a *portcullis.Error for an
// id that no upstream should hand out: empty, over 512 bytes, not visible ASCII.
func (s *Sealer) Seal(id, route, principal string) (string, error) {
	if id == "" || len(id) > maxID || !visibleASCII(id) {
		return "", &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "reply_rejected", Detail: "upstream session id is not visible ASCII of a sane length"}
	}
	s.ended.forget(digestOf(id, route, principal))
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(id)), uint64(s.now().Unix()))
	plain = append(plain, id...)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, binding(route, principal))), nil
}

// Open returns the upstream's id, or the refusal "not found": a foreign, a
// forged, an expired, an ended and an unknown session look alike.
func (s *Sealer) Open(sealed, route, principal string) (string, error) {
	if len(sealed) > 2*maxID {
		return "", notFound("session id too long")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || strings.ContainsAny(sealed, "\r\n") { // the decoder skips line breaks
		return "", notFound("session id is not one of ours")
	}
	plain, err := s.aead.Open(nil, nil, raw, binding(route, principal))
	if err != nil || len(plain) < 9 {
		return "", notFound("session id is foreign or forged")
	}
	age := s.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)) //nolint:gosec // our own seconds
	if age > s.life {
		return "", notFound("session id is too old")
	}
	if sealedAt := int64(binary.BigEndian.Uint64(plain)); s.cuts.ended(principal, sealedAt) { //nolint:gosec // our own seconds
		e := notFound("session was ended by an operator")
		e.Event = "" // clients that come back late are no attack
		return "", e
	}
	id := string(plain[8:])
	if s.ended.has(digestOf(id, route, principal)) {
		e := notFound("session has ended")
		e.Event = "" // clients that come back late are no attack
		return "", e
	}
	return id, nil
}

// End makes the upstream's id open no more for the principal on the route.
func (s *Sealer) End(id, route, principal string) {
	s.ended.add(digestOf(id, route, principal))
}

func notFound(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindNotFound, Reason: "not_found", Public: "Session not found",
		Event: portcullis.EventUnauthorizedAccess, Detail: detail,
	}
}

func visibleASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
