package groth16

import (
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// Proof is a proof whose points were checked. The zero Proof proves nothing.
type Proof struct {
	a, c bn254.G1Affine
	b    bn254.G2Affine
}

// NewProof checks the points of a proof.
func NewProof(a bn254.G1Affine, b bn254.G2Affine, c bn254.G1Affine) (Proof, error) {
	if err := checkG1(&a, "pi_a"); err != nil {
		return Proof{}, err
	}
	if err := checkG2(&b, "pi_b"); err != nil {
		return Proof{}, err
	}
	if err := checkG1(&c, "pi_c"); err != nil {
		return Proof{}, err
	}
	return Proof{a: a, b: b, c: c}, nil
}

// ParseProof reads a proof.json.
func ParseProof(data []byte) (Proof, error) {
	var p Proof
	err := readValue(data, maxProofBytes, func(r *reader) error {
		return r.object("proof", []member{
			{name: "pi_a", read: func(r *reader, name string) (err error) {
				p.a, err = r.g1(name)
				return err
			}},
			{name: "pi_b", read: into(&p.b)},
			{name: "pi_c", read: func(r *reader, name string) (err error) {
				p.c, err = r.g1(name)
				return err
			}},
			{name: "protocol", read: protocol},
			{name: "curve", read: curve},
		})
	})
	if err != nil {
		return Proof{}, err
	}
	return p, nil
}

// ParsePublic reads a public.json: at least one input, at most MaxInputs.
func ParsePublic(data []byte) ([]fr.Element, error) {
	var inputs []fr.Element
	err := readValue(data, maxPublicBytes, func(r *reader) error {
		n, err := r.list("public inputs", MaxInputs, func(int) error {
			v, err := r.number("public inputs", fr.Modulus())
			if err != nil {
				return err
			}
			var e fr.Element
			e.SetBigInt(v)
			inputs = append(inputs, e)
			return nil
		})
		if err == nil && n == 0 {
			return refuse(WrongCount, "public inputs")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return inputs, nil
}

// Verify returns nil if the proof holds for the inputs, in the order of
// public.json.
//
// It checks e(A, B) = e(alpha, beta) · e(IC₀ + Σ inputᵢ·ICᵢ, gamma) · e(C, delta).
func (k *Key) Verify(p Proof, inputs []fr.Element) error {
	switch {
	case k == nil || len(k.parts.IC) == 0:
		return refuse(NotInitialised, "key")
	case p.a.IsInfinity() || p.b.IsInfinity() || p.c.IsInfinity():
		return refuse(NotInitialised, "proof")
	case len(inputs) != k.Inputs():
		return refuse(WrongCount, "public inputs")
	}
	var sum bn254.G1Jac
	sum.FromAffine(&k.parts.IC[0])
	var n big.Int
	for i := range inputs {
		var term bn254.G1Jac
		term.FromAffine(&k.parts.IC[i+1])
		term.ScalarMultiplication(&term, inputs[i].BigInt(&n))
		sum.AddAssign(&term)
	}
	// The two pairings with points of the key move to the left, negated. They
	// go through the ordinary loop: gnark-crypto's MillerLoopFixedQ writes into
	// the lines it is given, so that a second proof would meet a broken key.
	points := [3]bn254.G1Affine{0: p.a}
	points[1].FromJacobian(sum.Neg(&sum))
	points[2].Neg(&p.c)
	loop, err := bn254.MillerLoop(points[:], []bn254.G2Affine{p.b, k.parts.Gamma, k.parts.Delta})
	if err != nil {
		return refuse(InvalidProof, "")
	}
	if got := bn254.FinalExponentiation(&loop); !got.Equal(&k.alpha) {
		return refuse(InvalidProof, "")
	}
	return nil
}
