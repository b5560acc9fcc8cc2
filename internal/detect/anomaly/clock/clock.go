// Package clock is a bounded table that forgets, about, who was not seen for
// longest.
package clock

import "slices"

// Entry is a pointer to what a table holds.
type Entry interface {
	comparable
	// Again is where the table notes that the entry was seen again since it looked
	// whom to forget.
	Again() *bool
}

// Table holds entries, at most so many. Who has to go for a new one
// is who was not seen again since the hand passed (the clock algorithm): about
// the least recently seen, without a list that each call has to mend, and who
// comes once does not push out who comes again.
type Table[K comparable, V Entry] struct {
	byKey map[K]V
	keyOf func(V) K
	ring  []V
	hand  int
	max   int
	last  V // found last
}

// New returns a table for so many.
func New[K comparable, V Entry](most int, keyOf func(V) K) *Table[K, V] {
	return &Table[K, V]{byKey: make(map[K]V), keyOf: keyOf, max: most}
}

// Peek returns an entry, the zero V if there is none.
func (t *Table[K, V]) Peek(k K) V { return t.byKey[k] }

// Len is how many there are.
func (t *Table[K, V]) Len() int { return len(t.byKey) }

// Find is Peek, and remembers that the entry was seen again.
func (t *Table[K, V]) Find(k K) V {
	var none V
	if x := t.last; x != none && t.keyOf(x) == k {
		*x.Again() = true
		return x
	}
	x := t.byKey[k]
	if x != none {
		*x.Again(), t.last = true, x
	}
	return x
}

// See is Find for keys that are dear to make of an entry.
func (t *Table[K, V]) See(k K) V {
	var none V
	x := t.byKey[k]
	if x != none {
		*x.Again() = true
	}
	return x
}

// Add takes a new entry in and returns the one that had to go for it.
func (t *Table[K, V]) Add(k K, s V) (gone V) {
	if len(t.ring) >= t.max && len(t.ring) > 0 {
		for t.hand %= len(t.ring); *t.ring[t.hand].Again(); t.hand = (t.hand + 1) % len(t.ring) {
			*t.ring[t.hand].Again() = false
		}
		gone = t.ring[t.hand]
		delete(t.byKey, t.keyOf(gone))
		t.ring[t.hand] = s
		t.hand++
	} else {
		t.ring = append(t.ring, s)
	}
	var none V
	t.byKey[k], t.last = s, none
	return gone
}

// Remove takes an entry out.
func (t *Table[K, V]) Remove(s V) {
	if i := slices.Index(t.ring, s); i >= 0 {
		t.ring = slices.Delete(t.ring, i, i+1)
		delete(t.byKey, t.keyOf(s))
		var none V
		t.last = none
		if t.hand > i {
			t.hand--
		}
	}
}

// Resize bounds the table anew and calls drop for those who have to go.
func (t *Table[K, V]) Resize(most int, drop func(V)) {
	t.max = most
	over := len(t.ring) - most
	for _, seen := range [2]bool{false, true} { // who was seen again goes last
		t.ring = slices.DeleteFunc(t.ring, func(s V) bool {
			if over <= 0 || *s.Again() != seen {
				return false
			}
			over--
			delete(t.byKey, t.keyOf(s))
			drop(s)
			return true
		})
	}
	var none V
	t.last = none
}

// Each calls f for every entry, about the least recently seen first.
func (t *Table[K, V]) Each(f func(V)) {
	hand := min(t.hand, len(t.ring))
	for _, part := range [2][]V{t.ring[hand:], t.ring[:hand]} {
		for _, s := range part {
			f(s)
		}
	}
}
