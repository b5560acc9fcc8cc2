// Package identity tests who may call: whole gateways, with an authorization
// server beside them, and the examples of docs/identity.md run as they stand.
package identity
