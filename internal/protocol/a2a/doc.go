// Package a2a turns the bytes of an Agent2Agent request or answer into the one
// [portcullis.Message] that they mean, and holds what a gateway has to know of
// the protocol: its versions, bindings, methods and errors, to whom an answer
// belongs, and when a stream is at its end.
//
//   - [Decoder] reads requests of version 1.0 and 0.3, as JSON-RPC and as
//     HTTP+JSON. A message names methods as version 1.0 does, whatever the
//     caller spoke.
//   - [ReadReply] reads answers and stream events, [FilterTasks] leaves of a
//     list what is the caller's, [MaskError] takes from errors what callers
//     must not learn, and [AppendError] says what the gateway refuses.
//   - [Look] finds in a message what guards decide on: where notifications are
//     to be sent, where files are to be fetched, media types.
//
// Every object is held to the schema of its version by package shape, and
// requests besides to [Rules]. What the two versions say differently is not
// translated: the bytes that were read are the bytes that travel.
//
// Everything here is pure: no I/O, no clock, no state. Requirements S0-14,
// S0-15, S0-33, S0-34, R0-6, R-P and X-8.
package a2a
