package zkp

import (
	"errors"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// inputs is how many public inputs the circuit of the login has: public key
// and challenge, in this order.
const inputs = 2

// circuitKey is the verification key of the login's circuit.
type circuitKey struct{ key *groth16.Key }

// NewVerifier returns the verifier of a key of the login's circuit.
func NewVerifier(key *groth16.Key) (Verifier, error) {
	if key == nil || key.Inputs() != inputs {
		return nil, errors.New("the verification key is that of another circuit: want two public inputs, public key and challenge")
	}
	return circuitKey{key}, nil
}

// Verify implements [Verifier].
func (c circuitKey) Verify(proof []byte, publicKey, challenge Element) error {
	p, err := groth16.ParseProof(proof)
	if err != nil {
		return err
	}
	in := make([]fr.Element, 0, inputs)
	for _, e := range [inputs]Element{publicKey, challenge} {
		v, err := groth16.ParseScalar(string(e))
		if err != nil {
			return err
		}
		in = append(in, v)
	}
	return c.key.Verify(p, in)
}
