package proving

import (
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// Prove makes a proof for a challenge, and returns it with the public inputs it
// is for: public key, challenge. It has verified what it returns.
func (k *Key) Prove(private *circuit.PrivateKey, challenge fr.Element) (groth16.Proof, []fr.Element, error) {
	witness, err := k.system.Witness(private, challenge)
	if err != nil {
		return groth16.Proof{}, nil, err
	}
	defer clear(witness)
	inputs := append([]fr.Element(nil), witness[1:free]...)
	proof, err := k.prove(witness)
	if err != nil {
		return groth16.Proof{}, nil, err
	}
	if err := k.verifyWith.Verify(proof, inputs); err != nil {
		return groth16.Proof{}, nil, fmt.Errorf("the proving key makes proofs that do not verify: %w", err)
	}
	return proof, inputs, nil
}

// prove follows Groth16 ("On the Size of Pairing-based Non-interactive
// Arguments", 2016, section 3.2). The random r and s are what keeps the witness
// unknown.
func (k *Key) prove(witness []fr.Element) (groth16.Proof, error) {
	var r, s fr.Element
	defer r.SetZero()
	defer s.SetZero()
	for _, e := range []*fr.Element{&r, &s} {
		if _, err := e.SetRandom(); err != nil {
			return groth16.Proof{}, fmt.Errorf("drawing the randomness of a proof: %w", err)
		}
	}
	quotient, err := k.quotient(witness)
	if err != nil {
		return groth16.Proof{}, err
	}
	defer clear(quotient)
	sum := sums{}
	a, b1 := sum.g1(k.a, witness), sum.g1(k.b1, witness)
	c, h := sum.g1(k.c, witness[free:]), sum.g1(k.h, quotient)
	b2 := sum.g2(k.b2, witness)
	if sum.err != nil {
		return groth16.Proof{}, fmt.Errorf("making a proof: %w", sum.err)
	}
	// A = alpha + Σ + r·delta, B = beta + Σ + s·delta
	a.AddMixed(&k.verifying.Alpha)
	a.AddAssign(times(&k.delta1, &r))
	b1.AddMixed(&k.beta1)
	b1.AddAssign(times(&k.delta1, &s))
	b2.AddMixed(&k.verifying.Beta)
	var delta2 bn254.G2Jac
	delta2.FromAffine(&k.verifying.Delta)
	b2.AddAssign(delta2.ScalarMultiplication(&delta2, s.BigInt(new(big.Int))))
	// C = Σ + H + s·A + r·B − r·s·delta
	c.AddAssign(h)
	var aAffine, b1Affine bn254.G1Affine
	aAffine.FromJacobian(a)
	b1Affine.FromJacobian(b1)
	c.AddAssign(times(&aAffine, &s))
	c.AddAssign(times(&b1Affine, &r))
	var minus fr.Element
	minus.Mul(&r, &s).Neg(&minus)
	c.AddAssign(times(&k.delta1, &minus))

	var cAffine bn254.G1Affine
	var bAffine bn254.G2Affine
	cAffine.FromJacobian(c)
	bAffine.FromJacobian(b2)
	return groth16.NewProof(aAffine, bAffine, cAffine)
}

func times(p *bn254.G1Affine, e *fr.Element) *bn254.G1Jac {
	var j bn254.G1Jac
	j.FromAffine(p)
	return j.ScalarMultiplication(&j, e.BigInt(new(big.Int)))
}

// sums adds multiples of points and keeps the first error.
type sums struct{ err error }

func (s *sums) g1(points []bn254.G1Affine, by []fr.Element) *bn254.G1Jac {
	j := new(bn254.G1Jac)
	if _, err := j.MultiExp(points, by, ecc.MultiExpConfig{}); err != nil && s.err == nil {
		s.err = err
	}
	return j
}

func (s *sums) g2(points []bn254.G2Affine, by []fr.Element) *bn254.G2Jac {
	j := new(bn254.G2Jac)
	if _, err := j.MultiExp(points, by, ecc.MultiExpConfig{}); err != nil && s.err == nil {
		s.err = err
	}
	return j
}

// quotient returns A·B − C at the elements between those of the domain. On the
// domain itself it is zero, so these values say all, and the points H of the
// key hold the division by the vanishing polynomial.
func (k *Key) quotient(witness []fr.Element) ([]fr.Element, error) {
	shift, err := fft.Generator(uint64(2 * k.size))
	if err != nil {
		return nil, fmt.Errorf("domain of %d elements: %w", 2*k.size, err)
	}
	domain := fft.NewDomain(uint64(k.size), fft.WithShift(shift))
	a, b, c := make([]fr.Element, k.size), make([]fr.Element, k.size), make([]fr.Element, k.size)
	for _, e := range matrices(k.system) {
		to := a
		if e.matrix == 1 {
			to = b
		}
		add(&to[e.row], &e.value, &witness[e.wire])
	}
	for i := range c {
		c[i].Mul(&a[i], &b[i]) // what C is, for a witness that holds
	}
	for _, v := range [][]fr.Element{a, b, c} {
		domain.FFTInverse(v, fft.DIF)
		domain.FFT(v, fft.DIT, fft.OnCoset())
	}
	for i := range a {
		a[i].Mul(&a[i], &b[i]).Sub(&a[i], &c[i])
	}
	clear(b)
	clear(c)
	return a, nil
}
