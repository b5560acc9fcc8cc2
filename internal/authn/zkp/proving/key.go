package proving

import (
	"errors"
	"fmt"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// Key is a proving key of the login circuit.
type Key struct {
	system     *circuit.System
	size       int // of the evaluation domain, a power of two
	verifying  groth16.Parts
	beta1      bn254.G1Affine
	delta1     bn254.G1Affine
	a, b1      []bn254.G1Affine // per wire
	b2         []bn254.G2Affine // per wire
	c          []bn254.G1Affine // per wire that is not public
	h          []bn254.G1Affine // per element of the domain
	verifyWith *groth16.Key
}

// What is wrong with a proving key.
var (
	ErrFormat       = errors.New("not a zkey file of Groth16 over BN254")
	ErrOtherCircuit = errors.New("the proving key is for another circuit, or for this one compiled in another way: compile login.circom with --O1")
)

// Verifying returns the verification key that belongs to the proving key.
func (k *Key) Verifying() *groth16.Key { return k.verifyWith }

// free is how many wires have a value that everybody knows: the constant and
// the public inputs.
const free = circuit.PublicInputs + 1

// domainSize returns the least power of two with room for every constraint and
// the rows that bind the public inputs.
func domainSize(s *circuit.System) int {
	n := 1
	for n < len(s.Constraints)+free {
		n *= 2
	}
	return n
}

// entry is one coefficient of the matrix A (0) or B (1).
type entry struct {
	matrix, row, wire uint32
	value             fr.Element
}

// matrices returns A and B as snarkjs writes them: constraint by constraint,
// and then a row for each wire that everybody knows, so that no proof can be
// bent to another public input.
func matrices(s *circuit.System) []entry {
	var all []entry
	for row, c := range s.Constraints {
		for m, terms := range [][]circuit.Term{c.A, c.B} {
			for _, t := range terms {
				all = append(all, entry{uint32(m), uint32(row), t.Wire, t.Coef})
			}
		}
	}
	for wire := range uint32(free) {
		all = append(all, entry{0, uint32(len(s.Constraints)) + wire, wire, fr.One()})
	}
	return all
}

// sameMatrices compares without regard to order.
func sameMatrices(a, b []entry) bool {
	compare := func(x, y entry) int {
		for _, d := range []int64{int64(x.matrix) - int64(y.matrix), int64(x.row) - int64(y.row), int64(x.wire) - int64(y.wire)} {
			if d != 0 {
				return int(d)
			}
		}
		return x.value.Cmp(&y.value)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, compare)
	slices.SortFunc(b, compare)
	return slices.Equal(a, b)
}

// finish makes the verification key, which checks most of the header.
func (k *Key) finish() (*Key, error) {
	var err error
	if k.verifyWith, err = groth16.NewKey(k.verifying); err != nil {
		return nil, fmt.Errorf("verification key in the proving key: %w", err)
	}
	return k, nil
}
