// Package session serves clients of MCP 2025-11-25 and earlier: each session
// has a server of its own, which ends with it.
//
// What the server says beside its answers goes to the stream of the call it
// belongs to, or to the session's GET stream, which can be taken up again
// where it broke (Last-Event-ID). A server without sessions is translated for
// (down.go).
package session
