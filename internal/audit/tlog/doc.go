// Package tlog makes the audit journal a transparency log: a Merkle tree over
// its records, kept as c2sp.org/tlog-tiles, whose head is signed again and
// again. Package auditlog, which is public, reads and verifies what stands here
// in the audit folder:
//
//	checkpoint       the newest signed head
//	checkpoint.pub   the key that it is signed with
//	checkpoints/     heads that are kept, named by how many records they cover
//	tile/            the hashes
//
// [Follower] reads the journal and adds each record to [Log]. Record number n
// of the journal is leaf number n of the tree, so the checkpoint is the only
// memory of how far the log has got, and a record can be added twice only in
// vain.
//
// # Order of writing
//
// A checkpoint promises for ever, so everything that it speaks of is on the
// device before it is signed: the segments of the journal, then the tiles, then
// the checkpoint. Tiles behind the checkpoint are leftovers of a crash and are
// written again. A log whose files do not fit its checkpoint, or whose journal
// ends before it, is not signed any further ([ErrRefused]): signing what does
// not continue what was signed is what a log must never do.
package tlog
