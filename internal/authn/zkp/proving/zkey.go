package proving

import (
	"encoding/binary"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
)

// The sections of a zkey file.
const (
	protocolSection = iota + 1
	headerSection
	icSection
	coefficientsSection
	aSection
	b1Section
	b2Section
	cSection
	hSection
	contributionsSection
)

const (
	g1Bytes     = 2 * fp.Bytes
	g2Bytes     = 4 * fp.Bytes
	entryBytes  = 3*4 + fr.Bytes
	headerBytes = 4 + fp.Bytes + 4 + fr.Bytes + 3*4 + 3*g1Bytes + 3*g2Bytes
	circuitHash = 64
	// maxFile bounds a proving key; that of the login circuit has 210 KB, each
	// contribution adds less than 1 KB.
	maxFile = 8 << 20
)

// MaxFile is the size of the largest proving key that Parse reads.
const MaxFile = maxFile

// Marshal writes the key as a zkey file.
func (k *Key) Marshal() []byte {
	out := append([]byte("zkey"), 1, 0, 0, 0, contributionsSection, 0, 0, 0)
	out = section(out, protocolSection, []byte{1, 0, 0, 0})
	out = section(out, headerSection, k.header())
	out = section(out, icSection, appendG1(nil, k.verifying.IC))
	out = section(out, coefficientsSection, appendEntries(nil, matrices(k.system)))
	out = section(out, aSection, appendG1(nil, k.a))
	out = section(out, b1Section, appendG1(nil, k.b1))
	out = section(out, b2Section, appendG2(nil, k.b2))
	out = section(out, cSection, appendG1(nil, k.c))
	out = section(out, hSection, appendG1(nil, k.h))
	return section(out, contributionsSection, make([]byte, circuitHash+4)) // nobody contributed
}

func section(out []byte, kind uint32, content []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, kind)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(content)))
	return append(out, content...)
}

func (k *Key) header() []byte {
	out := header(uint32(k.system.Wires), uint32(k.size))
	out = appendG1(out, []bn254.G1Affine{k.verifying.Alpha, k.beta1})
	out = appendG2(out, []bn254.G2Affine{k.verifying.Beta, k.verifying.Gamma})
	out = appendG1(out, []bn254.G1Affine{k.delta1})
	return appendG2(out, []bn254.G2Affine{k.verifying.Delta})
}

// header returns the beginning of the header, which the curve and the circuit
// decide.
func header(wires, size uint32) []byte {
	out := appendModulus(nil, fp.Modulus(), fp.Bytes)
	out = appendModulus(out, fr.Modulus(), fr.Bytes)
	for _, n := range []uint32{wires, circuit.PublicInputs, size} {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}

func appendModulus(out []byte, n *big.Int, size int) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	b := n.FillBytes(make([]byte, size))
	for i := range b {
		out = append(out, b[len(b)-1-i])
	}
	return out
}

// appendWords writes the words of an element as they are in memory: in
// Montgomery form, the least significant first, which is the form of the file.
func appendWords(out []byte, e [4]uint64) []byte {
	for _, w := range e {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

func appendG1(out []byte, points []bn254.G1Affine) []byte {
	for i := range points {
		out = appendWords(appendWords(out, points[i].X), points[i].Y)
	}
	return out
}

func appendG2(out []byte, points []bn254.G2Affine) []byte {
	for i := range points {
		p := &points[i]
		for _, e := range []fp.Element{p.X.A0, p.X.A1, p.Y.A0, p.Y.A1} {
			out = appendWords(out, e)
		}
	}
	return out
}

// radix returns the element that takes a value to its Montgomery form.
func radix() (e fr.Element) {
	e.SetBigInt(new(big.Int).Lsh(big.NewInt(1), 8*fr.Bytes))
	return e
}

func appendEntries(out []byte, entries []entry) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(len(entries)))
	r := radix()
	for _, e := range entries {
		for _, n := range []uint32{e.matrix, e.row, e.wire} {
			out = binary.LittleEndian.AppendUint32(out, n)
		}
		// The file has coefficients in Montgomery form twice over.
		out = appendWords(out, *e.value.Mul(&e.value, &r))
	}
	return out
}
