// Package conformance runs the official MCP suites, servers and clients
// against the gateway. Its tests carry the build tag "conformance" because
// they need npm packages, which scripts/setup-tools fetches; `make test` runs
// them.
package conformance
