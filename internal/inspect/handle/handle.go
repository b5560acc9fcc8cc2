// Package handle binds what an upstream hands out to the caller who got it:
// the ids of tasks and the state of a request that waits for more input. On a
// shared upstream whoever knows such a handle could use it; behind this guard
// only its owner can, and a state only for the request it was made for.
//
// A task id keeps its text and gets a tag, a keyed hash of it with route and
// principal: the same id always looks the same to the same caller, who compares
// ids of replies and notifications. A request state is encrypted (AES-256-GCM)
// with route, principal and the digest of the request as associated data, and
// ends after an hour. Nothing is stored.
package handle

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// KeySize is the length of a Sealer's key, in bytes: one half for tags, one for
// states.
const KeySize = 64

// StateLife is how long a request may wait for its input.
const StateLife = time.Hour

// Bounds on what an upstream may hand out, in bytes.
const (
	maxTaskID = 512
	maxState  = 256 << 10
	tagSize   = 16
)

// Sealer makes and opens handles. It is safe for concurrent use.
type Sealer struct {
	tagKey []byte
	aead   cipher.AEAD
	now    func() time.Time
}

// NewSealer returns a Sealer for a key of KeySize bytes. now may be nil.
func NewSealer(key []byte, now func() time.Time) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("handle key: %d bytes: want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key[KeySize/2:])
	if err != nil {
		return nil, fmt.Errorf("handle key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("handle key: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	return &Sealer{tagKey: key[: KeySize/2 : KeySize/2], aead: aead, now: now}, nil
}

// bound is what a handle is good for.
type bound struct{ route, principal string }

func (b bound) append(dst []byte, purpose string) []byte {
	dst = append(append(dst, purpose...), 0)
	dst = binary.AppendUvarint(dst, uint64(len(b.route)))
	dst = append(dst, b.route...)
	dst = binary.AppendUvarint(dst, uint64(len(b.principal)))
	return append(dst, b.principal...)
}

func (s *Sealer) tag(id string, b bound) string {
	mac := hmac.New(sha256.New, s.tagKey)
	mac.Write(append(b.append(nil, "portcullis task v1"), id...))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:tagSize])
}

// task returns the id that the caller sees.
func (s *Sealer) task(id string, b bound) (string, error) {
	if id == "" || len(id) > maxTaskID {
		return "", rejected("task id of the upstream is empty or too long")
	}
	return id + "." + s.tag(id, b), nil
}

// openTask returns the upstream's id, or false for one that the caller was not
// given.
func (s *Sealer) openTask(text string, b bound) (string, bool) {
	i := strings.LastIndexByte(text, '.')
	if i <= 0 || i > maxTaskID {
		return "", false
	}
	id, tag := text[:i], text[i+1:]
	return id, subtle.ConstantTimeCompare([]byte(tag), []byte(s.tag(id, b))) == 1
}

// state returns the request state that the caller sees.
func (s *Sealer) state(state string, b bound, request [32]byte) (string, error) {
	if len(state) > maxState {
		return "", rejected("request state of the upstream is too long")
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(state)), uint64(s.now().Unix()))
	plain = append(plain, state...)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, stateBinding(b, request))), nil
}

func stateBinding(b bound, request [32]byte) []byte {
	return append(b.append(nil, "portcullis request state v1"), request[:]...)
}

// openState returns the upstream's state, or false for one that is foreign,
// forged, too old, or of another request.
func (s *Sealer) openState(text string, b bound, request [32]byte) (string, bool) {
	if len(text) > 2*maxState || strings.ContainsAny(text, "\r\n") { // the decoder skips line breaks
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", false
	}
	plain, err := s.aead.Open(nil, nil, raw, stateBinding(b, request))
	if err != nil || len(plain) < 8 {
		return "", false
	}
	age := s.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)) //nolint:gosec // our own seconds
	return string(plain[8:]), age <= StateLife
}

func rejected(detail string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "reply_rejected", Code: portcullis.CodeInternal, Detail: detail}
}

// foreign refuses a handle. A foreign, a forged, an old and an unknown one look
// alike.
func foreign(what string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Reason: "not_found", Code: portcullis.CodeInvalidParams,
		Public: "Unknown " + what, Event: portcullis.EventUnauthorizedAccess, Detail: what + " is foreign, forged or too old",
	}
}
