package circuit

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// Term is a coefficient and the wire that it multiplies.
type Term struct {
	Wire uint32
	Coef fr.Element
}

// Constraint says that the product of two sums is the third.
type Constraint struct{ A, B, C []Term }

// ErrFormat is a constraint system that is damaged or not of the one kind read
// here.
var ErrFormat = errors.New("not an r1cs file of version 1 over BN254")

// The parts of an r1cs file (iden3's binary format, version 1).
const (
	headerSection      = 1
	constraintsSection = 2
	labelsSection      = 3
	headerBytes        = 4 + fr.Bytes + 4*4 + 8 + 4
	maxWires           = 1 << 16
)

// input takes a file apart; after the first thing missing it yields zeros.
type input struct {
	left []byte
	bad  bool
}

func (in *input) take(n int) []byte {
	if n < 0 || n > len(in.left) {
		in.bad, in.left = true, nil
		return nil
	}
	b := in.left[:n]
	in.left = in.left[n:]
	return b
}

func (in *input) uint32() uint32 {
	if b := in.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (in *input) uint64() uint64 {
	if b := in.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (in *input) element() (e fr.Element) {
	b := in.take(fr.Bytes)
	if b == nil {
		return e
	}
	e, err := fr.LittleEndian.Element((*[fr.Bytes]byte)(b))
	if err != nil {
		in.bad = true
	}
	return e
}

// parseR1CS reads a constraint system.
func parseR1CS(data []byte) (*System, error) {
	sections, err := r1csSections(data)
	if err != nil {
		return nil, err
	}
	header := input{left: sections[headerSection]}
	if len(header.left) != headerBytes || header.uint32() != fr.Bytes {
		return nil, ErrFormat
	}
	if prime := header.take(fr.Bytes); !isOrder(prime) {
		return nil, ErrFormat
	}
	s := &System{Wires: int(header.uint32())}
	outputs, public, private := header.uint32(), header.uint32(), header.uint32()
	_ = header.uint64() // labels: names in the source
	n := header.uint32()
	// The witness is solved for two public inputs and one private one, in this
	// order after the constant 1; another circuit has no business here.
	if outputs != 0 || public != PublicInputs || private != 1 || s.Wires > maxWires || n > maxWires {
		return nil, ErrFormat
	}
	rest := input{left: sections[constraintsSection]}
	for range n {
		c := Constraint{A: s.terms(&rest), B: s.terms(&rest), C: s.terms(&rest)}
		if rest.bad {
			return nil, ErrFormat
		}
		s.Constraints = append(s.Constraints, c)
	}
	if len(rest.left) != 0 {
		return nil, ErrFormat
	}
	return s, nil
}

func (s *System) terms(in *input) []Term {
	n := in.uint32()
	if int64(n)*(4+fr.Bytes) > int64(len(in.left)) {
		in.bad = true
		return nil
	}
	terms := make([]Term, n)
	for i := range terms {
		terms[i] = Term{Wire: in.uint32(), Coef: in.element()}
		if int64(terms[i].Wire) >= int64(s.Wires) {
			in.bad = true
		}
	}
	return terms
}

func r1csSections(data []byte) (map[uint32][]byte, error) {
	in := input{left: data}
	if string(in.take(4)) != "r1cs" || in.uint32() != 1 {
		return nil, ErrFormat
	}
	sections := map[uint32][]byte{}
	for range in.uint32() {
		kind, size := in.uint32(), in.uint64()
		if in.bad || size > uint64(len(in.left)) {
			return nil, ErrFormat
		}
		if _, twice := sections[kind]; twice || kind < headerSection || kind > labelsSection {
			return nil, fmt.Errorf("section %d: %w", kind, ErrFormat)
		}
		sections[kind] = in.take(int(size))
	}
	if in.bad || len(in.left) != 0 {
		return nil, ErrFormat
	}
	return sections, nil
}

func isOrder(littleEndian []byte) bool {
	order := fr.Modulus().Bytes()
	for i, b := range littleEndian {
		if b != order[len(order)-1-i] {
			return false
		}
	}
	return len(littleEndian) == len(order)
}
