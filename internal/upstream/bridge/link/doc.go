// Package link runs the servers of a bridge and carries calls to them.
//
// A [Host] starts servers within its limits and pauses when they keep
// failing. A [Child] is one running server; a [Call] is a request on its way
// through it; an [Exchange] is the client's side of a call: one HTTP request
// that is answered with one message, or with a stream of events when the
// server has more to say. A [Lease] ends what nobody uses.
//
//	client ── Exchange ── Call ── Child ── Conn ── server
//
// The goroutine that reads a server never waits: not for a client, which has
// a bounded queue and is cut when it is full, and not for the server, for
// which the bridge keeps room.
package link
