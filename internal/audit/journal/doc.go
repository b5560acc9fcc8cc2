// Package journal is the append-only file behind the audit log: it implements
// [portcullis.Recorder], and everything that looks at events (the tail, the
// security log, sinks, the Merkle log) reads them from here at its own pace.
//
//	AUDIT/journal/00000000000000000000.log   sealed segment, mode 0400
//	AUDIT/journal/00000000000000151230.log   segment in use, mode 0600
//	AUDIT/security.log                       WARN and worse, JSON lines
//
// A segment is named after the sequence number of its first record; the number
// of a record is that plus the lines before it, so that a record keeps its
// number for ever. Package auditlog describes the lines.
//
// # Writing
//
// Callers of [Journal.Record] append to a shared batch under a short lock. Who
// opens a batch leads it: the leader waits for the batch before it, takes what
// has gathered and writes it with one write(2). A lone caller writes at once
// without meeting another goroutine; many callers share writes. What durability
// this gives is said at [Config].
//
// # Failing
//
// A write that stops half-way leaves whole lines only: the rest is cut off
// before anything else is written, and exactly the callers whose line is not in
// the file get an error. The journal tries again with every record and once a
// second, so it recovers by itself. [Journal.Healthy] tells the state.
//
// After a crash [Open] moves a torn last line aside into a .torn file. Damage
// inside a segment is never repaired: the segment is sealed as it is, a
// [EventLogDamaged] event says so, and writing goes on in a new segment.
//
// One process writes a journal: the lock of the data folder sees to that. Any
// number of processes may read it meanwhile.
package journal
