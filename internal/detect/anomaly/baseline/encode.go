package baseline

import (
	"encoding/binary"
	"errors"
	"math"
)

// Sizes of encoded values, in bytes.
const (
	MomentsSize  = 12
	BaselineSize = MomentsSize + 2*kept + 4 + 4 + 3
	SeasonSize   = 3 * Hours
)

// errUnsound is for what no stream of values can have made.
var errUnsound = errors.New("numbers that no values make")

func appendFloat(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
}

func float(src []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(src)) }

// Append appends the encoded moments.
func (m *Moments) Append(dst []byte) []byte {
	return appendFloat(appendFloat(appendFloat(dst, m.N), m.Mean), m.M2)
}

// Decode reads what Append wrote, from MomentsSize bytes.
func (m *Moments) Decode(src []byte) error {
	*m = Moments{N: float(src), Mean: float(src[4:]), M2: float(src[8:])}
	if !m.sound() {
		return errUnsound
	}
	return nil
}

// Append appends the encoded baseline.
func (b *Baseline) Append(dst []byte) []byte {
	dst = b.Moments.Append(dst)
	for _, v := range b.recent {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(v))
	}
	dst = appendFloat(appendFloat(dst, b.middle), b.robust)
	return append(dst, b.count, b.next, b.odd)
}

// Decode reads what Append wrote, from BaselineSize bytes.
func (b *Baseline) Decode(src []byte) error {
	if err := b.Moments.Decode(src); err != nil {
		return err
	}
	src = src[MomentsSize:]
	for i := range b.recent {
		b.recent[i] = int16(binary.LittleEndian.Uint16(src[2*i:]))
	}
	src = src[2*kept:]
	b.middle, b.robust = float(src), float(src[4:])
	b.count, b.next, b.odd = src[8], src[9], src[10]
	finite := func(v float32) bool { return v == v && math.Abs(float64(v)) <= math.MaxFloat32 }
	if !finite(b.middle) || !finite(b.robust) || b.robust < 0 || b.count > kept || b.next >= kept {
		return errUnsound
	}
	return nil
}

// Append appends the encoded season.
func (s *Season) Append(dst []byte) []byte {
	for _, v := range s.mean {
		dst = binary.LittleEndian.AppendUint16(dst, v)
	}
	return append(dst, s.weeks[:]...)
}

// Decode reads what Append wrote, from SeasonSize bytes.
func (s *Season) Decode(src []byte) error {
	for i := range s.mean {
		s.mean[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
	copy(s.weeks[:], src[2*Hours:SeasonSize])
	for _, w := range s.weeks {
		if w > seasonMemory {
			return errUnsound
		}
	}
	return nil
}
