package proving

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

func load(t testing.TB) *circuit.System {
	t.Helper()
	s, err := circuit.Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// snarkjsKey is a proving key that snarkjs 0.7.6 made, with one contribution.
func snarkjsKey(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "snarkjs.zkey"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func private(t testing.TB) *circuit.PrivateKey {
	t.Helper()
	k, err := circuit.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// proves makes two proofs with a key and checks what they are good for.
func proves(t *testing.T, k *Key, verifying *groth16.Key) {
	t.Helper()
	holder := private(t)
	public, err := load(t).PublicKey(holder)
	if err != nil {
		t.Fatal(err)
	}
	proof, inputs, err := k.Prove(holder, fr.NewElement(42))
	if err != nil {
		t.Fatal(err)
	}
	if want := []fr.Element{public, fr.NewElement(42)}; !slices.Equal(inputs, want) {
		t.Errorf("public inputs %v, want %v", inputs, want)
	}
	if err := verifying.Verify(proof, inputs); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string][]fr.Element{
		"another challenge":  {public, fr.NewElement(43)},
		"another public key": {fr.NewElement(1), fr.NewElement(42)},
		"swapped":            {fr.NewElement(42), public},
	} {
		if err := verifying.Verify(proof, other); !errors.Is(err, &groth16.Error{Reason: groth16.InvalidProof}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again, _, err := k.Prove(holder, fr.NewElement(42))
	if err != nil {
		t.Fatal(err)
	}
	if again == proof {
		t.Error("two proofs are the same: they hide nothing")
	}
}

func TestOwnSetup(t *testing.T) {
	s := load(t)
	made, err := Setup(s)
	if err != nil {
		t.Fatal(err)
	}
	proves(t, made, made.Verifying())
	file := made.Marshal()
	read, err := Parse(file, s)
	if err != nil {
		t.Fatal(err)
	}
	proves(t, read, made.Verifying())
	if !bytes.Equal(read.Marshal(), file) {
		t.Error("what was read is written as something else")
	}
	other, err := Setup(s)
	if err != nil {
		t.Fatal(err)
	}
	proof, inputs, err := other.Prove(private(t), fr.One())
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Verifying().Verify(proof, inputs); err == nil {
		t.Error("a proof of one setup holds under the key of another")
	}
}

func TestSnarkjsKey(t *testing.T) {
	s := load(t)
	k, err := Parse(snarkjsKey(t), s)
	if err != nil {
		t.Fatal(err)
	}
	// The verification key that snarkjs exported from it.
	text, err := os.ReadFile(filepath.Join("..", "groth16", "testdata", "snarkjs", "verification_key.json"))
	if err != nil {
		t.Fatal(err)
	}
	exported, err := groth16.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	proves(t, k, exported)
	ours, err := json.Marshal(k.Verifying())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := json.Marshal(exported)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Error("snarkjs exported another verification key")
	}
}

func TestProveNeedsAKey(t *testing.T) {
	k, err := Parse(snarkjsKey(t), load(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*circuit.PrivateKey{"none": nil, "zero": {}} {
		if _, _, err := k.Prove(p, fr.One()); !errors.Is(err, circuit.ErrPrivateKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// part finds the content of a section in a file.
func part(t *testing.T, file []byte, kind uint32) []byte {
	t.Helper()
	at := file[12:]
	for len(at) > 0 {
		size := binary.LittleEndian.Uint64(at[4:])
		if binary.LittleEndian.Uint32(at) == kind {
			return at[12 : 12+size]
		}
		at = at[12+size:]
	}
	t.Fatalf("no section %d", kind)
	return nil
}

func TestDamagedKeysAreRefused(t *testing.T) {
	s := load(t)
	good := snarkjsKey(t)
	_, _, g1, g2 := bn254.Generators()
	points1, points2 := appendG1(nil, []bn254.G1Affine{g1}), appendG2(nil, []bn254.G2Affine{g2})
	const points = headerBytes - 3*g1Bytes - 3*g2Bytes
	delta1 := points + 2*g1Bytes + 2*g2Bytes
	delta2 := delta1 + g1Bytes
	in := func(kind uint32, change func(b []byte)) func(*testing.T, []byte) []byte {
		return func(t *testing.T, b []byte) []byte {
			change(part(t, b, kind))
			return b
		}
	}
	for name, tt := range map[string]struct {
		change func(*testing.T, []byte) []byte
		want   error
	}{
		"empty":             {func(*testing.T, []byte) []byte { return nil }, ErrFormat},
		"another kind":      {func(_ *testing.T, b []byte) []byte { copy(b, "r1cs"); return b }, ErrFormat},
		"version 2":         {func(_ *testing.T, b []byte) []byte { b[4] = 2; return b }, ErrFormat},
		"eleven sections":   {func(_ *testing.T, b []byte) []byte { b[8]++; return b }, ErrFormat},
		"cut off":           {func(_ *testing.T, b []byte) []byte { return b[:len(b)-1] }, ErrFormat},
		"trailing":          {func(_ *testing.T, b []byte) []byte { return append(b, 0) }, ErrFormat},
		"enormous":          {func(_ *testing.T, b []byte) []byte { return append(b, make([]byte, maxFile)...) }, ErrFormat},
		"section twice":     {func(_ *testing.T, b []byte) []byte { b[12] = 2; return b }, ErrFormat},
		"section size":      {func(_ *testing.T, b []byte) []byte { copy(b[16:], bytes.Repeat([]byte{0xff}, 8)); return b }, ErrFormat},
		"PLONK":             {in(protocolSection, func(b []byte) { b[0] = 2 }), ErrFormat},
		"another field":     {in(headerSection, func(b []byte) { b[4]++ }), ErrFormat},
		"another order":     {in(headerSection, func(b []byte) { b[40]++ }), ErrFormat},
		"more wires":        {in(headerSection, func(b []byte) { b[72]++ }), ErrOtherCircuit},
		"more inputs":       {in(headerSection, func(b []byte) { b[76]++ }), ErrOtherCircuit},
		"another domain":    {in(headerSection, func(b []byte) { b[81]++ }), ErrOtherCircuit},
		"another matrix":    {in(coefficientsSection, func(b []byte) { b[4] ^= 1 }), ErrOtherCircuit},
		"another row":       {in(coefficientsSection, func(b []byte) { b[8]++ }), ErrOtherCircuit},
		"another wire":      {in(coefficientsSection, func(b []byte) { b[12]++ }), ErrOtherCircuit},
		"another value":     {in(coefficientsSection, func(b []byte) { b[16] ^= 1 }), ErrOtherCircuit},
		"value not reduced": {in(coefficientsSection, func(b []byte) { copy(b[16:48], bytes.Repeat([]byte{0xff}, 32)) }), ErrFormat},
		"entries miscount":  {in(coefficientsSection, func(b []byte) { b[0]++ }), ErrFormat},
		"A off the curve":   {in(aSection, func(b []byte) { b[0] ^= 1 }), ErrFormat},
		"A not reduced":     {in(aSection, func(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, 32)) }), ErrFormat},
		"B off the curve":   {in(b2Section, func(b []byte) { b[2*g2Bytes*5] ^= 1 }), ErrFormat},
		"C off the curve":   {in(cSection, func(b []byte) { b[0] ^= 1 }), ErrFormat},
		"H off the curve":   {in(hSection, func(b []byte) { b[0] ^= 1 }), ErrFormat},
		"IC off the curve":  {in(icSection, func(b []byte) { b[0] ^= 1 }), ErrFormat},
		"IC at infinity":    {in(icSection, func(b []byte) { clear(b[:g1Bytes]) }), &groth16.Error{Reason: groth16.Infinity}},
		"alpha at infinity": {in(headerSection, func(b []byte) { clear(b[points : points+g1Bytes]) }), &groth16.Error{Reason: groth16.Infinity}},
		"beta differs":      {in(headerSection, func(b []byte) { copy(b[points+g1Bytes:], points1) }), ErrFormat},
		"delta differs":     {in(headerSection, func(b []byte) { copy(b[delta1:], points1) }), ErrFormat},
		"no delta in G1":    {in(headerSection, func(b []byte) { clear(b[delta1 : delta1+g1Bytes]) }), ErrFormat},
		"no delta":          {in(headerSection, func(b []byte) { clear(b[delta1:]) }), ErrFormat},
		"no contribution": {in(headerSection, func(b []byte) {
			copy(b[delta1:], points1)
			copy(b[delta2:], points2)
		}), &groth16.Error{Reason: groth16.UnsafeKey}},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := Parse(tt.change(t, bytes.Clone(good)), s)
			if !errors.Is(err, tt.want) || k != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A key whose points were exchanged for others of the curve is read, and no
// proof made with it gets out.
func TestWrongPointsMakeNoProof(t *testing.T) {
	s := load(t)
	for name, kind := range map[string]uint32{"A": aSection, "C": cSection, "H": hSection} {
		data := snarkjsKey(t)
		b := part(t, data, kind)
		copy(b[:g1Bytes], b[7*g1Bytes:8*g1Bytes])
		k, err := Parse(data, s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := k.Prove(private(t), fr.One()); !errors.Is(err, &groth16.Error{Reason: groth16.InvalidProof}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A setup on a point of the domain would divide by zero.
func TestLagrangeRefusesTheDomain(t *testing.T) {
	if _, _, err := lagrange(8, fr.One()); err == nil {
		t.Error("1 is in every domain")
	}
	tau := fr.NewElement(12345)
	at, between, err := lagrange(8, tau)
	if err != nil {
		t.Fatal(err)
	}
	var sum fr.Element
	for i := range at {
		sum.Add(&sum, &at[i])
	}
	if !sum.IsOne() || len(between) != 8 {
		t.Errorf("the polynomials add up to %s", sum.String())
	}
}

func FuzzParse(f *testing.F) {
	s := load(f)
	f.Add(snarkjsKey(f)[:1000])
	f.Add(snarkjsKey(f))
	f.Add([]byte("zkey\x01\x00\x00\x00\x0a\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := Parse(data, s)
		if (err == nil) != (k != nil) {
			t.Fatalf("%v, %v", k, err)
		}
		if err == nil {
			if _, err := Parse(k.Marshal(), s); err != nil {
				t.Fatalf("what was written is refused: %v", err)
			}
		}
	})
}

func BenchmarkProve(b *testing.B) {
	k, err := Parse(snarkjsKey(b), load(b))
	if err != nil {
		b.Fatal(err)
	}
	p := private(b)
	for b.Loop() {
		if _, _, err := k.Prove(p, fr.One()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	data, s := snarkjsKey(b), load(b)
	for b.Loop() {
		if _, err := Parse(data, s); err != nil {
			b.Fatal(err)
		}
	}
}
