package ratelimit

import (
	"sync"
	"sync/atomic"
)

const (
	shardCount = 64 // power of two
	probe      = 16 // slots looked at per key: four cache lines
	firstSlots = 64 // slots of a shard at first use; power of two
)

// DefaultMaxKeys is the number of callers a table remembers when none is
// configured: at 16 bytes a slot, at most 2 MiB.
const DefaultMaxKeys = 1 << 17

// slot holds a key and its theoretical arrival time. A slot whose time is not
// in the future stands for a full bucket, which is the same as no bucket.
type slot struct {
	key uint64
	tat int64
}

// shard is one lock and the slots under it. Its size, a multiple of a cache
// line, keeps the locks of neighbours apart.
type shard struct {
	mu    sync.Mutex
	slots []slot // power of two, nil until used
	// overflow holds, by rule, the arrival time shared by all who found no
	// slot. One for all rules would let a slow limit block the fast ones.
	overflow [maxRules]int64
	_        [32]byte
}

// table maps keys to arrival times in bounded memory. It is safe for
// concurrent use and starts no goroutine.
type table struct {
	shards    [shardCount]shard
	maxSlots  int // per shard, power of two
	overflows atomic.Uint64
}

func newTable(maxKeys int) *table {
	if maxKeys <= 0 {
		maxKeys = DefaultMaxKeys
	}
	per := firstSlots
	for per*shardCount < maxKeys {
		per *= 2
	}
	return &table{maxSlots: per}
}

// take counts one call of key, which must be a hash, against b.
func (t *table) take(b bucket, key uint64, now int64) Result {
	// The shard comes from the top bits, the slot from the low ones.
	s := &t.shards[key>>58&(shardCount-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(key, now)
	for at < 0 && s.grow(now, t.maxSlots) {
		at = s.find(key, now)
	}
	var r Result
	if at < 0 {
		t.overflows.Add(1)
		shared := &s.overflow[b.index]
		*shared, r = b.take(*shared, now)
		return r
	}
	entry := &s.slots[at]
	if entry.key != key {
		*entry = slot{key: key}
	}
	entry.tat, r = b.take(entry.tat, now)
	return r
}

// peek says what take would, and counts nothing.
func (t *table) peek(b bucket, key uint64, now int64) Result {
	s := &t.shards[key>>58&(shardCount-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	var tat int64
	switch at := s.find(key, now); {
	case at >= 0 && s.slots[at].key == key:
		tat = s.slots[at].tat
	case at < 0 && len(s.slots) >= t.maxSlots:
		tat = s.overflow[b.index]
	}
	_, r := b.take(tat, now)
	return r
}

// find returns the slot of key, else a free one, else -1.
func (s *shard) find(key uint64, now int64) int {
	free := -1
	mask := len(s.slots) - 1
	for i := range min(probe, len(s.slots)) {
		at := (int(key) + i) & mask
		entry := &s.slots[at]
		switch {
		case entry.tat == 0: // never used, so nobody ever went past it
			if free < 0 {
				free = at
			}
			return free
		case entry.key == key:
			return at
		case free < 0 && entry.tat <= now:
			free = at
		}
	}
	return free
}

// grow doubles the slots, keeping only buckets that are not full. It reports
// whether there is room that was not there before.
func (s *shard) grow(now int64, limit int) bool {
	for size := max(firstSlots, 2*len(s.slots)); size <= limit; size *= 2 {
		next := shard{slots: make([]slot, size)}
		if next.adopt(s.slots, now) {
			s.slots = next.slots
			return true
		}
	}
	return false
}

// adopt copies the live entries of from; false means that one found no place.
func (s *shard) adopt(from []slot, now int64) bool {
	for _, entry := range from {
		if entry.tat <= now {
			continue
		}
		at := s.find(entry.key, now)
		if at < 0 {
			return false
		}
		s.slots[at] = entry
	}
	return true
}

// reset forgets everything.
func (t *table) reset() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.slots, s.overflow = nil, [maxRules]int64{}
		s.mu.Unlock()
	}
}

// stats counts the buckets in use and the slots that hold them.
func (t *table) stats(now int64) Stats {
	st := Stats{Overflows: t.overflows.Load()}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		st.Slots += len(s.slots)
		for _, entry := range s.slots {
			if entry.tat > now {
				st.Live++
			}
		}
		s.mu.Unlock()
	}
	return st
}

// Stats tells how full a table is, for metrics.
type Stats struct {
	Live      int    // callers that have used part of a limit
	Slots     int    // slots allocated, 16 bytes each
	Overflows uint64 // calls counted in a shared bucket because no slot was free
}
