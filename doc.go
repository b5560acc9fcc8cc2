// Package portcullis is the vocabulary of the Portcullis gateway: what a call
// is, who makes it, what a guard may say about it and what the audit log
// remembers of it.
//
// The package holds no behaviour of the gateway. Guards implement the
// interfaces of guard.go; the order in which they run stands in
// gateway/pipeline.go; which of them a route has is decided in
// gateway/build.go. It imports nothing but the standard library.
//
// # Life of a call
//
//	Conn ──edge──▶ Principal ──decode──▶ Message ──admit, authz, inspect──▶
//	Event(intent) ──forward──▶ Reply ──review──▶ caller ──▶ Event(outcome)
//
// Zero values refuse: the zero [Decision] denies, the zero [Principal] matches
// no rule, the zero [Error] reads "internal error".
package portcullis
