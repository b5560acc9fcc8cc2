// Package stateless serves clients of MCP 2026-07-28: the calls of a principal
// share a server, under ids and progress tokens of the bridge's own.
//
// A server that wants a handshake is translated for (up.go), subscriptions
// (listen.go) and questions to the user included (input.go).
package stateless
