package proving

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
)

// Parse reads a zkey file, which must be for the circuit: no other size of any
// part is possible, so nothing is allocated that the file did not pay for.
func Parse(data []byte, system *circuit.System) (*Key, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("more than %d bytes: %w", maxFile, ErrFormat)
	}
	parts, err := sections(data)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(parts[protocolSection], []byte{1, 0, 0, 0}) || len(parts[headerSection]) != headerBytes {
		return nil, ErrFormat
	}
	k := &Key{system: system, size: domainSize(system)}
	start := header(uint32(system.Wires), uint32(k.size))
	head := parts[headerSection]
	if curve := len(start) - 3*4; !bytes.Equal(head[:curve], start[:curve]) {
		return nil, ErrFormat
	}
	if !bytes.Equal(head[:len(start)], start) {
		return nil, ErrOtherCircuit
	}
	if entries, err := readEntries(parts[coefficientsSection]); err != nil {
		return nil, err
	} else if !sameMatrices(entries, matrices(system)) {
		return nil, ErrOtherCircuit
	}
	if err := k.readPoints(head[len(start):], parts); err != nil {
		return nil, err
	}
	return k.finish()
}

func (k *Key) readPoints(head []byte, parts map[uint32][]byte) error {
	p := pointReader{}
	heads := [...][]byte{head[:2*g1Bytes], head[2*g1Bytes : 2*g1Bytes+2*g2Bytes], head[2*g1Bytes+2*g2Bytes : 3*g1Bytes+2*g2Bytes], head[3*g1Bytes+2*g2Bytes:]}
	first, second := p.g1(heads[0], 2), p.g2(heads[1], 2)
	third, fourth := p.g1(heads[2], 1), p.g2(heads[3], 1)
	wires := k.system.Wires
	k.verifying.IC = p.g1(parts[icSection], free)
	k.a, k.b1 = p.g1(parts[aSection], wires), p.g1(parts[b1Section], wires)
	k.b2 = p.g2(parts[b2Section], wires)
	k.c = p.g1(parts[cSection], wires-free)
	k.h = p.g1(parts[hSection], k.size)
	if p.err != nil {
		return p.err
	}
	k.verifying.Alpha, k.beta1, k.delta1 = first[0], first[1], third[0]
	k.verifying.Beta, k.verifying.Gamma, k.verifying.Delta = second[0], second[1], fourth[0]
	return k.checkPairs()
}

// checkPairs checks that beta and delta are the same in both groups. With
// another delta in G1 the randomness of a proof would not cover its witness.
func (k *Key) checkPairs() error {
	_, _, g1, g2 := bn254.Generators()
	var minus bn254.G1Affine
	minus.Neg(&g1)
	for _, pair := range []struct {
		in1 bn254.G1Affine
		in2 bn254.G2Affine
	}{{k.beta1, k.verifying.Beta}, {k.delta1, k.verifying.Delta}} {
		same, err := bn254.PairingCheck([]bn254.G1Affine{pair.in1, minus}, []bn254.G2Affine{g2, pair.in2})
		if err != nil || !same || pair.in1.IsInfinity() {
			return fmt.Errorf("beta or delta differ between the groups: %w", ErrFormat)
		}
	}
	return nil
}

// sections takes the file apart. Each section occurs once; nothing follows.
func sections(data []byte) (map[uint32][]byte, error) {
	if len(data) < 12 || string(data[:4]) != "zkey" || binary.LittleEndian.Uint32(data[4:]) != 1 {
		return nil, ErrFormat
	}
	count, data := binary.LittleEndian.Uint32(data[8:]), data[12:]
	if count != contributionsSection {
		return nil, ErrFormat
	}
	parts := map[uint32][]byte{}
	for range count {
		if len(data) < 12 {
			return nil, ErrFormat
		}
		kind, size := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint64(data[4:])
		data = data[12:]
		if _, twice := parts[kind]; twice || kind < protocolSection || kind > contributionsSection || size > uint64(len(data)) {
			return nil, ErrFormat
		}
		parts[kind], data = data[:size], data[size:]
	}
	if len(data) != 0 {
		return nil, ErrFormat
	}
	return parts, nil
}

func readEntries(data []byte) ([]entry, error) {
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data))*entryBytes != uint64(len(data)-4) {
		return nil, ErrFormat
	}
	back := radix()
	back.Inverse(&back)
	modulus := fr.Modulus()
	var all []entry
	for data = data[4:]; len(data) > 0; data = data[entryBytes:] {
		words, ok := words(data[12:entryBytes], modulus)
		if !ok {
			return nil, ErrFormat
		}
		e := entry{matrix: binary.LittleEndian.Uint32(data), row: binary.LittleEndian.Uint32(data[4:]), wire: binary.LittleEndian.Uint32(data[8:]), value: words}
		e.value.Mul(&e.value, &back)
		all = append(all, e)
	}
	return all, nil
}

// words reads the words of an element below a modulus.
func words(b []byte, modulus *big.Int) (e [4]uint64, ok bool) {
	var bigEndian [fp.Bytes]byte
	for i := range bigEndian {
		bigEndian[i] = b[len(bigEndian)-1-i]
	}
	for i := range e {
		e[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return e, new(big.Int).SetBytes(bigEndian[:]).Cmp(modulus) < 0
}

// pointReader reads points of a known number and keeps the first error. Points
// at infinity are as good as others: a wire may be absent from a matrix.
type pointReader struct{ err error }

func (r *pointReader) elements(data []byte, n int) []fp.Element {
	if r.err != nil || len(data) != n*fp.Bytes {
		r.fail()
		return make([]fp.Element, n)
	}
	modulus := fp.Modulus()
	all := make([]fp.Element, n)
	for i := range all {
		w, ok := words(data[i*fp.Bytes:(i+1)*fp.Bytes], modulus)
		if !ok {
			r.fail()
		}
		all[i] = w
	}
	return all
}

func (r *pointReader) fail() {
	if r.err == nil {
		r.err = ErrFormat
	}
}

func (r *pointReader) g1(data []byte, n int) []bn254.G1Affine {
	e := r.elements(data, 2*n)
	points := make([]bn254.G1Affine, n)
	for i := range points {
		points[i] = bn254.G1Affine{X: e[2*i], Y: e[2*i+1]}
		if !points[i].IsInfinity() && !points[i].IsOnCurve() {
			r.fail()
		}
	}
	return points
}

func (r *pointReader) g2(data []byte, n int) []bn254.G2Affine {
	e := r.elements(data, 4*n)
	points := make([]bn254.G2Affine, n)
	for i := range points {
		points[i] = bn254.G2Affine{X: bn254.E2{A0: e[4*i], A1: e[4*i+1]}, Y: bn254.E2{A0: e[4*i+2], A1: e[4*i+3]}}
		if !points[i].IsInfinity() && !points[i].IsInSubGroup() {
			r.fail()
		}
	}
	return points
}
