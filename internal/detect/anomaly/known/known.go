// Package known remembers, in few bytes and without pointers, what a subject
// has had to do with before.
package known

import "math/bits"

// Names are hashes of names, as a Bloom filter. The zero value holds none.
type Names [4]uint64

// Countries are those seen last, latest first. The zero value holds none.
type Countries [4]uint16

// bloom is the number of bits for one name.
const bloom = 3

func (s *Names) holds(hash uint64) bool {
	for i := range bloom {
		b := hash >> (8 * i) & 255
		if s[b>>6]&(1<<(b&63)) == 0 {
			return false
		}
	}
	return true
}

// Note remembers a name and reports whether it is new. A full memory calls
// nothing new.
func (s *Names) Note(hash uint64) bool {
	if s.holds(hash) {
		return false
	}
	for i := range bloom {
		b := hash >> (8 * i) & 255
		s[b>>6] |= 1 << (b & 63)
	}
	return true
}

// Count is about how many names are remembered.
func (s *Names) Count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return (n + bloom - 1) / bloom
}

// Visit remembers a country and reports whether it is new and others were
// known before.
func (s *Countries) Visit(country string) bool {
	if len(country) != 2 {
		return false
	}
	code := uint16(country[0])<<8 | uint16(country[1])
	for i, c := range s {
		if c == code {
			copy(s[1:i+1], s[:i]) // latest first: the least recent is forgotten
			s[0] = code
			return false
		}
	}
	known := s[0] != 0
	copy(s[1:], s[:len(s)-1])
	s[0] = code
	return known
}
