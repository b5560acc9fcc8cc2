package groth16

import (
	"github.com/consensys/gnark-crypto/ecc/bn254"
)

// MaxInputs is how many public inputs a key may have.
const MaxInputs = 256

// Bounds on what is read, in bytes. What snarkjs writes for the login circuit
// has 3 KB, 1 KB and 100 bytes; a point more 180, an input more 82.
const (
	maxKeyBytes    = 128 << 10
	maxProofBytes  = 4 << 10
	maxPublicBytes = 32 << 10
)

// Key is a verification key: checked, and prepared for many proofs. It never
// changes, so many goroutines may use it at once. The zero Key verifies nothing.
type Key struct {
	parts Parts
	alpha bn254.GT // e(alpha, beta)
}

// Parts are the points of a verification key.
type Parts struct {
	Alpha              bn254.G1Affine
	Beta, Gamma, Delta bn254.G2Affine
	IC                 []bn254.G1Affine // one for the constant 1, then one per public input
}

// NewKey checks the points of a key and prepares it.
func NewKey(p Parts) (*Key, error) {
	if len(p.IC) < 2 {
		return nil, refuse(WrongCount, "IC") // a key without inputs is good for ever and anyone
	}
	if len(p.IC)-1 > MaxInputs {
		return nil, refuse(ImpossibleLength, "IC")
	}
	p.IC = append([]bn254.G1Affine(nil), p.IC...)
	if err := p.check(); err != nil {
		return nil, err
	}
	alphaBeta, err := bn254.Pair([]bn254.G1Affine{p.Alpha}, []bn254.G2Affine{p.Beta})
	if err != nil {
		return nil, refuse(Malformed, "vk_alpha_1")
	}
	return &Key{parts: p, alpha: alphaBeta}, nil
}

func (p *Parts) check() error {
	if err := checkG1(&p.Alpha, "vk_alpha_1"); err != nil {
		return err
	}
	for _, q := range []struct {
		at    *bn254.G2Affine
		where string
	}{{&p.Beta, "vk_beta_2"}, {&p.Gamma, "vk_gamma_2"}, {&p.Delta, "vk_delta_2"}} {
		if err := checkG2(q.at, q.where); err != nil {
			return err
		}
	}
	for i := range p.IC {
		// A point at infinity would leave its input free.
		if err := checkG1(&p.IC[i], "IC"); err != nil {
			return err
		}
	}
	// With delta = ±gamma, C can make up for any input: nobody contributed to
	// the second phase of the setup, and anyone can forge.
	var minus bn254.G2Affine
	minus.Neg(&p.Gamma)
	if p.Delta.Equal(&p.Gamma) || p.Delta.Equal(&minus) {
		return refuse(UnsafeKey, "vk_delta_2")
	}
	return nil
}

// ParseKey reads a verification_key.json.
func ParseKey(data []byte) (*Key, error) {
	var p Parts
	public := -1
	err := readValue(data, maxKeyBytes, func(r *reader) error {
		return r.object("verification key", []member{
			{name: "protocol", read: protocol},
			{name: "curve", read: curve},
			{name: "nPublic", read: func(r *reader, name string) (err error) {
				public, err = r.count(name, MaxInputs)
				return err
			}},
			{name: "vk_alpha_1", read: func(r *reader, name string) (err error) {
				p.Alpha, err = r.g1(name)
				return err
			}},
			{name: "vk_beta_2", read: into(&p.Beta)},
			{name: "vk_gamma_2", read: into(&p.Gamma)},
			{name: "vk_delta_2", read: into(&p.Delta)},
			{name: "vk_alphabeta_12", optional: true, read: alphaBeta},
			{name: "IC", read: func(r *reader, name string) error {
				_, err := r.list(name, MaxInputs+1, func(int) error {
					q, err := r.g1(name)
					p.IC = append(p.IC, q)
					return err
				})
				return err
			}},
		})
	})
	if err != nil {
		return nil, err
	}
	if len(p.IC) != public+1 {
		return nil, refuse(WrongCount, "IC")
	}
	return NewKey(p)
}

func into(p *bn254.G2Affine) func(*reader, string) error {
	return func(r *reader, name string) (err error) {
		*p, err = r.g2(name)
		return err
	}
}

// alphaBeta reads the pairing that snarkjs writes down and nothing uses: it is
// computed here from its points. Its form is checked, so that the file still
// has one reading.
func alphaBeta(r *reader, where string) error {
	return r.exactly(where, 2, func(int) error {
		return r.exactly(where, 3, func(int) error {
			_, err := r.extension(where)
			return err
		})
	})
}

// Inputs returns how many public inputs a proof has under this key.
func (k *Key) Inputs() int { return len(k.parts.IC) - 1 }

// Parts returns the points of the key.
func (k *Key) Parts() Parts {
	p := k.parts
	p.IC = append([]bn254.G1Affine(nil), p.IC...)
	return p
}
