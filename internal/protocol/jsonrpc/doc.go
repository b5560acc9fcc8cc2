// Package jsonrpc reads JSON-RPC 2.0 messages so that each has exactly one
// reading, in one pass, within limits, without building a tree.
//
// A gateway decides on one reading of a message and an upstream acts on
// another as soon as two JSON parsers disagree: over a name that occurs twice,
// a name that differs in case or in an invisible character, a byte that is no
// UTF-8, bytes after the end. A [Reader] refuses every such message, so that
// what was decided on can be forwarded as the bytes that arrived.
//
// What is refused, besides text that is not JSON (RFC 8259) or not I-JSON
// (RFC 7493):
//
//   - sizes beyond [Limits]; the message itself is at depth 1;
//   - a name that occurs twice in an object, however it is escaped, and a name
//     that holds a NUL, at every level;
//   - in the objects that the protocol defines ([Members]), any other spelling
//     of a member: escaped, in other case, in compatibility forms, with
//     accents, spaces, control or invisible characters;
//   - numbers that no float64 holds; lone surrogates; a byte order mark;
//   - batches, unknown members of the message, and anything that is not exactly
//     one of request, notification, result and error;
//   - ids other than strings of up to 256 bytes and integers that every JSON
//     parser keeps apart (at most 2^53-1 in magnitude); null is no id.
//
// The scanner is written by hand because each of these rules needs something
// that a tokenizer does not show: where a name stands and how it is spelled,
// which object it is in, how long a string is once unescaped. It allocates
// nothing and costs no more than what encoding/json/jsontext costs for its tokens
// alone. Fuzz tests hold it to accepting a subset of what jsontext accepts in
// its strict mode, with the same values.
//
// Requirements S0-14, S0-18, S0-32 and R-P; known holes of this kind are
// CVE-2026-27896 and GHSA-q382-vc8q-7jhj.
package jsonrpc
