// Package mcp turns the bytes of a Model Context Protocol message into the one
// [portcullis.Message] that they mean, and holds what a gateway has to know of
// the protocol: methods per revision, the HTTP headers that mirror the body,
// lists that show only what the caller may use, and errors that say nothing of
// the inside.
//
// [Parse] reads on the strict reader of package jsonrpc, in the same pass.
// [CheckHeaders] and [ParamHeaders.Check] then hold the headers to the body,
// because whoever decides on one of them must not differ from whoever acts on
// the other. [FilterList] and [MaskError] work on replies.
//
// # Eras
//
// The specification calls revisions that carry version and capabilities in
// every request modern (2026-07-28), and those that begin with an initialize
// handshake legacy (2024-11-05 to 2025-11-25). Both are spoken on one
// endpoint: a request is modern if its MCP-Protocol-Version header or its
// _meta says so ("Versioning and Compatibility", backward compatibility).
//
// Everything here is pure: no I/O, no clock, no state besides that of
// [ParamHeaders]. Requirements S0-32, S0-33, S0-34, X-8 and R-P.
package mcp
