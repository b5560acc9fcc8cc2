// Package obs is what an operator sees of the gateway: structured logs that
// cannot carry a credential ([NewLogger]), Prometheus metrics with bounded
// labels ([Metrics]) and request ids ([NewID]). It imports nothing of the
// gateway, so every package may use it.
//
// Logs are JSON objects, one per line, with the members
//
//	time    RFC 3339, UTC, milliseconds: "2026-11-22T06:15:19.123Z"
//	level   DEBUG, INFO, WARN, ERROR
//	msg     the message
//	module  the part of the gateway that speaks: its package, or what [Module] says
//
// and the attributes of the line (requirement S1-13). Lines about a call have
// request_id and, if it is traced, trace_id.
package obs
