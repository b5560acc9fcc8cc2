// Package wire reads and edits JSON-RPC 2.0 messages without decoding them.
//
// A message is read once: names must be unique at every depth and strings
// valid UTF-8. An edit sets or removes members of one object; the bytes of
// every other member stay as they were written, so numbers keep their digits
// and strings their escapes.
package wire
