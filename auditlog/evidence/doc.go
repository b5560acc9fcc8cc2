// Package evidence verifies what `portcullis incident evidence` wrote, on any
// machine: it needs the file and the key of the audit log.
//
// An archive of evidence is a [bundle]. Beside what the gateway was (its
// configuration, keys, sessions, tools, metrics, versions) it holds a slice of
// the audit log in audit/: the records, the newest checkpoint, and a range
// proof: the hashes of the subtrees before and behind the slice. With the
// hashes of the records themselves they give the root that the checkpoint
// signs. So every record of the slice is proven to be in the log, in its place,
// and none between them is left out.
package evidence
