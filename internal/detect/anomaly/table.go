package anomaly

import (
	"net/netip"
	"strings"
)

// name is what a subject is found by.
type name struct {
	route, name string
}

// table holds the subjects of one kind, the least recently seen last.
type table[K comparable] struct {
	byKey          map[K]*subject
	newest, oldest *subject
	max            int
	evicted        uint64
}

func newTable[K comparable](most int) *table[K] {
	return &table[K]{byKey: make(map[K]*subject), max: most}
}

// touch makes a subject the most recently seen.
func (t *table[K]) touch(s *subject) {
	if t.newest == s {
		return
	}
	t.unlink(s)
	t.link(s)
}

func (t *table[K]) link(s *subject) {
	s.older, s.newr = t.newest, nil
	if t.newest != nil {
		t.newest.newr = s
	}
	t.newest = s
	if t.oldest == nil {
		t.oldest = s
	}
}

func (t *table[K]) unlink(s *subject) {
	if s.newr != nil {
		s.newr.older = s.older
	}
	if s.older != nil {
		s.older.newr = s.newr
	}
	if t.newest == s {
		t.newest = s.older
	}
	if t.oldest == s {
		t.oldest = s.newr
	}
	s.older, s.newr = nil, nil
}

// add takes a new subject in and returns the one that had to go for it.
func (t *table[K]) add(k K, s *subject, keyOf func(*subject) K) (gone *subject) {
	if len(t.byKey) >= t.max && t.oldest != nil {
		gone = t.oldest
		t.unlink(gone)
		delete(t.byKey, keyOf(gone))
		t.evicted++
	}
	t.byKey[k] = s
	t.link(s)
	return gone
}

// each calls f for every subject, the least recently seen first.
func (t *table[K]) each(f func(*subject)) {
	for s := t.oldest; s != nil; s = s.newr {
		f(s)
	}
}

func nameOf(s *subject) name { return name{s.route, s.name} }

// The text of an address subject is its key; a /64 is written as its prefix.
func addrOf(s *subject) netip.Addr {
	text, _, _ := strings.Cut(s.name, "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// ofAddress is the subject that an address belongs to: one of IPv6 is as easy
// to change as a port, the network is not.
func ofAddress(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

func addressText(a netip.Addr) string {
	if a.Is6() {
		return a.String() + "/64"
	}
	return a.String()
}
