package circuit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

func load(t testing.TB) *System {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func key(t testing.TB, text string) *PrivateKey {
	t.Helper()
	k, err := ParsePrivateKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The hash of 1 as circomlib, circomlibjs and go-iden3-crypto have it in their
// own tests.
func TestPublicKeyIsPoseidonOfCircomlib(t *testing.T) {
	pub, err := load(t).PublicKey(key(t, "1"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := pub.String(), "18586133768512220936620570745912940619677854269274689475585506675881198879027"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The circuit and an implementation of the paper, constants included, agree.
func TestPublicKeyIsPoseidonOfThePaper(t *testing.T) {
	s, p := load(t), newReference()
	for _, text := range []string{"1", "2", "42", new(big.Int).Sub(fr.Modulus(), big.NewInt(1)).String(), "1234567890123456789012345678901234567890"} {
		pub, err := s.PublicKey(key(t, text))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := new(big.Int).SetString(text, 10)
		if want := p.hash(n); pub.BigInt(new(big.Int)).Cmp(want) != 0 {
			t.Errorf("%s: got %s, want %s", text, pub.String(), want)
		}
	}
	for _, c := range append(slices.Clone(p.constants), p.mix[0][0], p.mix[0][1], p.mix[1][0], p.mix[1][1]) {
		if !bytes.Contains(source, []byte(c.String())) {
			t.Errorf("login.circom lacks the constant %s", c)
		}
	}
}

// reference is Poseidon as its paper's scripts have it, over big integers.
type reference struct {
	constants []*big.Int
	mix       [2][2]*big.Int
}

const (
	fullRounds    = 8
	partialRounds = 56
	stateSize     = 2
)

// grain is the self-shrinking generator that the paper draws constants from.
type grain []byte

func newGrain() *grain {
	var g grain
	for _, field := range []struct{ width, value int }{{2, 1}, {4, 0}, {12, 254}, {12, stateSize}, {10, fullRounds}, {10, partialRounds}, {30, 1<<30 - 1}} {
		for _, c := range fmt.Sprintf("%0*b", field.width, field.value) {
			g = append(g, byte(c-'0'))
		}
	}
	for range 160 {
		g.step()
	}
	return &g
}

func (g *grain) step() byte {
	s := *g
	bit := s[62] ^ s[51] ^ s[38] ^ s[23] ^ s[13] ^ s[0]
	*g = append(s[1:], bit)
	return bit
}

func (g *grain) number() *big.Int {
	n := new(big.Int)
	for i := 0; i < 254; {
		choose, bit := g.step(), g.step()
		if choose == 1 {
			n.Lsh(n, 1).Or(n, big.NewInt(int64(bit)))
			i++
		}
	}
	return n
}

func newReference() *reference {
	g, r, p := newGrain(), &reference{}, fr.Modulus()
	for len(r.constants) < stateSize*(fullRounds+partialRounds) {
		if n := g.number(); n.Cmp(p) < 0 {
			r.constants = append(r.constants, n)
		}
	}
	var draws [2 * stateSize]*big.Int
	for i := range draws {
		draws[i] = g.number()
		draws[i].Mod(draws[i], p)
	}
	for i := range r.mix {
		for j := range r.mix[i] {
			sum := new(big.Int).Add(draws[i], draws[stateSize+j])
			r.mix[i][j] = sum.ModInverse(sum.Mod(sum, p), p)
		}
	}
	return r
}

func (r *reference) hash(n *big.Int) *big.Int {
	p, five := fr.Modulus(), big.NewInt(5)
	state := [stateSize]*big.Int{new(big.Int), n}
	for round := range fullRounds + partialRounds {
		for i := range state {
			state[i] = new(big.Int).Add(state[i], r.constants[stateSize*round+i])
			if i == 0 || round < fullRounds/2 || round >= fullRounds/2+partialRounds {
				state[i].Exp(state[i], five, p)
			}
		}
		var next [stateSize]*big.Int
		for i := range next {
			next[i] = new(big.Int)
			for j := range state {
				next[i].Add(next[i], new(big.Int).Mul(r.mix[i][j], state[j]))
			}
			next[i].Mod(next[i], p)
		}
		state = next
	}
	return state[0]
}

// holds reports whether a witness satisfies every constraint.
func holds(s *System, w []fr.Element) bool {
	sum := func(terms []Term) (total fr.Element) {
		for _, t := range terms {
			var x fr.Element
			total.Add(&total, x.Mul(&t.Coef, &w[t.Wire]))
		}
		return total
	}
	for _, c := range s.Constraints {
		a, b, want := sum(c.A), sum(c.B), sum(c.C)
		if a.Mul(&a, &b); !a.Equal(&want) {
			return false
		}
	}
	return true
}

// No wire but the constant may have another value while the rest stays: each is
// held by a constraint, the challenge too.
func TestEveryWireIsConstrained(t *testing.T) {
	s := load(t)
	w, err := s.Witness(key(t, "5"), fr.NewElement(42))
	if err != nil {
		t.Fatal(err)
	}
	if !holds(s, w) {
		t.Fatal("the witness does not hold")
	}
	if want := fr.NewElement(42); !w[wireOne].IsOne() || !w[wireChallenge].Equal(&want) {
		t.Error("the public wires are not in their places")
	}
	for i := range w {
		old := w[i]
		one := fr.One()
		w[i].Add(&w[i], &one)
		if holds(s, w) {
			t.Errorf("wire %d is free", i)
		}
		w[i] = old
	}
}

// The challenge is multiplied with itself in a constraint of its own.
func TestChallengeIsInTheSystem(t *testing.T) {
	for _, c := range load(t).Constraints {
		if len(c.A) == 1 && len(c.B) == 1 && c.A[0].Wire == wireChallenge && c.B[0].Wire == wireChallenge {
			return
		}
	}
	t.Error("no constraint squares the challenge")
}

func TestWitnessNeedsAKey(t *testing.T) {
	s := load(t)
	for name, k := range map[string]*PrivateKey{"none": nil, "zero": {}} {
		if _, err := s.Witness(k, fr.One()); !errors.Is(err, ErrPrivateKey) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.PublicKey(k); !errors.Is(err, ErrPrivateKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A system with a wire that nothing decides, or that contradicts itself, has no
// witness.
func TestWitnessOfAnotherSystem(t *testing.T) {
	one := fr.One()
	term := func(wire uint32) []Term { return []Term{{wire, one}} }
	for name, s := range map[string]*System{
		"nothing decides":  {Wires: 5},
		"two unknown":      {Wires: 6, Constraints: []Constraint{{term(3), term(3), append(term(4), term(5)...)}}},
		"contradiction":    {Wires: 4, Constraints: []Constraint{{term(3), term(3), term(1)}, {term(0), term(0), term(1)}}},
		"no coefficient":   {Wires: 4, Constraints: []Constraint{{term(3), term(3), []Term{{1, fr.Element{}}}}}},
		"too few wires":    {Wires: 2},
		"circle, no start": {Wires: 6, Constraints: []Constraint{{term(4), term(0), term(5)}, {term(5), term(0), term(4)}, {term(3), term(3), term(1)}}},
	} {
		if w, err := s.Witness(key(t, "5"), one); err == nil || w != nil {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	r := fr.Modulus().String()
	for _, good := range []string{"1", "1\n", "1\r\n", new(big.Int).Sub(fr.Modulus(), big.NewInt(1)).String(), "10", "999"} {
		k, err := ParsePrivateKey([]byte(good))
		if err != nil {
			t.Errorf("%q: %v", good, err)
			continue
		}
		if out, err := k.AppendDecimal(nil); err != nil || string(out) != strings.TrimRight(good, "\r\n") {
			t.Errorf("%q is written as %q, %v", good, out, err)
		}
	}
	for _, bad := range []string{"", "\n", "0", "00", "01", "-1", "+1", "0x1", "1 ", " 1", "1\n\n", "1.0", "1e3", "a", "１", r, "9" + r[1:], strings.Repeat("9", 77), strings.Repeat("9", 78), strings.Repeat("1", 1000), "1\x00"} {
		if k, err := ParsePrivateKey([]byte(bad)); !errors.Is(err, ErrPrivateKey) || k != nil {
			t.Errorf("%q: %v", bad, err)
		} else if len(bad) > 9 && strings.Contains(err.Error(), bad) {
			t.Errorf("the error holds the key: %v", err)
		}
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	f.Add([]byte("1"))
	f.Add([]byte(fr.Modulus().String()))
	f.Add([]byte("21888242871839275222246405745257275088548364400416034343698204186575808495616\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		k, err := ParsePrivateKey(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			return
		}
		out, err := k.AppendDecimal(nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := new(big.Int).SetString(string(out), 10); !ok || n.Sign() <= 0 || n.Cmp(fr.Modulus()) >= 0 {
			t.Fatalf("out of range: %s", out)
		}
		if got := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")); !bytes.Equal(got, out) {
			t.Fatalf("%q was read as %q", text, out)
		}
	})
}

func TestNewPrivateKey(t *testing.T) {
	a, err := NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	if *a == *b {
		t.Error("the same key twice")
	}
	// Known bytes, reduced as big integers are; zero is drawn again.
	stream := append(make([]byte, 48), bytes.Repeat([]byte{0xfe}, 48)...)
	k, err := drawKey(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	want := new(big.Int).SetBytes(stream[48:])
	if got := k.e.BigInt(new(big.Int)); got.Cmp(want.Mod(want, fr.Modulus())) != 0 {
		t.Errorf("got %s, want %s", got, want)
	}
	if k, err := drawKey(bytes.NewReader(nil)); err == nil || k != nil {
		t.Errorf("without randomness: %v", err)
	}
}

func TestPrivateKeyNeverPrints(t *testing.T) {
	k := key(t, "123456789")
	encoded, err := json.Marshal(struct{ K *PrivateKey }{k})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %d %x %q", k, k, k, k, k, k, k), fmt.Sprintf("%v", struct{ K *PrivateKey }{k}), fmt.Sprintf("%v %+v %#v %d", *k, *k, *k, *k), string(encoded)} {
		if strings.Contains(text, "123456789") || strings.Contains(text, "75bcd15") {
			t.Errorf("it prints: %s", text)
		}
	}
	k.Clear()
	if !k.e.IsZero() {
		t.Error("Clear leaves it")
	}
	if _, err := k.AppendDecimal(nil); err == nil {
		t.Error("a cleared key was written")
	}
}

func TestCopiesStayCopies(t *testing.T) {
	Compiled()[0]++
	Source()[0]++
	load(t)
	if !bytes.HasPrefix(Source(), []byte("pragma circom")) {
		t.Error("the source was changed")
	}
}

func FuzzParseR1CS(f *testing.F) {
	f.Add(compiled)
	f.Add(compiled[:200])
	f.Add([]byte("r1cs\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseR1CS(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) || s != nil {
				t.Fatalf("%v, %v", s, err)
			}
			return
		}
		for _, c := range s.Constraints {
			for _, terms := range [][]Term{c.A, c.B, c.C} {
				for _, term := range terms {
					if int(term.Wire) >= s.Wires {
						t.Fatal("a wire that is not there")
					}
				}
			}
		}
	})
}

func TestR1CSIsRefused(t *testing.T) {
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(compiled)) }
	header := bytes.Index(compiled, []byte{1, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0}) + 12
	if header < 12 {
		t.Fatal("found no header")
	}
	for name, data := range map[string][]byte{
		"empty":              nil,
		"another kind":       change(func(b []byte) []byte { copy(b, "zkey"); return b }),
		"version 2":          change(func(b []byte) []byte { b[4] = 2; return b }),
		"cut off":            change(func(b []byte) []byte { return b[:len(b)-1] }),
		"trailing":           change(func(b []byte) []byte { return append(b, 0) }),
		"fewer sections":     change(func(b []byte) []byte { b[8] = 2; return b }),
		"another prime":      change(func(b []byte) []byte { b[header+4]++; return b }),
		"an output":          change(func(b []byte) []byte { b[header+40]++; return b }),
		"three public":       change(func(b []byte) []byte { b[header+44]++; return b }),
		"two private":        change(func(b []byte) []byte { b[header+48]++; return b }),
		"one constraint too": change(func(b []byte) []byte { b[header+60]++; return b }),
	} {
		if s, err := parseR1CS(data); !errors.Is(err, ErrFormat) || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkPublicKey(b *testing.B) {
	s, k := load(b), key(b, "1")
	for b.Loop() {
		if _, err := s.PublicKey(k); err != nil {
			b.Fatal(err)
		}
	}
}
