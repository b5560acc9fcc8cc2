// Package admin is the administration API: /api/v1, described by
// /api/v1/openapi.json, and /metrics.
//
// It decides nothing about access: the gateway puts it behind a pipeline of
// its own (docs/decisions/0004), over the admin listener and over the socket
// in the data folder. Handlers act on behalf of the principal that pipeline
// found, and every call has its intent and outcome in the audit journal.
//
// [Client] is the other side, which the command line uses.
package admin
