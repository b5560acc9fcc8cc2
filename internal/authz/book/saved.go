package book

import (
	"context"
	"errors"
	"sync"
)

// batch is how many records one transaction stores.
const batch = 1000

// Version says how much of a value the store has. A value of a [Saved] book holds
// one.
type Version struct{ now, stored uint64 }

// Unstored reports whether the store lacks something of the value.
func (v *Version) Unstored() bool { return v.now != v.stored }

// Saved is a book whose changes a store gets behind the calls that make them. An
// entry that the store does not have yet is kept. Make one with [NewSaved].
type Saved[K comparable, V, R any] struct {
	*Book[K, V]
	version func(*V) *Version
	record  func(K, *V) R
	save    func(context.Context, []R) error

	mu      sync.Mutex
	changed map[K]struct{} // not stored yet; a key is added when its value was
	wake    chan struct{}  // something is in changed

	flushing sync.Mutex // one flush at a time: an older value never overwrites a newer
}

// NewSaved returns a book of about max entries ([DefaultMax] if 0). version finds
// the version in a value, record makes of an entry what save stores; save stores
// all of its records or none.
func NewSaved[K comparable, V, R any](max int, version func(*V) *Version, record func(K, *V) R, save func(context.Context, []R) error) *Saved[K, V, R] {
	return &Saved[K, V, R]{
		Book:    New[K](max, func(v *V) bool { return version(v).Unstored() }),
		version: version, record: record, save: save,
		changed: map[K]struct{}{}, wake: make(chan struct{}, 1),
	}
}

// Changed notes that the value of an entry, which the caller has taken, is another
// than before.
func (s *Saved[K, V, R]) Changed(k K, value *V) {
	v := s.version(value)
	waiting := v.Unstored()
	v.now++
	if waiting {
		return
	}
	s.mu.Lock()
	s.changed[k] = struct{}{}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Wake is sent to when there is something to store.
func (s *Saved[K, V, R]) Wake() <-chan struct{} { return s.wake }

// Flush stores what changed until now. What could not be stored is tried again by
// the next one.
func (s *Saved[K, V, R]) Flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	changed := s.changed
	s.changed = map[K]struct{}{}
	s.mu.Unlock()
	var errs []error
	size := min(batch, len(changed))
	keys, list, versions := make([]K, 0, size), make([]R, 0, size), make([]uint64, 0, size)
	write := func() {
		err := s.save(ctx, list)
		if err != nil {
			errs = append(errs, err)
		}
		s.settle(keys, versions, err == nil)
		keys, list, versions = keys[:0], list[:0], versions[:0]
	}
	for k := range changed {
		e, err := s.Take(k)
		if err != nil { // it holds what is not stored, so it is there
			errs = append(errs, err)
			continue
		}
		keys, list, versions = append(keys, k), append(list, s.record(k, &e.Value)), append(versions, s.version(&e.Value).now)
		e.Release()
		if len(list) == batch {
			write()
		}
	}
	if len(list) > 0 {
		write()
	}
	return errors.Join(errs...)
}

// settle notes which versions the store has. What changed meanwhile, or was not
// stored, is due again.
func (s *Saved[K, V, R]) settle(keys []K, versions []uint64, ok bool) {
	for i, k := range keys {
		e, err := s.Take(k)
		if err != nil {
			continue
		}
		v := s.version(&e.Value)
		if ok {
			v.stored = versions[i]
		}
		if v.Unstored() {
			s.mu.Lock()
			s.changed[k] = struct{}{}
			s.mu.Unlock()
		}
		e.Release()
	}
}
