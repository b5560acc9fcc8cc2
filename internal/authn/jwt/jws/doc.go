// Package jws reads JSON Web Signatures in compact form, and the keys that
// verify them, so that each has exactly one reading (RFC 7515, RFC 7517, RFC
// 7518). go-jose checks the signatures; all that it is lenient about is refused
// here. Every JWS and JWK case of Project Wycheproof decides as it should; the
// test lists by number the few that are refused on purpose.
//
// Everything here is pure: no network, no clock, no state. Errors are a
// [Reason], which is for the log and never holds anything of the input.
package jws
