package groth16

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"strconv"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDigits is the number of decimal digits of either modulus. A longer number
// is refused before anything computes with it.
const maxDigits = 77

// reader takes one JSON value apart in the order in which it stands.
type reader struct{ dec *jsontext.Decoder }

// readValue gives f the one value that data may hold.
func readValue(data []byte, most int, f func(*reader) error) error {
	if len(data) > most {
		return refuse(TooLarge, "")
	}
	r := &reader{jsontext.NewDecoder(bytes.NewReader(data))}
	if err := f(r); err != nil {
		return err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return refuse(TrailingData, "")
	}
	return nil
}

// token reads the next token, which must be of one kind.
func (r *reader) token(kind jsontext.Kind, where string) error {
	t, err := r.dec.ReadToken()
	if err != nil {
		return syntax(err, where)
	}
	if t.Kind() != kind {
		return refuse(Malformed, where)
	}
	return nil
}

func syntax(err error, where string) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return refuse(DuplicateMember, where)
	}
	return refuse(Malformed, where)
}

// members is what an object may hold; read is told the name.
type member struct {
	name     string
	optional bool
	read     func(*reader, string) error
}

// object reads an object that holds every member once, and no other.
func (r *reader) object(where string, members []member) error {
	if err := r.token('{', where); err != nil {
		return err
	}
	seen := 0
	for r.dec.PeekKind() == '"' {
		raw, err := r.dec.ReadValue()
		if err != nil {
			return syntax(err, where)
		}
		i := indexOf(members, raw)
		if i < 0 {
			return refuse(UnknownMember, where)
		}
		seen |= 1 << i
		if err := members[i].read(r, members[i].name); err != nil {
			return err
		}
	}
	if err := r.token('}', where); err != nil {
		return err
	}
	for i, m := range members {
		if !m.optional && seen&(1<<i) == 0 {
			return refuse(MissingMember, m.name)
		}
	}
	return nil
}

// indexOf finds a member by its name as it was written, quotes included: an
// escaped spelling is another name.
func indexOf(members []member, raw jsontext.Value) int {
	for i, m := range members {
		if len(raw) == len(m.name)+2 && string(raw[1:len(raw)-1]) == m.name {
			return i
		}
	}
	return -1
}

// list reads an array; f reads one element. It returns how many there were.
func (r *reader) list(where string, most int, f func(i int) error) (int, error) {
	if err := r.token('[', where); err != nil {
		return 0, err
	}
	n := 0
	for kind := r.dec.PeekKind(); kind != ']' && kind != jsontext.KindInvalid; kind = r.dec.PeekKind() {
		if n == most {
			return n, refuse(WrongCount, where)
		}
		if err := f(n); err != nil {
			return n, err
		}
		n++
	}
	return n, r.token(']', where)
}

// exactly reads an array of a length that is known.
func (r *reader) exactly(where string, length int, f func(i int) error) error {
	n, err := r.list(where, length, f)
	if err == nil && n != length {
		return refuse(WrongCount, where)
	}
	return err
}

// text reads a string that is written without escapes.
func (r *reader) text(where string) (string, error) {
	if r.dec.PeekKind() != '"' {
		return "", refuse(Malformed, where)
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return "", syntax(err, where)
	}
	return string(raw[1 : len(raw)-1]), nil
}

// number reads a decimal in a string, in its only spelling, below modulus.
func (r *reader) number(where string, modulus *big.Int) (*big.Int, error) {
	if r.dec.PeekKind() == '0' {
		return nil, refuse(NotCanonical, where)
	}
	text, err := r.text(where)
	if err != nil {
		return nil, err
	}
	return decimal(text, where, modulus)
}

func decimal(text, where string, modulus *big.Int) (*big.Int, error) {
	switch {
	case text == "" || text[0] == '0' && text != "0":
		return nil, refuse(NotCanonical, where)
	case !digits(text):
		return nil, refuse(NotCanonical, where)
	case len(text) > maxDigits:
		return nil, refuse(OutOfRange, where)
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, refuse(NotCanonical, where)
	}
	if n.Cmp(modulus) >= 0 {
		return nil, refuse(OutOfRange, where)
	}
	return n, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// count reads a small JSON number in its only spelling.
func (r *reader) count(where string, most int) (int, error) {
	if r.dec.PeekKind() != '0' {
		return 0, refuse(Malformed, where)
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return 0, syntax(err, where)
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 || strconv.Itoa(n) != string(raw) {
		return 0, refuse(NotCanonical, where)
	}
	if n > most {
		return 0, refuse(ImpossibleLength, where)
	}
	return n, nil
}

func (r *reader) coordinate(where string) (e fp.Element, err error) {
	n, err := r.number(where, fp.Modulus())
	if err != nil {
		return e, err
	}
	e.SetBigInt(n)
	return e, nil
}

// extension reads [c0, c1].
func (r *reader) extension(where string) (e bn254.E2, err error) {
	err = r.exactly(where, 2, func(i int) (err error) {
		if i == 0 {
			e.A0, err = r.coordinate(where)
		} else {
			e.A1, err = r.coordinate(where)
		}
		return err
	})
	return e, err
}

// g1 reads [x, y, "1"] and checks the point.
func (r *reader) g1(where string) (p bn254.G1Affine, err error) {
	err = r.exactly(where, 3, func(i int) (err error) {
		switch i {
		case 0:
			p.X, err = r.coordinate(where)
		case 1:
			p.Y, err = r.coordinate(where)
		default:
			var z fp.Element
			if z, err = r.coordinate(where); err == nil && !z.IsOne() {
				err = refuse(NotNormalised, where)
			}
		}
		return err
	})
	if err != nil {
		return p, err
	}
	return p, checkG1(&p, where)
}

// g2 reads [[x0, x1], [y0, y1], ["1", "0"]] and checks the point.
func (r *reader) g2(where string) (p bn254.G2Affine, err error) {
	err = r.exactly(where, 3, func(i int) (err error) {
		switch i {
		case 0:
			p.X, err = r.extension(where)
		case 1:
			p.Y, err = r.extension(where)
		default:
			var z bn254.E2
			if z, err = r.extension(where); err == nil && !z.IsOne() {
				err = refuse(NotNormalised, where)
			}
		}
		return err
	})
	if err != nil {
		return p, err
	}
	return p, checkG2(&p, where)
}

// checkG1 refuses infinity and what is off the curve; on G1 of this curve every
// other point has the right order.
func checkG1(p *bn254.G1Affine, where string) error {
	switch {
	case p.IsInfinity(): // written (0, 0), which no equation of the curve holds for
		return refuse(Infinity, where)
	case !p.IsOnCurve():
		return refuse(NotOnCurve, where)
	}
	return nil
}

// checkG2 refuses what checkG1 does and the many points of G2's curve that have
// another order.
func checkG2(p *bn254.G2Affine, where string) error {
	switch {
	case p.IsInfinity():
		return refuse(Infinity, where)
	case !p.IsOnCurve():
		return refuse(NotOnCurve, where)
	case !p.IsInSubGroup():
		return refuse(WrongSubgroup, where)
	}
	return nil
}

// ParseScalar reads one canonical decimal below the order of the group: a public
// input as it stands in public.json, without the quotes.
func ParseScalar(text string) (e fr.Element, err error) {
	n, err := decimal(text, "number", fr.Modulus())
	if err != nil {
		return e, err
	}
	e.SetBigInt(n)
	return e, nil
}

func protocol(r *reader, where string) error {
	text, err := r.text(where)
	if err == nil && text != "groth16" {
		return refuse(WrongProtocol, where)
	}
	return err
}

// curve takes both names of the one curve: snarkjs calls it bn128.
func curve(r *reader, where string) error {
	text, err := r.text(where)
	if err == nil && text != "bn128" && text != "bn254" {
		return refuse(WrongCurve, where)
	}
	return err
}
