package apikey

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	flushInterval = 10 * time.Second
	useStep       = int64(time.Second / time.Microsecond) // uses closer than this are one
	flushChunk    = 500                                   // uses per store transaction
	maxPending    = 1 << 16                               // uses kept while the store is down
)

// use remembers when one key was last accepted. Noting a use costs two atomic
// loads, and a store at most once per second.
type use struct {
	id     string
	at     atomic.Int64 // microseconds since 1970
	queued atomic.Bool
}

// usage collects uses and writes them to the store in batches.
type usage struct {
	store   Store
	flushMu sync.Mutex // one flush at a time
	mu      sync.Mutex
	pending []*use
}

// note records a use at now. A clock that runs back changes nothing.
func (u *usage) note(k *use, now time.Time) {
	n := now.UnixMicro()
	if n-k.at.Load() < useStep {
		return
	}
	k.at.Store(n)
	// The time is stored before the mark is read, and flush clears the mark
	// before it reads the time: one of the two sees the other.
	if !k.queued.Swap(true) {
		u.enqueue(k)
	}
}

// enqueue drops the use if the store has been away for so long that the queue
// is full: last-used is advice, memory is not.
func (u *usage) enqueue(ks ...*use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, k := range ks {
		if len(u.pending) >= maxPending {
			k.queued.Store(false)
			continue
		}
		u.pending = append(u.pending, k)
	}
}

// flush writes what is pending. What could not be written stays pending.
func (u *usage) flush(ctx context.Context) error {
	u.flushMu.Lock()
	defer u.flushMu.Unlock()
	u.mu.Lock()
	todo := u.pending
	u.pending = nil
	u.mu.Unlock()
	batch := make([]Use, 0, min(len(todo), flushChunk))
	for len(todo) > 0 {
		chunk := todo[:min(len(todo), flushChunk)]
		batch = batch[:0]
		for _, k := range chunk {
			k.queued.Store(false)
			batch = append(batch, Use{ID: k.id, At: time.UnixMicro(k.at.Load()).UTC()})
		}
		if err := u.store.TouchLastUsed(ctx, batch); err != nil {
			for i, k := range todo {
				if i < len(chunk) && k.queued.Swap(true) {
					continue // a caller has queued it again already
				}
				u.enqueue(k)
			}
			return fmt.Errorf("writing last use of %d api keys: %w", len(todo), err)
		}
		todo = todo[len(chunk):]
	}
	return nil
}
