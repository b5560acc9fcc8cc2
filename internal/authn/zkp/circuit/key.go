package circuit

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// PrivateKey is a field element that only its holder knows. It never prints.
// The zero PrivateKey is refused wherever one is used.
type PrivateKey struct{ e fr.Element }

// maxDigits is the number of digits of the order of the group.
const maxDigits = 77

// ErrPrivateKey is what is wrong with the text of a private key, without it.
var ErrPrivateKey = errors.New("want a private key: one decimal number without leading zero, above 0 and below the order of BN254, as 'portcullis zkp keygen' writes")

// NewPrivateKey draws a private key, every one as likely.
func NewPrivateKey() (*PrivateKey, error) { return drawKey(rand.Reader) }

// drawKey takes 48 bytes, 128 bits more than the order has, so that reducing
// them favours no value that anyone could notice.
func drawKey(random io.Reader) (*PrivateKey, error) {
	var b [48]byte
	defer clear(b[:])
	k := &PrivateKey{}
	for k.e.IsZero() {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("drawing a private key: %w", err)
		}
		k.e.SetZero()
		for _, v := range b {
			k.shift(256, uint64(v))
		}
	}
	return k, nil
}

// shift makes the key key*base + digit.
func (k *PrivateKey) shift(base, digit uint64) {
	var b, d fr.Element
	b.SetUint64(base)
	d.SetUint64(digit)
	k.e.Mul(&k.e, &b).Add(&k.e, &d)
	d.SetZero()
}

// ParsePrivateKey reads a private key: its only spelling, with nothing around
// it but one line end. It leaves no copy of text behind.
func ParsePrivateKey(text []byte) (*PrivateKey, error) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	order := []byte(fr.Modulus().String())
	switch {
	case len(text) == 0, len(text) > maxDigits, text[0] == '0':
		return nil, ErrPrivateKey
	case len(text) == len(order) && bytes.Compare(text, order) >= 0:
		return nil, ErrPrivateKey
	}
	k := &PrivateKey{}
	for _, c := range text {
		if c < '0' || c > '9' {
			k.Clear()
			return nil, ErrPrivateKey
		}
		k.shift(10, uint64(c-'0'))
	}
	return k, nil
}

// AppendDecimal appends the key as ParsePrivateKey reads it. It has a name of its
// own, so that no encoder finds it. Whoever asks for the text
// clears it.
func (k *PrivateKey) AppendDecimal(to []byte) ([]byte, error) {
	if k.e.IsZero() {
		return to, ErrPrivateKey
	}
	left := k.e.Bits() // least significant word first
	defer clear(left[:])
	var digits [maxDigits]byte
	defer clear(digits[:])
	n := len(digits)
	for left != [4]uint64{} {
		rest := uint64(0)
		for i := len(left) - 1; i >= 0; i-- {
			left[i], rest = bits.Div64(rest, left[i], 10)
		}
		n--
		digits[n] = byte('0' + rest)
	}
	return append(to, digits[n:]...), nil
}

// Clear overwrites the key.
func (k *PrivateKey) Clear() { k.e.SetZero() }

// Format keeps the key out of every text.
func (PrivateKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// MarshalText keeps the key out of every encoding.
func (PrivateKey) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
