// Package book keeps one entry for each of any number of callers in bounded
// memory, in front of a store that has them all. It has a lock for each of its
// parts and one for each entry, so callers do not wait for one another.
//
// An entry that is in use, or that holds what the store does not have yet, is
// never dropped. So there is at most one entry of a key at any time, and what
// was written through an entry is what the next one reads.
package book

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

const (
	parts = 64 // power of two
	tries = 16 // entries looked at for one that can be dropped
)

// DefaultMax is how many entries are kept when none are in use.
const DefaultMax = 1 << 17

// ErrFull says that no entry can be dropped: all hold what is not stored.
var ErrFull = errors.New("too many callers at a time")

// Book is the entries. Make one with [New].
type Book[K comparable, V any] struct {
	seed  maphash.Seed
	max   int           // per part
	keep  func(*V) bool // whether an entry that nobody uses must stay
	parts [parts]part[K, V]
}

type part[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*Entry[V]
	_       [48]byte // keeps the locks of neighbours apart
}

// Entry is what is kept of one key. Value belongs to whoever took the entry,
// until Release.
type Entry[V any] struct {
	Value V
	pins  atomic.Int32 // raised under the part's lock
	mu    sync.Mutex
}

// New returns a book of about max entries ([DefaultMax] if 0). keep, which may
// be nil, says which entries may not be dropped.
func New[K comparable, V any](max int, keep func(*V) bool) *Book[K, V] {
	if max <= 0 {
		max = DefaultMax
	}
	b := &Book[K, V]{seed: maphash.MakeSeed(), max: (max + parts - 1) / parts, keep: keep}
	for i := range b.parts {
		b.parts[i].entries = map[K]*Entry[V]{}
	}
	return b
}

// Take returns the entry of a key, a zero one if there is none, and locks it.
// The caller must release it. It takes a second entry only while it holds the
// lock of none, or in an order that all keep to.
func (b *Book[K, V]) Take(k K) (*Entry[V], error) {
	p := &b.parts[maphash.Comparable(b.seed, k)&(parts-1)]
	p.mu.Lock()
	e := p.entries[k]
	if e == nil {
		if len(p.entries) >= b.max && !p.drop(b.keep) && len(p.entries) >= 2*b.max {
			p.mu.Unlock()
			return nil, ErrFull
		}
		e = new(Entry[V])
		p.entries[k] = e
	}
	e.pins.Add(1)
	p.mu.Unlock()
	e.mu.Lock()
	return e, nil
}

// Release gives the entry back.
func (e *Entry[V]) Release() {
	e.mu.Unlock()
	e.pins.Add(-1)
}

// drop forgets one entry that nobody uses and nobody needs. Nobody can begin to
// use one meanwhile: that takes the lock held here.
func (p *part[K, V]) drop(keep func(*V) bool) bool {
	looked := 0
	for k, e := range p.entries {
		if e.pins.Load() == 0 && (keep == nil || !keep(&e.Value)) {
			delete(p.entries, k)
			return true
		}
		if looked++; looked == tries {
			break
		}
	}
	return false
}

// Forget drops the entries that match and that nobody uses right now. match
// must be quick, and must not use the book.
func (b *Book[K, V]) Forget(match func(K, *V) bool) {
	for i := range b.parts {
		p := &b.parts[i]
		p.mu.Lock()
		for k, e := range p.entries {
			if e.pins.Load() == 0 && match(k, &e.Value) {
				delete(p.entries, k)
			}
		}
		p.mu.Unlock()
	}
}

// Len is the number of entries.
func (b *Book[K, V]) Len() int {
	n := 0
	for i := range b.parts {
		p := &b.parts[i]
		p.mu.Lock()
		n += len(p.entries)
		p.mu.Unlock()
	}
	return n
}
