// Package malicious lets a hostile MCP server try what such servers try, and
// checks that the gateway blocks or defuses each attempt, writes it down, and
// leaves the client with a clean answer. The table of attempts is
// docs/malicious-servers.md.
package malicious
