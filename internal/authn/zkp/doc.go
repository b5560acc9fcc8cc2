// Package zkp lets callers log in by a zero-knowledge proof: that they know
// the private key of the public key an operator enrolled for them.
//
// [Registry] keeps who is enrolled. [Login] gives out challenges and takes
// proofs; what it gives for a good one is a session of package token.
//
// What holds, whatever a caller sends: a proof is checked against the enrolled
// public key and the challenge this process made, never against values of the
// request; a challenge is good for one attempt, for one user, for one audience
// and for minutes; an answer does not tell whether a user is enrolled.
package zkp
