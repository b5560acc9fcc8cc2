// Package edge holds what is decided about a request before anyone is known,
// and the front of the server itself.
//
// # Guards
//
// The guards are [portcullis.EdgeGuard]s and are meant to run in this order:
//
//	Switch   maintenance, draining       503
//	HTTPS    plain HTTP                  308, 403
//	Host     names that are not ours     403   DNS rebinding (CVE-2025-64443, CVE-2026-34742)
//	Origin   pages that are not ours     403   cross-site calls (CVE-2026-33252)
//	CORS     preflights                  204, 403
//	Body     method, size, content type  405, 413, 415
//	Version  API version                 400   built-in endpoints only
//
// Host stands before everything that trusts the Host header, and Origin before
// CORS, so that CORS only ever answers origins it allows. The guard for client
// addresses (package ipfilter) belongs behind Switch, the one that counts
// addresses (package ratelimit) behind CORS.
//
// # Server
//
// [Certificates] makes the TLS configuration and reloads key pairs, [Limits]
// bounds connections, headers, bodies and time, [Headers] writes security
// headers on every response.
package edge
