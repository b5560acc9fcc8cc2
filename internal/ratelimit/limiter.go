package ratelimit

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"time"
)

// counter is what Limiter and Set share: a table, a seeded hash and a clock.
type counter struct {
	table *table
	seed  maphash.Seed
	mixA  uint64
	mixB  uint64
	clock func() time.Time
	base  time.Time
}

func newCounter(maxKeys int, clock func() time.Time) counter {
	if clock == nil {
		clock = time.Now
	}
	seed := maphash.MakeSeed()
	return counter{
		table: newTable(maxKeys),
		seed:  seed,
		mixA:  maphash.String(seed, "a"),
		mixB:  maphash.String(seed, "b"),
		clock: clock,
		// The table reads 0 as "never used", so time starts above it.
		base: clock().Add(-time.Second),
	}
}

// now is the monotonic time in nanoseconds, at least 1.
func (c *counter) now() int64 { return max(1, int64(c.clock().Sub(c.base))) }

// mix joins two hashes into one; the order matters.
func (c *counter) mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^c.mixA, b^c.mixB^0x9e3779b97f4a7c15)
	return hi ^ lo
}

func (c *counter) hashString(s string) uint64 { return maphash.String(c.seed, s) }

// nat64 is 64:ff9b::/96 (RFC 6052), seen as its upper 64 bits. Every IPv4
// address behind a translator shares them, so there /64 is everybody.
const nat64 = 0x0064ff9b_00000000

// hashAddr hashes a client address: IPv4 whole, IPv6 by /64, which is what one
// subscriber holds. The zero Addr stands for all clients whose address is not
// known.
func (c *counter) hashAddr(a netip.Addr) uint64 {
	a = a.Unmap()
	var key [17]byte
	switch {
	case a.Is4():
		key[0] = 4
		v4 := a.As4()
		copy(key[1:], v4[:])
	case a.Is6():
		key[0] = 6
		v6 := a.As16()
		n := 8
		if binary.BigEndian.Uint64(v6[:8]) == nat64 {
			n = 16
		}
		copy(key[1:], v6[:n])
	}
	return maphash.Bytes(c.seed, key[:])
}

// Limiter counts any number of keys against one [Rate]. It is safe for
// concurrent use, allocates nothing per call, and its memory is bounded by the
// number of keys it was made for; see the package comment for what happens
// beyond that.
type Limiter struct {
	counter
	bucket bucket
}

// New returns a Limiter for at least maxKeys keys in use at a time
// ([DefaultMaxKeys] if 0). A nil clock is [time.Now], whose monotonic reading
// keeps limits right when the wall clock is set. A clock that jumps back limits
// more until it has caught up.
func New(r Rate, maxKeys int, clock func() time.Time) (*Limiter, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if maxKeys < 0 || maxKeys > MaxMaxKeys {
		return nil, fmt.Errorf("max_keys: %d: want 0 to %d", maxKeys, MaxMaxKeys)
	}
	return &Limiter{counter: newCounter(maxKeys, clock), bucket: newBucket(r)}, nil
}

// Take counts one call of key.
func (l *Limiter) Take(key string) Result {
	return l.table.take(l.bucket, l.hashString(key), l.now())
}

// TakeAddr counts one call of a client address, IPv6 by /64.
func (l *Limiter) TakeAddr(a netip.Addr) Result {
	return l.table.take(l.bucket, l.hashAddr(a), l.now())
}

// WaitAddr returns how long a client address has to wait until a call passes, 0
// if one would pass now. It counts nothing.
func (l *Limiter) WaitAddr(a netip.Addr) time.Duration {
	return l.table.peek(l.bucket, l.hashAddr(a), l.now()).RetryAfter
}

// Reset forgets every count.
func (l *Limiter) Reset() { l.table.reset() }

// Stats tells how full the Limiter is.
func (l *Limiter) Stats() Stats { return l.table.stats(l.now()) }
