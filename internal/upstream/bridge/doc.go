// Package bridge lets HTTP clients talk to an MCP server that speaks a
// transport with one client per connection: stdio, or HTTP+SSE of 2024-11-05.
// A [Bridge] is the [portcullis.Upstream] of such a route.
//
// # Who gets which server
//
//	2025-11-25 and earlier   initialize starts a server of the session's own;
//	                         Mcp-Session-Id names it; DELETE, silence, its
//	                         death, or a new session of the same principal that
//	                         finds no place while nobody listens to this one,
//	                         end the session (404 from then on)
//	2026-07-28 and later     no session: one server per principal and set of
//	                         client capabilities, ended when nobody uses it
//
// No server ever hears two principals.
//
// # Whichever the server speaks
//
// A server that does not speak the client's era of the protocol is translated
// for. For a stateless client and a server with a handshake, the bridge does
// the handshake, answers server/discover and subscriptions/listen, completes
// results, and turns a question of the server (elicitation, sampling, roots)
// into an input_required result whose requestState, good once and for one
// principal, leads back to the waiting call (package stateless). For a client
// with a session and a server without, it answers initialize, ping,
// logging/setLevel and resources/subscribe, puts the client's identity and
// capabilities into each request, and turns input_required into requests to
// the client (package session).
//
// # What is bounded
//
// Servers, in all and per principal; calls in flight per server; the bytes
// queued for a client, which is cut when it falls behind; the messages kept
// for a client that is away; the time a call, a start and a question may take.
// A server that keeps failing is started again only after a growing pause.
//
// What clients send has been read strictly before it comes here; what servers
// send is, here: a message with a repeated name, invalid UTF-8 or more than one
// reading is dropped. Members that the bridge does not change keep their bytes; request ids and,
// where servers are shared, progress tokens are replaced on the way in and
// restored as written on the way out.
package bridge
