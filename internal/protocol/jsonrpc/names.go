package jsonrpc

import (
	"bytes"
	"hash/maphash"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonstring"
)

// few is how many names of an object are compared one by one. Beyond it a
// hash table keeps an object of many members from costing their square.
const few = 16

// inline is how many names find room without an allocation: more than most
// messages hold at once.
const inline = 24

// nameSet holds the names of the objects that are being read: those of the
// innermost one follow those of the objects around it. It keeps places instead
// of slices, and grows by hand instead of with append, so that the compiler can
// see that the scanner and what it points to stay on the stack.
type nameSet struct {
	first [inline]place
	more  []place // the names behind the first ones
	count int
	text  []byte   // names that had to be unescaped
	base  int      // first name of the innermost object
	table []bucket // finds the names of larger objects; length a power of two
	used  int      // buckets in use
	seed  maphash.Seed
}

// place is where a name stands: in the message, or in text if unescaped.
type place struct {
	start, end int32
	unescaped  bool
}

func (n *nameSet) name(b []byte, p place) []byte {
	if p.unescaped {
		b = n.text
	}
	return b[p.start:p.end]
}

// unescape keeps what an accepted string says as a name. Its inside is b[start:end].
func (n *nameSet) unescape(b []byte, start, end int) place {
	from := len(n.text)
	if need := from + end - start; need > cap(n.text) {
		grown := make([]byte, from, 2*need)
		copy(grown, n.text)
		n.text = grown
	}
	said, _ := jsonstring.Unescape(n.text[from:from], b, start) // there is room: it does not move
	n.text = n.text[:from+len(said)]
	return place{offset(from), offset(len(n.text)), true}
}

func (n *nameSet) at(i int) place {
	if i < inline {
		return n.first[i]
	}
	return n.more[i-inline]
}

func (n *nameSet) push(p place) {
	at := n.count
	n.count++
	if at < inline {
		n.first[at] = p
		return
	}
	if at -= inline; at == len(n.more) {
		grown := make([]place, 2*at+inline)
		copy(grown, n.more)
		n.more = grown
	}
	n.more[at] = p
}

// bucket places a name. It outlives the object of the name: whether it still
// tells something is seen from the name it points to.
type bucket struct {
	hash  uint64
	index int32 // of the name, plus one; 0 = free
}

// enter begins an object and returns what leave wants to know.
func (n *nameSet) enter() (outer, text int) {
	outer, n.base = n.base, n.count
	return outer, len(n.text)
}

// leave ends the innermost object.
func (n *nameSet) leave(outer, text int) {
	n.count, n.base, n.text = n.base, outer, n.text[:text]
}

// add adds a name of the message b to the innermost object. It reports false
// if it is there.
func (n *nameSet) add(b []byte, p place) bool {
	name := n.name(b, p)
	count := n.count - n.base
	if count <= few {
		for i := n.base; i < n.count; i++ {
			if bytes.Equal(n.name(b, n.at(i)), name) {
				return false
			}
		}
		n.push(p)
		if count == few {
			for i := n.base; i < n.count; i++ {
				n.insert(b, i)
			}
		}
		return true
	}
	hash := maphash.Bytes(n.seed, name)
	for at := hash; ; at++ {
		slot := n.table[at&uint64(len(n.table)-1)]
		if slot.index == 0 {
			break
		}
		i := int(slot.index) - 1
		if slot.hash == hash && i >= n.base && i < n.count && bytes.Equal(n.name(b, n.at(i)), name) {
			return false
		}
	}
	n.push(p)
	n.insert(b, n.count-1)
	return true
}

// insert makes the table find a name.
func (n *nameSet) insert(b []byte, i int) {
	if 2*n.used >= len(n.table) {
		n.rebuild(b)
	}
	n.put(b, i)
}

// rebuild makes the table anew, large enough and with nothing but the names
// that are there.
func (n *nameSet) rebuild(b []byte) {
	if n.table == nil {
		n.seed = maphash.MakeSeed()
	}
	size := 16 * few
	for size < 4*n.count {
		size *= 2
	}
	if size <= len(n.table) {
		clear(n.table)
	} else {
		n.table = make([]bucket, size)
	}
	n.used = 0
	for i := range n.count {
		n.put(b, i)
	}
}

func (n *nameSet) put(b []byte, i int) {
	hash := maphash.Bytes(n.seed, n.name(b, n.at(i)))
	for at := hash; ; at++ {
		slot := &n.table[at&uint64(len(n.table)-1)]
		if slot.index == 0 {
			*slot = bucket{hash, offset(i) + 1}
			n.used++
			return
		}
		if int(slot.index) == i+1 && slot.hash == hash {
			return
		}
	}
}
