package evidence

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// forest is a log in memory.
type forest []auditlog.Hash // stored hashes

func (f forest) ReadHashes(indexes []int64) ([]auditlog.Hash, error) {
	out := make([]auditlog.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = f[n]
	}
	return out, nil
}

func plant(t *rapid.T, size int) (f forest, leaves []auditlog.Hash, c auditlog.Checkpoint) {
	for i := range size {
		h := auditlog.LeafHash(fmt.Appendf(nil, "record %d", i))
		leaves = append(leaves, h)
		more, err := tlog.StoredHashesForRecordHash(int64(i), h, f)
		if err != nil {
			t.Fatal(err)
		}
		f = append(f, more...)
	}
	root, err := tlog.TreeHash(int64(size), f)
	if err != nil {
		t.Fatal(err)
	}
	return f, leaves, auditlog.Checkpoint{Size: uint64(size), Root: root}
}

func (f forest) prove(t *rapid.T, size, first, count int) Range {
	r := Range{First: uint64(first), Count: uint64(count), Size: uint64(size)}
	for _, s := range cover(0, r.First) {
		r.Left = append(r.Left, f[tlog.StoredHashIndex(s.level, int64(s.index))])
	}
	for _, s := range cover(r.First+r.Count, r.Size) {
		r.Right = append(r.Right, f[tlog.StoredHashIndex(s.level, int64(s.index))])
	}
	return r
}

func verify(r Range, c auditlog.Checkpoint, leaves []auditlog.Hash) error {
	k, err := newCheck(r, c)
	if err != nil {
		return err
	}
	for _, h := range leaves {
		if err := k.leaf(h); err != nil {
			return err
		}
	}
	return k.done(c)
}

// TestRange: the proof of any range of any tree verifies, and with any record,
// hash or number changed, added or left out it does not.
func TestRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 300).Draw(t, "size")
		f, leaves, c := plant(t, size)
		first := rapid.IntRange(0, size).Draw(t, "first")
		count := rapid.IntRange(0, size-first).Draw(t, "count")
		slice := leaves[first : first+count]
		r := f.prove(t, size, first, count)
		if err := verify(r, c, slice); err != nil {
			t.Fatalf("the proof of %d records from %d of %d: %v", count, first, size, err)
		}
		if len(r.Left)+len(r.Right) > 20 {
			t.Fatalf("%d hashes", len(r.Left)+len(r.Right))
		}
		bad := auditlog.LeafHash([]byte("no record"))
		all := append(append(append([]auditlog.Hash{}, r.Left...), slice...), r.Right...)
		if len(all) > 0 {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "changed")
			all[i] = bad
			changed := r
			changed.Left, changed.Right = all[:len(r.Left)], all[len(r.Left)+count:]
			if verify(changed, c, all[len(r.Left):len(r.Left)+count]) == nil {
				t.Fatalf("hash %d of %d is changed, and nobody notices", i, len(all))
			}
		}
		if count > 0 && verify(r, c, slice[1:]) == nil || verify(r, c, append(slice[:count:count], bad)) == nil {
			t.Fatal("a record more or less is not noticed")
		}
		for _, moved := range []Range{{r.First + 1, r.Count, r.Size, r.Left, r.Right}, {r.First, r.Count, r.Size + 1, r.Left, r.Right}} {
			if verify(moved, c, slice) == nil {
				t.Fatal("a proof of other numbers verifies")
			}
		}
	})
}
