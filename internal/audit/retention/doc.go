// Package retention keeps the audit journal as long as it has to be kept, and
// not longer.
//
// A [Keeper] works in passes. Each pass divides ended segments by class of
// retention (see package sealed), archives class files, removes those whose
// time is over, and measures what is left. Every step leaves the journal
// readable, and what a crash interrupts the next pass finishes:
//
//	write class files → read back → manifest → remove the segment
//	archive → event, synced → manifest says removed → remove the class file
//
// # Time
//
// Nothing is removed on the word of a clock that may be wrong. The keeper has a
// clock of its own, kept in AUDIT/sealed/clock: it never runs ahead of the wall
// clock, never goes back, and gains at most a day for each hour that the
// gateway runs. While the wall clock is behind it, nothing is removed; while it
// is behind the wall clock, nothing is divided. The age of a segment is counted
// from its newest event, but never from before that of the segment before it,
// nor from after the keeper's time at its division.
//
// # Order
//
// Files of class audit go only when nothing older is left of any class. So the
// events that tell of removals stay as long as what is before them matters, and
// the newest one says where the log begins.
package retention
