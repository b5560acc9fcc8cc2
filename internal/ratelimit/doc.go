// Package ratelimit says how often a caller may call (requirements S0-27 to
// S0-30, S1-11, S3-26, X-3).
//
// # Algorithm
//
// Every limit is a bucket of the generic cell rate algorithm (GCRA, ITU-T
// I.371): a bucket holds Burst calls and refills one call each Window/Limit.
// Its whole state is one theoretical arrival time, 8 bytes. In any stretch of
// time as long as Window at most Limit+Burst calls pass. The arithmetic in
// gcra.go is pure; time comes from an injected clock.
//
// # Memory
//
// State lives in a table of shards, each with its own lock and a bounded
// number of slots, see [Limiter]. A bucket that is full again is the same as no
// bucket, so its slot may be taken by anyone and nothing needs sweeping. A
// bucket that is not full is never evicted: no flood of other addresses resets
// an attacker's own count. When a caller finds no slot it shares the shard's
// overflow bucket with all others who found none, so exhaustion of memory
// limits more, never less.
//
// # Rules
//
// A [Rule] is a rate and a scope, "100/1m per key". A [Set] counts the rules
// of one route and offers them as two guards: [Set.Edge] counts addresses
// before anyone is known, [Set.Caller] counts callers, tools and the route.
// Scopes are counted from the narrowest to the route, which all callers share:
// a call that is refused has cost its caller an attempt where it passed, and
// never costs others.
//
// # Reply headers
//
// Every counted request gets, whether it passes or not:
//
//	X-RateLimit-Limit      calls allowed per window of the tightest limit
//	X-RateLimit-Remaining  calls that limit would let through at once
//	X-RateLimit-Reset      seconds, from now, until that limit is wholly unused again
//	RateLimit-Policy       all limits:  "key";q=100;w=60
//	RateLimit              their state: "key";r=99;t=1
//
// The last two follow draft-ietf-httpapi-ratelimit-headers-10. Reset and t are
// delta seconds, rounded up, never a clock time. The keys are stored in Go's
// canonical spelling (X-Ratelimit-Limit); header names have no case.
package ratelimit
