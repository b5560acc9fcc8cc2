// Package auditlog is the format of the Portcullis audit log: what one entry
// looks like, how it is framed in a segment of the journal, and how to read a
// segment back without trusting it. An auditor needs this package and nothing
// else of the gateway.
//
// # Entry
//
// An entry is one JSON object on one line, made by [AppendEntry] and read by
// [ParseEntry]:
//
//	{"id":"0199…","time":"2026-11-22T06:15:19.123Z","type":"AUTHZ_DENIED",
//	 "severity":"WARN","outcome":"failure","actor":{"id":"alice",…},…}
//
// id, time, type, severity and outcome are always there, in this order; empty
// members are left out. Strings are valid UTF-8 whatever the event held, and
// no character in them can end a line, move a cursor or reorder text.
//
// # Line
//
// A segment of the journal holds one entry per line, with its CRC-32C in front:
//
//	<8 hex digits> <entry>\n
//
// The checksum finds damage, not forgery. [Reader] walks a segment and tells a
// torn tail ([ErrTorn]: the last line has no end yet) from damage
// ([CorruptError]).
package auditlog
