package auditlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 hash of the Merkle tree, as RFC 6962 makes them.
type Hash = tlog.Hash

// MaxLeaf is the longest leaf of the tree in bytes: what the length in an
// entry bundle of c2sp.org/tlog-tiles can say.
const MaxLeaf = 1<<16 - 1

// What leaves that are not an entry begin with. No entry begins so, and
// [Verify] takes no line of the journal that does.
const (
	oversizePrefix = `{"oversize":`
	damagedPrefix  = `{"damaged":`
)

// Leaf returns what the tree holds for an entry: the bytes of the entry as they
// are in the journal, without checksum. For an entry longer than [MaxLeaf] it
// is an object with its length and its SHA-256.
func Leaf(entry []byte) []byte {
	if len(entry) <= MaxLeaf {
		return entry
	}
	sum := sha256.Sum256(entry)
	leaf := append([]byte(nil), oversizePrefix...)
	leaf = strconv.AppendInt(leaf, int64(len(entry)), 10)
	leaf = append(leaf, `,"sha256":"`...)
	leaf = hex.AppendEncode(leaf, sum[:])
	return append(leaf, `"}`...)
}

// DamagedLeaf returns what the tree holds for a record that could not be read
// when it was added: its number.
func DamagedLeaf(seq uint64) []byte {
	leaf := strconv.AppendUint([]byte(damagedPrefix), seq, 10)
	return append(leaf, '}')
}

// StandsIn reports whether a line of the journal holds what only a leaf may be.
func StandsIn(entry []byte) bool {
	return bytes.HasPrefix(entry, []byte(oversizePrefix)) || bytes.HasPrefix(entry, []byte(damagedPrefix))
}

// LeafHash returns the hash of an entry's leaf.
func LeafHash(entry []byte) Hash { return tlog.RecordHash(Leaf(entry)) }

// Hasher makes leaf hashes without allocating. It is used by one goroutine.
type Hasher struct {
	h   hash.Hash
	sum []byte
}

// NewHasher returns a Hasher.
func NewHasher() *Hasher { return &Hasher{h: sha256.New(), sum: make([]byte, 0, sha256.Size)} }

// LeafHash returns the hash of an entry's leaf.
func (h *Hasher) LeafHash(entry []byte) (out Hash) {
	h.h.Reset()
	h.h.Write([]byte{0}) // RFC 6962, 2.1: a leaf
	h.h.Write(Leaf(entry))
	h.sum = h.h.Sum(h.sum[:0])
	copy(out[:], h.sum)
	return out
}
