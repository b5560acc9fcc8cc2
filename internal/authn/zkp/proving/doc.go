// Package proving makes Groth16 proofs of the login circuit, and the keys that
// takes.
//
// A proving key is a zkey file of snarkjs, whether a ceremony made it or
// [Setup]: the same key serves snarkjs in a browser, snarkjs in Node and this
// package, and the proofs of all of them verify under one verification key.
//
//	Setup ──▶ Key ──▶ Marshal ──▶ login.zkey ──▶ Parse ──▶ Key ──▶ Prove
//	           └────▶ Verifying ──▶ verification_key.json
//
// A key that is read must be for this circuit: its matrices are compared with
// the circuit's, its points are checked, and every proof is verified before it
// is handed out. A key that was made to betray whoever proves with it could
// still do so; take proving keys from whom you trust.
//
// Proofs are made where the private key is, on its holder's machine. Nothing
// here runs in constant time.
package proving
