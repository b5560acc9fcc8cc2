package ratelimit

import "time"

// Result is what a limit says of one call.
type Result struct {
	Allowed    bool
	Limit      int           // calls per window
	Remaining  int           // calls that would pass at once after this one, at most Limit
	Reset      time.Duration // until the limit is wholly unused again
	RetryAfter time.Duration // until the next call passes; 0 when this one did
}

// bucket is a Rate in the units of the arithmetic: nanoseconds.
type bucket struct {
	interval int64 // refill time of one call
	capacity int64 // burst × interval
	limit    int
	index    int // of the rule within its Set, below maxRules
}

// newBucket rounds the interval up, so rounding never lets more through.
func newBucket(r Rate) bucket {
	interval := (int64(r.Window) + int64(r.Limit) - 1) / int64(r.Limit)
	return bucket{interval: interval, capacity: interval * int64(r.Burst), limit: r.Limit}
}

// take is GCRA. It gets the theoretical arrival time of the bucket, which is
// not after now when the bucket is full, and returns the next one. A refused
// call costs nothing.
func (b bucket) take(tat, now int64) (int64, Result) {
	tat = max(tat, now)
	next := tat + b.interval
	if wait := next - b.capacity - now; wait > 0 {
		return tat, Result{Limit: b.limit, Reset: time.Duration(tat - now), RetryAfter: time.Duration(wait)}
	}
	left := (b.capacity - (next - now)) / b.interval
	return next, Result{
		Allowed:   true,
		Limit:     b.limit,
		Remaining: int(min(left, int64(b.limit))),
		Reset:     time.Duration(next - now),
	}
}
