package proving

import (
	"crypto/sha256"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// secrets are what a setup must forget: whoever knows them can log in as
// anyone.
type secrets struct{ tau, alpha, beta, delta fr.Element }

func (s *secrets) clear() { *s = secrets{} }

// Setup makes keys for the login circuit, alone: good for development, and for
// nothing else, because everybody has to believe that this process forgot the
// secrets. A ceremony asks that of one participant out of many. The keys carry a
// mark: see [Development].
func Setup(system *circuit.System) (*Key, error) {
	var s secrets
	defer s.clear()
	size := domainSize(system)
	for _, e := range []*fr.Element{&s.tau, &s.alpha, &s.beta, &s.delta} {
		for e.IsZero() || e.IsOne() {
			if _, err := e.SetRandom(); err != nil {
				return nil, fmt.Errorf("drawing the secrets of a setup: %w", err)
			}
		}
	}
	return setup(system, size, &s)
}

func setup(system *circuit.System, size int, s *secrets) (*Key, error) {
	rows, odd, err := lagrange(size, s.tau)
	if err != nil {
		return nil, err
	}
	// u, v and w are the polynomials of each wire at tau.
	u, v, w := make([]fr.Element, system.Wires), make([]fr.Element, system.Wires), make([]fr.Element, system.Wires)
	for _, e := range matrices(system) {
		to := u
		if e.matrix == 1 {
			to = v
		}
		add(&to[e.wire], &e.value, &rows[e.row])
	}
	for row, c := range system.Constraints {
		for _, t := range c.C {
			add(&w[t.Wire], &t.Coef, &rows[row])
		}
	}
	gamma, gamma2 := developmentGamma()
	var perDelta, perGamma fr.Element
	perDelta.Inverse(&s.delta)
	perGamma.Inverse(&gamma)
	sums := make([]fr.Element, system.Wires)
	for i := range sums {
		var x fr.Element
		sums[i].Mul(&s.beta, &u[i])
		sums[i].Add(&sums[i], x.Mul(&s.alpha, &v[i])).Add(&sums[i], &w[i])
		if i < free {
			sums[i].Mul(&sums[i], &perGamma)
		} else {
			sums[i].Mul(&sums[i], &perDelta)
		}
	}
	for i := range odd {
		odd[i].Mul(&odd[i], &perDelta)
	}
	defer clear(odd)
	defer clear(sums)
	defer clear(rows)

	_, _, g1, g2 := bn254.Generators()
	k := &Key{
		system: system, size: size,
		a: bn254.BatchScalarMultiplicationG1(&g1, u), b1: bn254.BatchScalarMultiplicationG1(&g1, v),
		b2: bn254.BatchScalarMultiplicationG2(&g2, v),
		c:  bn254.BatchScalarMultiplicationG1(&g1, sums[free:]),
		h:  bn254.BatchScalarMultiplicationG1(&g1, odd),
	}
	k.verifying.IC = bn254.BatchScalarMultiplicationG1(&g1, sums[:free])
	in1 := bn254.BatchScalarMultiplicationG1(&g1, []fr.Element{s.alpha, s.beta, s.delta})
	in2 := bn254.BatchScalarMultiplicationG2(&g2, []fr.Element{s.beta, s.delta})
	k.verifying.Alpha, k.beta1, k.delta1 = in1[0], in1[1], in1[2]
	k.verifying.Beta, k.verifying.Gamma, k.verifying.Delta = in2[0], gamma2, in2[1]
	return k.finish()
}

// developmentGamma is the gamma of every key that Setup makes. Its value is no
// secret, as that of snarkjs is none, which is 1; so it can be the mark by which
// a key for development is known wherever it is copied to.
func developmentGamma() (fr.Element, bn254.G2Affine) {
	sum := sha256.Sum256([]byte("portcullis: key for development, made by one process alone"))
	var e fr.Element
	e.SetBytes(sum[:])
	var p bn254.G2Affine
	p.ScalarMultiplicationBase(e.BigInt(new(big.Int)))
	return e, p
}

// Development reports whether Setup made the key.
func Development(k *groth16.Key) bool {
	_, gamma := developmentGamma()
	parts := k.Parts()
	return parts.Gamma.Equal(&gamma)
}

func add(to, a, b *fr.Element) {
	var product fr.Element
	to.Add(to, product.Mul(a, b))
}

// lagrange returns the Lagrange polynomials of the domain of size elements at
// tau, and those of the domain of twice the size that belong to the elements
// between: snarkjs divides by the vanishing polynomial by evaluating there.
func lagrange(size int, tau fr.Element) (at, between []fr.Element, err error) {
	all, err := lagrangeAt(2*size, tau)
	if err != nil {
		return nil, nil, err
	}
	for i := 1; i < len(all); i += 2 {
		between = append(between, all[i])
	}
	clear(all)
	at, err = lagrangeAt(size, tau)
	return at, between, err
}

// lagrangeAt returns every Lagrange polynomial of a domain at tau:
// (tauⁿ − 1)/n · x/(tau − x) for the element x.
func lagrangeAt(n int, tau fr.Element) ([]fr.Element, error) {
	root, err := fft.Generator(uint64(n))
	if err != nil {
		return nil, fmt.Errorf("domain of %d elements: %w", n, err)
	}
	factor, one, order := tau, fr.One(), fr.NewElement(uint64(n))
	for m := 1; m < n; m *= 2 {
		factor.Square(&factor)
	}
	factor.Sub(&factor, &one)
	if factor.IsZero() {
		return nil, fmt.Errorf("drawing the secrets of a setup: tau is in the domain")
	}
	factor.Div(&factor, &order)
	values, below := make([]fr.Element, n), make([]fr.Element, n)
	x := fr.One()
	for i := range values {
		values[i].Mul(&factor, &x)
		below[i].Sub(&tau, &x)
		x.Mul(&x, &root)
	}
	inverse := fr.BatchInvert(below)
	for i := range values {
		values[i].Mul(&values[i], &inverse[i])
	}
	clear(below)
	clear(inverse)
	return values, nil
}
