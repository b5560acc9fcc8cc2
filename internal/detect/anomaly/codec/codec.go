// Package codec writes and reads the values of a state file. What is read is
// not trusted: no value is longer than what is there, no number is none.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// MaxText is the longest text, in bytes. Longer ones are cut.
const MaxText = 1 << 12

// ErrDamaged is for a state file that is not what was written.
var ErrDamaged = errors.New("the file is damaged")

// Encoder appends values to B.
type Encoder struct{ B []byte }

// U16 appends a value.
func (e *Encoder) U16(v uint16) { e.B = binary.LittleEndian.AppendUint16(e.B, v) }

// U32 appends a value.
func (e *Encoder) U32(v uint32) { e.B = binary.LittleEndian.AppendUint32(e.B, v) }

// U64 appends a value.
func (e *Encoder) U64(v uint64) { e.B = binary.LittleEndian.AppendUint64(e.B, v) }

// I64 appends a value.
func (e *Encoder) I64(v int64) { e.U64(uint64(v)) }

// F64 appends a value.
func (e *Encoder) F64(v float64) { e.U64(math.Float64bits(v)) }

// F32 appends a value.
func (e *Encoder) F32(v float32) { e.U32(math.Float32bits(v)) }

// Text appends a value.
func (e *Encoder) Text(s string) {
	s = s[:min(len(s), MaxText)]
	e.U16(uint16(len(s)))
	e.B = append(e.B, s...)
}

// Decoder reads values from B until something is wrong, which Err says.
type Decoder struct {
	B   []byte
	Err error
}

// Take reads n bytes.
func (r *Decoder) Take(n int) []byte {
	if r.Err != nil || n < 0 || n > len(r.B) {
		r.Err = ErrDamaged
		return nil
	}
	out := r.B[:n]
	r.B = r.B[n:]
	return out
}

// U16 reads a value.
func (r *Decoder) U16() uint16 {
	if b := r.Take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads a value.
func (r *Decoder) U32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads a value.
func (r *Decoder) U64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// I64 reads a value.
func (r *Decoder) I64() int64 { return int64(r.U64()) }

func (r *Decoder) F64() float64 {
	v := math.Float64frombits(r.U64())
	if !(v >= 0 && v <= 1e18) {
		r.Err = ErrDamaged
		return 0
	}
	return v
}

// F32 reads a number that can have been counted.
func (r *Decoder) F32() float32 {
	v := math.Float32frombits(r.U32())
	if !(v >= 0 && v <= 1e18) {
		r.Err = ErrDamaged
		return 0
	}
	return v
}

// Text reads a value.
func (r *Decoder) Text() string {
	n := int(r.U16())
	if n > MaxText {
		r.Err = ErrDamaged
		return ""
	}
	return string(r.Take(n))
}

// Fail notes that a value is not sound.
func (r *Decoder) Fail(err error) {
	if err != nil && r.Err == nil {
		r.Err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
}
