// Package index answers questions about the audit log without reading all of
// it: by time, type, severity, outcome, actor, resource, route, reason, request
// id, address and words.
//
// The index is a file of its own, AUDIT/index.db. It holds nothing that the
// journal does not show, and can be deleted at any time: it is made again. The
// events themselves stay in the journal; every event that a search returns was
// read from there and compared with the question, so a wrong index can miss an
// event or be slow, but never tell of one that is not in the log.
//
// # Blocks
//
// The index is made of blocks of [BlockSize] records, in the order of the
// journal. For each value of a field (a term) a block lists the records that
// have it. What is different in nearly each record, such as request ids and the
// words of details, stands in one Bloom filter per block: it tells which blocks
// are worth reading. So a question about many fields costs the intersection of
// short lists, and about twenty bytes per record are stored (docs/performance.md).
//
// Records that do not fill a block are not indexed: a search reads the newest
// of them from the journal itself, and so misses nothing that was written
// before it began.
//
// # Processes
//
// The process that holds AUDIT/index.lock writes the index: the gateway while
// it runs, else whoever searches. Any number may read meanwhile.
package index
