// Package groth16 reads Groth16 proofs on the curve BN254 in the form that
// snarkjs writes, and verifies them.
//
//	verification_key.json ──▶ ParseKey    ─┐
//	proof.json            ──▶ ParseProof  ─┼─▶ Key.Verify ──▶ nil or *Error
//	public.json           ──▶ ParsePublic ─┘
//
// Everything read here has exactly one spelling: numbers are decimals in JSON
// strings without sign or leading zero, public inputs are below the order of
// the group, coordinates below the field's prime, z is 1, no member is unknown
// or occurs twice, nothing follows. An input plus the order (CVE-2023-33252),
// which snarkjs itself lets pass, is therefore refused, and so is every point
// that is off the curve, at infinity or outside the subgroup. Keys with which
// anyone could forge a proof are refused too.
//
// A proof is not a name for anything: whoever sees one can make another that is
// as valid, from (A, B, C) to (−A, −B, C) or (xA, B/x, C). What is to happen
// once must hang on the public inputs, never on the bytes of a proof.
//
// The arithmetic and the pairing are gnark-crypto's; nothing here is secret, so
// nothing needs constant time. The package is pure: no clock, no state, no I/O.
package groth16
