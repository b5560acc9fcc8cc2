package index

import (
	"encoding/binary"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// dimension is a field that has lists.
type dimension uint8

// The numbers are in the file.
const (
	dimType dimension = iota + 1
	dimSeverity
	dimOutcome
	dimActor
	dimResource
	dimRoute
	dimReason
	dimAddress
)

// term is one value of a field.
type term struct {
	dim  dimension
	text string
}

// block gathers the records of one block.
type block struct {
	n            int
	first, last  uint64 // sequence numbers
	since, until int64  // least and greatest time in ms
	segments     [2]uint64
	end          journal.Cursor // behind the last record
	lastID       string
	lists        map[term][]uint16
	hashes       map[uint64]struct{}
	times        []byte // differences of the times, zigzag
	refs         []byte // see appendRef
	before       int64
	at           journal.Cursor // where the next record begins if nothing lies between
}

func newBlock() *block {
	return &block{lists: map[term][]uint16{}, hashes: map[uint64]struct{}{}}
}

func (b *block) full() bool { return b.n == BlockSize }

// add takes one record.
func (b *block) add(at, next journal.Cursor, e *portcullis.Event) {
	ms := e.Time.UnixMilli()
	if b.n == 0 {
		b.first, b.since, b.until, b.segments[0] = at.Seq, ms, ms, at.Segment
	}
	b.since, b.until = min(b.since, ms), max(b.until, ms)
	b.last, b.segments[1], b.end, b.lastID = at.Seq, at.Segment, next, e.ID
	b.times = binary.AppendVarint(b.times, ms-b.before)
	b.before = ms
	b.appendRef(at, next)
	b.put(dimType, string(e.Type))
	b.put(dimSeverity, string(e.Severity))
	b.put(dimOutcome, string(e.Outcome))
	b.put(dimResource, e.Resource)
	b.put(dimRoute, e.Route)
	b.put(dimReason, e.Reason)
	for _, name := range actors(e) {
		b.put(dimActor, name)
	}
	b.put(dimAddress, address(e))
	if e.RequestID != "" {
		b.hashes[hashOf(ofRequest, e.RequestID)] = struct{}{}
	}
	texts(e, func(s string) {
		eachWord(s, func(w string) {
			if telling(w) {
				b.hashes[hashOf(ofWord, w)] = struct{}{}
			}
		})
	})
	b.n++
}

// put notes that the record has a value.
func (b *block) put(dim dimension, text string) {
	if text == "" {
		return
	}
	t := term{dim, text}
	list := b.lists[t]
	if p := uint16(b.n); len(list) == 0 || list[len(list)-1] != p {
		b.lists[t] = append(list, p)
	}
}

// appendRef writes where the record stands: its length when it follows the one
// before, else 0 and its place. No record is empty.
func (b *block) appendRef(at, next journal.Cursor) {
	size := uint64(0)
	if next.Segment == at.Segment && next.Offset > at.Offset {
		size = uint64(next.Offset - at.Offset)
	}
	if b.n == 0 || at != b.at || size == 0 {
		b.refs = append(b.refs, 0)
		b.refs = binary.AppendUvarint(b.refs, at.Segment)
		b.refs = binary.AppendUvarint(b.refs, at.Seq)
		b.refs = binary.AppendUvarint(b.refs, uint64(at.Offset))
	}
	b.refs = binary.AppendUvarint(b.refs, size)
	b.at = next
}

// terms returns the terms of the block in a fixed order: equal journals make
// equal files.
func (b *block) terms() []term {
	out := make([]term, 0, len(b.lists))
	for t := range b.lists {
		out = append(out, t)
	}
	slices.SortFunc(out, func(x, y term) int {
		if x.dim != y.dim {
			return int(x.dim) - int(y.dim)
		}
		if x.text < y.text {
			return -1
		}
		return 1
	})
	return out
}

// uvarints reads numbers from b until it is at its end or damaged.
type uvarints struct {
	b   []byte
	bad bool
}

func (u *uvarints) next() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[n:]
	return v
}

// decodeRefs returns where the n records of a block stand.
func decodeRefs(refs []byte, n int) ([]journal.Cursor, error) {
	out := make([]journal.Cursor, 0, n)
	u := uvarints{b: refs}
	var at journal.Cursor
	for range n {
		size := u.next()
		if size == 0 {
			at = journal.Cursor{Segment: u.next(), Seq: u.next(), Offset: int64(u.next())}
			size = u.next()
		}
		if u.bad {
			return nil, errList
		}
		out = append(out, at)
		at.Offset += int64(size)
		at.Seq++
	}
	return out, nil
}

// decodeTimes returns the times of the n records of a block in ms.
func decodeTimes(times []byte, n int) ([]int64, error) {
	out := make([]int64, 0, n)
	at := int64(0)
	for range n {
		d, size := binary.Varint(times)
		if size <= 0 {
			return nil, errList
		}
		times = times[size:]
		at += d
		out = append(out, at)
	}
	return out, nil
}
