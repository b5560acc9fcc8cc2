package envelope

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Format of a sealed field: this byte, the id of the key (4 bytes, big
// endian), nonce, ciphertext, tag.
const (
	format   = 0x01
	headSize = 1 + 4
)

// ErrUnknownKey is a field sealed under a key that the ring does not have.
var ErrUnknownKey = errors.New("sealed under a key that is not here")

// Key is a key of a [Ring]. Ids are for ever: a new key has a new id.
type Key struct {
	ID     uint32
	Secret []byte // KeySize random bytes
}

// Ring seals fields for storage. New fields are sealed under the active key;
// those of older keys open until they are sealed again.
type Ring struct {
	active uint32
	boxes  map[uint32]Box
}

// NewRing returns a ring for one purpose. From each key a key of the purpose is
// derived, so that a field of one part never opens as that of another.
func NewRing(purpose string, active Key, older ...Key) (*Ring, error) {
	r := &Ring{active: active.ID, boxes: map[uint32]Box{}}
	for _, k := range slices.Concat([]Key{active}, older) {
		if _, ok := r.boxes[k.ID]; ok {
			return nil, fmt.Errorf("key id %d is there twice", k.ID)
		}
		derived, err := Derive(k.Secret, "portcullis/envelope/v1/"+purpose)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", k.ID, err)
		}
		if r.boxes[k.ID], err = NewBox(derived); err != nil {
			return nil, fmt.Errorf("key %d: %w", k.ID, err)
		}
		clear(derived)
	}
	return r, nil
}

// Seal encrypts a field. place says where it is kept (table, row, column): it
// opens there and nowhere else.
func (r *Ring) Seal(plaintext []byte, place ...string) []byte {
	out := make([]byte, 0, headSize+Overhead+len(plaintext))
	out = binary.BigEndian.AppendUint32(append(out, format), r.active)
	return r.boxes[r.active].Seal(out, plaintext, r.aad(out[:headSize], place))
}

// Open decrypts a field. The error wraps [ErrUnknownKey] or [ErrOpen].
func (r *Ring) Open(sealed []byte, place ...string) ([]byte, error) {
	id, ok := KeyID(sealed)
	if !ok {
		return nil, ErrOpen
	}
	box, ok := r.boxes[id]
	if !ok {
		return nil, fmt.Errorf("key %d: %w", id, ErrUnknownKey)
	}
	return box.Open(sealed[headSize:], r.aad(sealed[:headSize], place))
}

// KeyID returns the id of the key a field says it is sealed under.
func KeyID(sealed []byte) (uint32, bool) {
	if len(sealed) < headSize+Overhead || sealed[0] != format {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:headSize]), true
}

// Reseal seals a field of an older key under the active one. Without need it
// returns the field as it is, and false.
func (r *Ring) Reseal(sealed []byte, place ...string) ([]byte, bool, error) {
	plaintext, err := r.Open(sealed, place...)
	if err != nil {
		return nil, false, err
	}
	defer clear(plaintext)
	if id, _ := KeyID(sealed); id == r.active {
		return sealed, false, nil
	}
	return r.Seal(plaintext, place...), true, nil
}

func (r *Ring) aad(head []byte, place []string) []byte {
	return append(AAD(place...), head...)
}

// KeyWrapper keeps a key safe with something outside: a key management system
// that encrypts and decrypts, and shows its own key to nobody. Unwrap returns
// an error wrapping [ErrOpen] for what was not wrapped here for this aad.
type KeyWrapper interface {
	Wrap(ctx context.Context, key, aad []byte) (string, error)
	Unwrap(ctx context.Context, wrapped string, aad []byte) ([]byte, error)
}
