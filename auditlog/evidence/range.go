package evidence

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// Range proves that records are all those of a log from one number to another.
type Range struct {
	First uint64          `json:"first"` // number of the first record
	Count uint64          `json:"count"`
	Size  uint64          `json:"size"` // of the tree that the proof leads to
	Left  []auditlog.Hash `json:"left"` // of the complete subtrees before the range, left to right
	Right []auditlog.Hash `json:"right"`
}

// subtree is a complete one: 2^level leaves from number index<<level on.
type subtree struct {
	level int
	index uint64
}

// cover returns the largest complete subtrees that make up [from, to), left to
// right.
func cover(from, to uint64) []subtree {
	var out []subtree
	for from < to {
		level := bits.Len64(to-from) - 1
		if from != 0 {
			level = min(level, bits.TrailingZeros64(from))
		}
		out = append(out, subtree{level, from >> level})
		from += 1 << level
	}
	return out
}

// ProveRange makes the proof of count records from first on for the log in the
// audit folder dir under checkpoint c.
func ProveRange(dir string, c auditlog.Checkpoint, first, count uint64) (Range, error) {
	if first+count < first || first+count > c.Size {
		return Range{}, fmt.Errorf("records %d to %d are not covered by the checkpoint of %d records", first, first+count, c.Size)
	}
	r := Range{First: first, Count: count, Size: c.Size}
	left, right := cover(0, first), cover(first+count, c.Size)
	indexes := make([]int64, 0, len(left)+len(right))
	for _, s := range append(left[:len(left):len(left)], right...) {
		indexes = append(indexes, tlog.StoredHashIndex(s.level, int64(s.index))) //nolint:gosec // below the size of a tree
	}
	if len(indexes) == 0 {
		return r, nil
	}
	hashes, err := auditlog.Tiles(dir).Hashes(c).ReadHashes(indexes)
	if err != nil {
		return Range{}, fmt.Errorf("proving records %d to %d: %w", first, first+count, err)
	}
	r.Left, r.Right = hashes[:len(left):len(left)], hashes[len(left):]
	return r, nil
}

// root adds up a tree from its complete subtrees, left to right.
type root struct {
	next  uint64 // number of the next leaf
	stack []node
}

type node struct {
	subtree
	hash auditlog.Hash
}

func (r *root) add(s subtree, h auditlog.Hash) {
	r.next = (s.index + 1) << s.level
	n := node{s, h}
	for len(r.stack) > 0 && r.stack[len(r.stack)-1].level == n.level && n.index%2 == 1 {
		n.hash = tlog.NodeHash(r.stack[len(r.stack)-1].hash, n.hash)
		n.level, n.index = n.level+1, n.index/2
		r.stack = r.stack[:len(r.stack)-1]
	}
	r.stack = append(r.stack, n)
}

// hash is the hash of the tree (RFC 6962, 2.1).
func (r *root) hash() (auditlog.Hash, error) {
	if len(r.stack) == 0 {
		return tlog.TreeHash(0, nil)
	}
	h := r.stack[len(r.stack)-1].hash
	for i := len(r.stack) - 2; i >= 0; i-- {
		h = tlog.NodeHash(r.stack[i].hash, h)
	}
	return h, nil
}

// check verifies a range as its leaves come.
type check struct {
	r    Range
	tree root
}

// newCheck begins to verify that leaves are those of a range under c.
func newCheck(r Range, c auditlog.Checkpoint) (*check, error) {
	left := cover(0, r.First)
	end := r.First + r.Count
	switch {
	case r.Size != c.Size:
		return nil, fmt.Errorf("the proof is for %d records, the checkpoint covers %d", r.Size, c.Size)
	case end < r.First || end > c.Size:
		return nil, errors.New("the proof is about records that the checkpoint does not cover")
	case len(left) != len(r.Left) || len(cover(end, c.Size)) != len(r.Right):
		return nil, errors.New("the proof has another number of hashes than it needs")
	}
	k := &check{r: r}
	for i, s := range left {
		k.tree.add(s, r.Left[i])
	}
	return k, nil
}

// leaf adds the hash of the next record.
func (k *check) leaf(h auditlog.Hash) error {
	if k.tree.next >= k.r.First+k.r.Count {
		return fmt.Errorf("there are more than the %d records of the proof", k.r.Count)
	}
	k.tree.add(subtree{0, k.tree.next}, h)
	return nil
}

// done says whether the leaves were those of the range.
func (k *check) done(c auditlog.Checkpoint) error {
	end := k.r.First + k.r.Count
	if k.tree.next != end {
		return fmt.Errorf("there are %d records, the proof is about %d", k.tree.next-k.r.First, k.r.Count)
	}
	for i, s := range cover(end, c.Size) {
		k.tree.add(s, k.r.Right[i])
	}
	h, err := k.tree.hash()
	if err == nil && h != c.Root {
		err = errors.New("the records are not those of the log, or were changed")
	}
	return err
}
