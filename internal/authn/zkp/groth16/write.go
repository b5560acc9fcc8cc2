package groth16

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// MarshalJSON writes the proof as snarkjs does.
func (p Proof) MarshalJSON() ([]byte, error) {
	if p.a.IsInfinity() || p.b.IsInfinity() || p.c.IsInfinity() {
		return nil, refuse(NotInitialised, "proof")
	}
	return fmt.Appendf(nil, `{"pi_a":%s,"pi_b":%s,"pi_c":%s,"protocol":"groth16","curve":"bn128"}`,
		textG1(&p.a), textG2(&p.b), textG1(&p.c)), nil
}

// MarshalJSON writes the key as snarkjs does, without the pairing that nothing
// needs.
func (k *Key) MarshalJSON() ([]byte, error) {
	if k == nil || len(k.parts.IC) == 0 {
		return nil, refuse(NotInitialised, "key")
	}
	p := &k.parts
	ic := make([]string, len(p.IC))
	for i := range p.IC {
		ic[i] = textG1(&p.IC[i])
	}
	return fmt.Appendf(nil,
		`{"protocol":"groth16","curve":"bn128","nPublic":%d,"vk_alpha_1":%s,"vk_beta_2":%s,"vk_gamma_2":%s,"vk_delta_2":%s,"IC":[%s]}`,
		k.Inputs(), textG1(&p.Alpha), textG2(&p.Beta), textG2(&p.Gamma), textG2(&p.Delta), strings.Join(ic, ",")), nil
}

// FormatPublic writes public inputs as snarkjs does.
func FormatPublic(inputs []fr.Element) []byte {
	texts := make([]string, len(inputs))
	for i := range inputs {
		texts[i] = `"` + FormatScalar(inputs[i]) + `"`
	}
	return []byte("[" + strings.Join(texts, ",") + "]")
}

// FormatScalar writes a public input as ParseScalar reads it.
func FormatScalar(e fr.Element) string { return e.BigInt(new(big.Int)).String() }

func textG1(p *bn254.G1Affine) string {
	return fmt.Sprintf(`["%s","%s","1"]`, canonical(&p.X), canonical(&p.Y))
}

func textG2(p *bn254.G2Affine) string {
	return fmt.Sprintf(`[["%s","%s"],["%s","%s"],["1","0"]]`,
		canonical(&p.X.A0), canonical(&p.X.A1), canonical(&p.Y.A0), canonical(&p.Y.A1))
}

// canonical returns the only spelling of a coordinate. Element.Text writes
// large values as negative ones.
func canonical(e *fp.Element) string { return e.BigInt(new(big.Int)).String() }
