// Package sse reads and writes server-sent events as the WHATWG HTML standard
// defines them (section 9.2, "Server-sent events"), one event at a time and
// within a bound.
//
// A [Reader] hands out every block of the stream, those that a browser would
// not dispatch included: a block of comments is what keeps a connection alive,
// and a gateway has to pass it on. An event that is not changed is forwarded as
// its [Event.Raw] bytes; one that is changed is written with [AppendEvent].
//
// Lines end with LF, CR or CRLF; a byte order mark at the start of the stream
// is dropped. Reading never waits for a byte that the event does not need: a
// blank line that ends with CR is complete, whether an LF follows or not.
package sse
