// Package content applies content rules to messages: what a string holds may
// pass, is masked, redacted, replaced by a token, cleaned, refused, or only
// noted.
//
// An [Engine] is the guard "content" of one route. It walks every string of a
// message wherever it stands, values and member names, and whole numbers long
// enough to be one of a card. It knows nothing of the shapes of a protocol but
// the places that must not be rewritten: an id, a method, the name of a tool.
// What is found there by a rule that would rewrite refuses the message.
//
// One pass over the bytes of a string tells which detectors it can concern
// ([finding.Hint]); a message in which nothing is found costs that pass and no
// memory. A string is unescaped only if it holds a backslash, so a secret
// spelled with \u escapes is found as any other. Members that carry base64
// (data, blob, bytes) are read as they stand and, where they hold text, as
// what they encode.
//
// A rewritten message has the same bytes as before outside of the strings that
// a rule changed, parses as strictly as before, and is left alone when it
// comes by again.
//
// What is split over several strings, or encoded in other ways than these, is
// not put together.
package content
