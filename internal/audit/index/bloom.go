package index

import "hash/fnv"

// A Bloom filter of a block tells of a value that nearly each record has its
// own of whether it can be in the block. One in a thousand answers is a wrong
// yes, which costs a look into the journal.
const (
	bloomBits   = 15 // per value
	bloomProbes = 10
)

// What a value in a filter is.
const (
	ofRequest = 'r'
	ofWord    = 'w'
)

// hashOf returns the hash of a value.
func hashOf(kind byte, value string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte{kind}) // never fails
	_, _ = h.Write([]byte(value))
	x := h.Sum64() // spread its bits: both halves are used
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// makeBloom returns the filter of hashes.
func makeBloom(hashes map[uint64]struct{}) []byte {
	out := make([]byte, max(len(hashes)*bloomBits/8, 8))
	for h := range hashes {
		for i := range uint64(bloomProbes) {
			bit := probe(h, i, len(out))
			out[bit/8] |= 1 << (bit % 8)
		}
	}
	return out
}

// mayHave reports whether a value can be in the block.
func mayHave(bloom []byte, h uint64) bool {
	if len(bloom) == 0 {
		return true
	}
	for i := range uint64(bloomProbes) {
		bit := probe(h, i, len(bloom))
		if bloom[bit/8]>>(bit%8)&1 == 0 {
			return false
		}
	}
	return true
}

func probe(h, i uint64, size int) uint64 {
	return (h&0xffffffff + i*(h>>32|1)) % (uint64(size) * 8)
}

// telling reports whether a word stands in filters: numbers do not, as there
// are more of them than of anything else and nobody looks for them alone.
func telling(word string) bool {
	for i := range len(word) {
		if word[i] < '0' || word[i] > '9' {
			return true
		}
	}
	return false
}
