package circuit

import (
	_ "embed"
	"errors"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// Name is the name of the circuit; it changes with every change of a constraint.
const Name = "portcullis login v1"

// PublicInputs is how many inputs of the circuit are public: the public key,
// then the challenge.
const PublicInputs = 2

// The wires that have a meaning outside the circuit. The file puts public
// inputs before private ones, each in the order of the source.
const (
	wireOne = iota
	wirePublicKey
	wireChallenge
	wirePrivateKey
)

//go:embed login.circom
var source []byte

//go:embed login.r1cs
var compiled []byte

// Source returns the circuit in circom.
func Source() []byte { return append([]byte(nil), source...) }

// Compiled returns the constraint system as an r1cs file.
func Compiled() []byte { return append([]byte(nil), compiled...) }

// System is a constraint system. Nothing writes to it after it was read.
type System struct {
	Wires       int
	Constraints []Constraint
}

// Load reads the constraint system of the login circuit.
func Load() (*System, error) {
	s, err := parseR1CS(compiled)
	if err != nil {
		return nil, fmt.Errorf("reading the login circuit: %w", err)
	}
	return s, nil
}

// errUnsolved is a system of another kind than ours; not reached.
var errUnsolved = errors.New("the constraints of the circuit have no single solution")

// Witness returns the value of every wire for a private key and a challenge.
// The first is 1, the public inputs follow. All others are as secret as the
// private key: clear them after use.
func (s *System) Witness(private *PrivateKey, challenge fr.Element) ([]fr.Element, error) {
	if private == nil || private.e.IsZero() {
		return nil, ErrPrivateKey
	}
	w := solver{values: make([]fr.Element, s.Wires), known: make([]bool, s.Wires)}
	if s.Wires <= wirePrivateKey {
		return nil, errUnsolved
	}
	w.set(wireOne, fr.One())
	w.set(wireChallenge, challenge)
	w.set(wirePrivateKey, private.e)
	if err := w.solve(s.Constraints); err != nil {
		clear(w.values)
		return nil, err
	}
	return w.values, nil
}

// PublicKey returns the public key of a private key: its Poseidon hash.
func (s *System) PublicKey(private *PrivateKey) (fr.Element, error) {
	w, err := s.Witness(private, fr.Element{})
	if err != nil {
		return fr.Element{}, err
	}
	defer clear(w)
	return w[wirePublicKey], nil
}

// solver finds wires from those that are known.
type solver struct {
	values []fr.Element
	known  []bool
}

func (w *solver) set(wire int, v fr.Element) { w.values[wire], w.known[wire] = v, true }

// solve goes through the constraints until every wire is known, and checks that
// all of them hold.
func (w *solver) solve(constraints []Constraint) error {
	open := constraints
	for len(open) > 0 {
		var later []Constraint
		for _, c := range open {
			solved, err := w.step(c)
			if err != nil {
				return err
			}
			if !solved {
				later = append(later, c)
			}
		}
		if len(later) == len(open) {
			return errUnsolved
		}
		open = later
	}
	for _, known := range w.known {
		if !known {
			return errUnsolved
		}
	}
	return nil
}

// step finds the one wire of C that is not known yet, if there is one, and
// otherwise checks the constraint. It reports whether it is done with it.
func (w *solver) step(c Constraint) (done bool, err error) {
	a, b, missing := w.sum(c.A), w.sum(c.B), Term{}
	var sum fr.Element
	count := 0
	for _, t := range c.C {
		if !w.known[t.Wire] {
			missing = t
			count++
			continue
		}
		var product fr.Element
		sum.Add(&sum, product.Mul(&t.Coef, &w.values[t.Wire]))
	}
	if a == nil || b == nil || count > 1 {
		return false, nil
	}
	product := a.Mul(a, b)
	if count == 0 {
		if !product.Equal(&sum) {
			return false, errUnsolved
		}
		return true, nil
	}
	if missing.Coef.IsZero() {
		return false, errUnsolved
	}
	var value fr.Element
	value.Sub(product, &sum)
	w.set(int(missing.Wire), *value.Div(&value, &missing.Coef))
	return true, nil
}

// sum returns nil while a wire of it is not known.
func (w *solver) sum(terms []Term) *fr.Element {
	total := new(fr.Element)
	for _, t := range terms {
		if !w.known[t.Wire] {
			return nil
		}
		var product fr.Element
		total.Add(total, product.Mul(&t.Coef, &w.values[t.Wire]))
	}
	return total
}
