// Package secrets tests the credentials of upstreams and where they come from:
// whole gateways, sources and upstreams beside them, and the examples of
// docs/secrets.md run as they stand.
package secrets
