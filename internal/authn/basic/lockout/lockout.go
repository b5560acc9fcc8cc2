// Package lockout makes guessers wait: after a number of failures in a row a
// key is locked, and every further failure doubles the time.
//
// An attempt is charged before it is decided ([Table.Try]) and the charge is
// given back if it succeeds, so that many guesses at the same time get no more
// tries than one after the other. Memory is bounded: when it is full of keys
// that still count, all others share one count, which locks more and never
// less; no flood of other keys makes the table forget one.
package lockout

import (
	"errors"
	"sync"
	"time"
)

// Key is a digest of whatever is counted.
type Key [16]byte

// Config says when keys are locked.
type Config struct {
	After int           // failures in a row that are free
	First time.Duration // wait after the first failure beyond
	Max   time.Duration // longest wait
	Size  int           // keys that are remembered; 0 = 65536
}

const (
	defaultSize = 1 << 16
	keepFactor  = 4 // failures are forgotten after so many times Max without another
	sweepEvery  = time.Second
)

// Table counts failures by key. It is safe for concurrent use.
type Table struct {
	cfg     Config
	mu      sync.Mutex
	entries map[Key]*entry
	shared  entry // of the keys that found no room
	swept   time.Time
}

type entry struct {
	failures int
	until    time.Time // locked until then
	last     time.Time
}

// New returns an empty table.
func New(c Config) (*Table, error) {
	if c.After < 1 || c.First <= 0 || c.Max < c.First || c.Size < 0 {
		return nil, errors.New("lockout: want After of at least 1 and 0 < First ≤ Max")
	}
	if c.Size == 0 {
		c.Size = defaultSize
	}
	return &Table{cfg: c, entries: map[Key]*entry{}}, nil
}

// Wait returns how long a key is still locked, 0 if it is not.
func (t *Table) Wait(k Key, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[k]
	if e == nil {
		if len(t.entries) < t.cfg.Size {
			return 0
		}
		e = &t.shared
	}
	return max(0, e.until.Sub(now))
}

// Charge is an attempt that was counted as a failure.
type Charge struct {
	Failures int // in a row, this one included

	key         Key
	on          *entry
	was, became time.Time
}

// Try charges an attempt unless the key is locked, and returns how long it still
// is. Both are one step: of many who come at once no more pass than one after
// the other.
func (t *Table) Try(k Key, now time.Time) (Charge, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(k, now)
	if wait := e.until.Sub(now); wait > 0 {
		return Charge{}, wait
	}
	return t.charge(e, k, now), 0
}

// Charge counts an attempt as failed, before its outcome is known, locked or
// not.
func (t *Table) Charge(k Key, now time.Time) Charge {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.charge(t.entry(k, now), k, now)
}

func (t *Table) charge(e *entry, k Key, now time.Time) Charge {
	if t.forgotten(e, now) {
		*e = entry{}
	}
	e.failures++
	e.last = now
	c := Charge{Failures: e.failures, key: k, on: e, was: e.until}
	if over := e.failures - t.cfg.After; over >= 0 {
		e.until = now.Add(t.wait(over))
	}
	c.became = e.until
	return c
}

// wait is First doubled over times, at most Max.
func (t *Table) wait(over int) time.Duration {
	d := t.cfg.First
	for range over {
		if d >= t.cfg.Max/2 {
			return t.cfg.Max
		}
		d *= 2
	}
	return min(d, t.cfg.Max)
}

// Refund takes a charge back: the attempt was no failure, or was not decided.
func (t *Table) Refund(c Charge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := c.on
	if e != &t.shared && t.entries[c.key] != e {
		return // forgotten meanwhile
	}
	e.failures = max(0, e.failures-1)
	if e.until.Equal(c.became) { // nobody else has failed since
		e.until = c.was
	}
}

// Forget unlocks a key and forgets its failures.
func (t *Table) Forget(k Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, k)
}

// entry returns that of a key, a new one, or the shared one if there is no room.
func (t *Table) entry(k Key, now time.Time) *entry {
	if e := t.entries[k]; e != nil {
		return e
	}
	if len(t.entries) >= t.cfg.Size && now.Sub(t.swept) >= sweepEvery {
		t.swept = now
		for k, e := range t.entries {
			if t.forgotten(e, now) {
				delete(t.entries, k)
			}
		}
	}
	if len(t.entries) >= t.cfg.Size {
		return &t.shared
	}
	e := &entry{last: now}
	t.entries[k] = e
	return e
}

func (t *Table) forgotten(e *entry, now time.Time) bool {
	return now.Sub(e.last) > keepFactor*t.cfg.Max && now.After(e.until)
}

// Len is the number of keys that are remembered.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}
