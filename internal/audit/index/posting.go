package index

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// BlockSize is how many records a block has.
const BlockSize = 8192

// set is a set of positions in a block.
type set [BlockSize / 64]uint64

func (s *set) add(i int) { s[i>>6] |= 1 << (i & 63) }

func (s *set) has(i int) bool { return s[i>>6]>>(i&63)&1 == 1 }

func (s *set) and(o *set) {
	for i := range s {
		s[i] &= o[i]
	}
}

func (s *set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// fill makes s the set of all positions below n.
func (s *set) fill(n int) {
	for i := range s {
		s[i] = ^uint64(0) >> (64 - min(max(n-i*64, 0), 64))
	}
}

// last returns the largest position below end, -1 when there is none.
func (s *set) last(end int) int {
	for i := (end - 1) >> 6; end > 0 && i >= 0; i-- {
		w := s[i]
		if i == (end-1)>>6 {
			w &= ^uint64(0) >> (63 - (end-1)&63)
		}
		if w != 0 {
			return i<<6 + 63 - bits.LeadingZeros64(w)
		}
	}
	return -1
}

// The first byte of a stored list.
const (
	asGaps = 0 // uvarints: the first position, and then the distances
	asBits = 1 // one bit per position, little endian, zero bytes at the end left out
)

var errList = errors.New("list of an index block is damaged")

// encodeList writes ascending positions in the shorter of the two forms.
func encodeList(positions []uint16) []byte {
	gaps := []byte{asGaps}
	before := 0
	for i, p := range positions {
		d := int(p)
		if i > 0 {
			d -= before
		}
		gaps = binary.AppendUvarint(gaps, uint64(d))
		before = int(p)
	}
	size := before/8 + 1
	if len(positions) == 0 || len(gaps) <= 1+size {
		return gaps
	}
	out := make([]byte, 1+size)
	out[0] = asBits
	for _, p := range positions {
		out[1+p/8] |= 1 << (p % 8)
	}
	return out
}

// decodeList adds the positions of a stored list to s.
func decodeList(s *set, list []byte) error {
	if len(list) == 0 {
		return errList
	}
	body := list[1:]
	switch list[0] {
	case asBits:
		if len(body) > BlockSize/8 {
			return errList
		}
		for i, b := range body {
			s[i/8] |= uint64(b) << (i % 8 * 8)
		}
		return nil
	case asGaps:
		at := uint64(0)
		for len(body) > 0 {
			d, n := binary.Uvarint(body)
			if n <= 0 || d >= BlockSize || at+d >= BlockSize {
				return errList
			}
			at += d
			s.add(int(at))
			body = body[n:]
		}
		return nil
	}
	return errList
}
