// Package circuit is the statement that a zero-knowledge login proves,
// "portcullis login v1":
//
//	I know privateKey, such that publicKey = Poseidon(privateKey),
//	and I made this proof for challenge.
//
// publicKey and challenge are public, in this order; privateKey stays with its
// holder. login.circom is the source. login.r1cs is what the circom compiler
// makes of it; test/zkp compiles it again and compares every byte. Both are
// part of the program, so that a proof can be made without any other tool.
//
// A [System] is the compiled circuit. It computes a public key, and the witness
// that a prover needs, by solving the constraints themselves: there is no
// second description of Poseidon that could differ from the one proved.
package circuit
