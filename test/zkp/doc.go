// Package zkp holds our circuit, prover and verifier against those of others:
// the circom compiler, circomlib and snarkjs, which scripts/setup-tools fetches
// from npm. Without them its tests are skipped; `make test` fetches them.
package zkp
