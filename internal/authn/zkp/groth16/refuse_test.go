package groth16

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

type object = map[string]any

// changed returns a vector with one thing changed.
func changed(t *testing.T, name string, change func(object)) []byte {
	t.Helper()
	var o object
	if err := json.Unmarshal(vector(t, name), &o); err != nil {
		t.Fatal(err)
	}
	change(o)
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// at sets the element that a path of indices leads to.
func at(v any, to any, path ...int) {
	for _, i := range path[:len(path)-1] {
		v = v.([]any)[i]
	}
	v.([]any)[path[len(path)-1]] = to
}

func number(t *testing.T, v any, path ...int) *big.Int {
	t.Helper()
	for _, i := range path {
		v = v.([]any)[i]
	}
	n, ok := new(big.Int).SetString(v.(string), 10)
	if !ok {
		t.Fatalf("not a number: %v", v)
	}
	return n
}

func plus(n *big.Int, m *big.Int) string { return new(big.Int).Add(n, m).String() }

// foreign returns a point of the twist that is not in the group of order r.
func foreign(t *testing.T) bn254.G2Affine {
	t.Helper()
	_, _, _, g2 := bn254.Generators()
	var b, cube bn254.E2
	b.Square(&g2.Y)
	cube.Square(&g2.X).Mul(&cube, &g2.X)
	b.Sub(&b, &cube)
	var p bn254.G2Affine
	for i := uint64(1); i < 100; i++ {
		p.X.A0.SetUint64(i)
		p.X.A1.SetOne()
		p.Y.Square(&p.X)
		p.Y.Mul(&p.Y, &p.X).Add(&p.Y, &b)
		if p.Y.Legendre() == 1 {
			p.Y.Sqrt(&p.Y)
			if p.IsOnCurve() && !p.IsInSubGroup() {
				return p
			}
		}
	}
	t.Fatal("found no point outside the subgroup")
	return p
}

func asAny(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestProofIsRefused(t *testing.T) {
	q := fp.Modulus()
	stranger := foreign(t)
	strange := asAny(t, textG2(&stranger))
	set := func(to any, member string, path ...int) func(object) {
		return func(o object) { at(o[member], to, path...) }
	}
	for name, tt := range map[string]struct {
		change func(object)
		want   Reason
	}{
		"x plus q":            {func(o object) { at(o["pi_a"], plus(number(t, o["pi_a"], 0), q), 0) }, OutOfRange},
		"c1 plus q":           {func(o object) { at(o["pi_b"], plus(number(t, o["pi_b"], 0, 1), q), 0, 1) }, OutOfRange},
		"y is q":              {set(q.String(), "pi_c", 1), OutOfRange},
		"78 digits":           {set(strings.Repeat("9", 78), "pi_a", 0), OutOfRange},
		"3000 digits":         {set(strings.Repeat("9", 3000), "pi_a", 0), OutOfRange},
		"hexadecimal":         {set("0x1", "pi_a", 0), NotCanonical},
		"hexadecimal digits":  {set("ff", "pi_a", 0), NotCanonical},
		"leading zero":        {func(o object) { at(o["pi_a"], "0"+number(t, o["pi_a"], 0).String(), 0) }, NotCanonical},
		"two zeros":           {set("00", "pi_a", 0), NotCanonical},
		"sign":                {func(o object) { at(o["pi_a"], "+"+number(t, o["pi_a"], 0).String(), 0) }, NotCanonical},
		"negative":            {func(o object) { at(o["pi_a"], plus(number(t, o["pi_a"], 0), new(big.Int).Neg(q)), 0) }, NotCanonical},
		"space":               {func(o object) { at(o["pi_a"], " "+number(t, o["pi_a"], 0).String(), 0) }, NotCanonical},
		"underscore":          {set("1_000", "pi_a", 0), NotCanonical},
		"exponent":            {set("1e3", "pi_a", 0), NotCanonical},
		"other digits":        {set("١", "pi_a", 0), NotCanonical},
		"empty number":        {set("", "pi_a", 0), NotCanonical},
		"JSON number":         {set(1, "pi_a", 0), NotCanonical},
		"null":                {set(nil, "pi_a", 0), Malformed},
		"z is 2":              {set("2", "pi_a", 2), NotNormalised},
		"z is 0":              {set("0", "pi_c", 2), NotNormalised},
		"z is 1 plus q":       {set(plus(big.NewInt(1), q), "pi_a", 2), OutOfRange},
		"z is 01":             {set("01", "pi_a", 2), NotCanonical},
		"z of B is 2":         {set("2", "pi_b", 2, 0), NotNormalised},
		"z of B is 1 + u":     {set("1", "pi_b", 2, 1), NotNormalised},
		"infinity of snarkjs": {func(o object) { o["pi_a"] = []any{"0", "1", "0"} }, NotNormalised},
		"infinity as 0, 0":    {func(o object) { o["pi_a"] = []any{"0", "0", "1"} }, Infinity},
		"C at infinity":       {func(o object) { o["pi_c"] = []any{"0", "0", "1"} }, Infinity},
		"B at infinity": {func(o object) {
			o["pi_b"] = []any{[]any{"0", "0"}, []any{"0", "0"}, []any{"1", "0"}}
		}, Infinity},
		"off the curve":      {func(o object) { at(o["pi_a"], plus(number(t, o["pi_a"], 0), big.NewInt(1)), 0) }, NotOnCurve},
		"C off the curve":    {func(o object) { at(o["pi_c"], plus(number(t, o["pi_c"], 1), big.NewInt(1)), 1) }, NotOnCurve},
		"x and y swapped":    {func(o object) { a := o["pi_a"].([]any); a[0], a[1] = a[1], a[0] }, NotOnCurve},
		"c0 and c1 swapped":  {func(o object) { x := o["pi_b"].([]any)[0].([]any); x[0], x[1] = x[1], x[0] }, NotOnCurve},
		"B off the curve":    {set("1", "pi_b", 0, 0), NotOnCurve},
		"B of another order": {func(o object) { o["pi_b"] = strange }, WrongSubgroup},
		"two coordinates":    {func(o object) { o["pi_a"] = o["pi_a"].([]any)[:2] }, WrongCount},
		"four coordinates":   {func(o object) { o["pi_a"] = append(o["pi_a"].([]any), "1") }, WrongCount},
		"B is flat":          {func(o object) { o["pi_b"] = o["pi_a"] }, Malformed},
		"A is an object":     {func(o object) { o["pi_a"] = object{"x": "1"} }, Malformed},
		"A is missing":       {func(o object) { delete(o, "pi_a") }, MissingMember},
		"curve is missing":   {func(o object) { delete(o, "curve") }, MissingMember},
		"protocol missing":   {func(o object) { delete(o, "protocol") }, MissingMember},
		"more than that":     {func(o object) { o["publicSignals"] = []any{} }, UnknownMember},
		"other case":         {func(o object) { o["PI_A"] = o["pi_a"] }, UnknownMember},
		"another protocol":   {func(o object) { o["protocol"] = "plonk" }, WrongProtocol},
		"protocol in capitals": {func(o object) {
			o["protocol"] = "Groth16"
		}, WrongProtocol},
		"another curve":     {func(o object) { o["curve"] = "bls12381" }, WrongCurve},
		"curve in capitals": {func(o object) { o["curve"] = "BN128" }, WrongCurve},
		"curve is a number": {func(o object) { o["curve"] = 128 }, Malformed},
		"A and C swapped":   {func(o object) { o["pi_a"], o["pi_c"] = o["pi_c"], o["pi_a"] }, InvalidProof},
		"A of the key":      {func(o object) { o["pi_a"] = asAny(t, `["1","2","1"]`) }, InvalidProof},
	} {
		t.Run(name, func(t *testing.T) {
			key, _, inputs := vectors(t)
			proof, err := ParseProof(changed(t, "proof.json", tt.change))
			if err == nil {
				err = key.Verify(proof, inputs)
			}
			if got := reasonOf(err); got != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestProofTextIsRefused(t *testing.T) {
	good := string(vector(t, "proof.json"))
	if _, err := ParseProof([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		want Reason
	}{
		"empty":             {"", Malformed},
		"not JSON":          {"proof", Malformed},
		"array":             {"[" + good + "]", Malformed},
		"cut off":           {good[:len(good)-2], Malformed},
		"byte order mark":   {"\ufeff" + good, Malformed},
		"not UTF-8":         {strings.Replace(good, "bn128", "bn\xff", 1), Malformed},
		"trailing value":    {good + "{}", TrailingData},
		"trailing brace":    {good + "}", TrailingData},
		"trailing NUL":      {good + "\x00", TrailingData},
		"same member twice": {strings.Replace(good, "{", `{"curve":"bn128",`, 1), DuplicateMember},
		"escaped name":      {strings.Replace(good, `"curve"`, `"c\u0075rve"`, 1), UnknownMember},
		"escaped digit":     {strings.Replace(good, `"1"`, `"\u0031"`, 1), NotCanonical},
		"escaped protocol":  {strings.Replace(good, "groth16", `gr\u006fth16`, 1), WrongProtocol},
		"comment":           {"/* */" + good, Malformed},
		"too large":         {good + strings.Repeat(" ", maxProofBytes), TooLarge},
		"deep":              {strings.Replace(good, `"pi_a": [`, `"pi_a": [`+strings.Repeat("[", 2000), 1), Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseProof([]byte(tt.text))
			if got := reasonOf(err); got != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPublicInputsAreRefused(t *testing.T) {
	r := fr.Modulus()
	key, proof, inputs := vectors(t)
	pub, challenge := FormatScalar(inputs[0]), FormatScalar(inputs[1])
	alias := func(s string) string {
		n, _ := new(big.Int).SetString(s, 10)
		return plus(n, r)
	}
	less := new(big.Int).Sub(r, big.NewInt(1)).String()
	for name, tt := range map[string]struct {
		text string
		want Reason
	}{
		"another challenge":      {`["` + pub + `","43"]`, InvalidProof},
		"another public key":     {`["1","` + challenge + `"]`, InvalidProof},
		"the greatest":           {`["` + pub + `","` + less + `"]`, InvalidProof},
		"swapped":                {`["` + challenge + `","` + pub + `"]`, InvalidProof},
		"challenge plus r":       {`["` + pub + `","` + alias(challenge) + `"]`, OutOfRange},
		"public key plus r":      {`["` + alias(pub) + `","` + challenge + `"]`, OutOfRange},
		"r":                      {`["` + pub + `","` + r.String() + `"]`, OutOfRange},
		"negative alias":         {`["` + pub + `","-` + new(big.Int).Sub(r, big.NewInt(42)).String() + `"]`, NotCanonical},
		"hexadecimal":            {`["` + pub + `","0x2a"]`, NotCanonical},
		"leading zero":           {`["` + pub + `","042"]`, NotCanonical},
		"sign":                   {`["` + pub + `","+42"]`, NotCanonical},
		"JSON number":            {`["` + pub + `",42]`, NotCanonical},
		"none":                   {`[]`, WrongCount},
		"one":                    {`["` + pub + `"]`, WrongCount},
		"three":                  {`["` + pub + `","` + challenge + `","0"]`, WrongCount},
		"too many for any key":   {`["0"` + strings.Repeat(`,"0"`, MaxInputs) + `]`, WrongCount},
		"nested":                 {`[["` + pub + `"],"` + challenge + `"]`, Malformed},
		"object":                 {`{"0":"` + pub + `"}`, Malformed},
		"null":                   {`null`, Malformed},
		"trailing":               {`["` + pub + `","42"] []`, TrailingData},
		"comma at the end":       {`["` + pub + `","42",]`, Malformed},
		"larger than any honest": {`["` + pub + `","42"` + strings.Repeat(" ", maxPublicBytes) + `]`, TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			inputs, err := ParsePublic([]byte(tt.text))
			if err == nil {
				err = key.Verify(proof, inputs)
			}
			if got := reasonOf(err); got != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestKeyIsRefused(t *testing.T) {
	q := fp.Modulus()
	stranger := foreign(t)
	strange := asAny(t, textG2(&stranger))
	for name, tt := range map[string]struct {
		change func(object)
		want   Reason
	}{
		"delta is gamma": {func(o object) { o["vk_delta_2"] = o["vk_gamma_2"] }, UnsafeKey},
		"delta is minus gamma": {func(o object) {
			g := o["vk_gamma_2"].([]any)
			minus := func(i int) string { return new(big.Int).Sub(q, number(t, g, 1, i)).String() }
			o["vk_delta_2"] = []any{g[0], []any{minus(0), minus(1)}, g[2]}
		}, UnsafeKey},
		"one point of IC less":       {func(o object) { o["IC"] = o["IC"].([]any)[:2] }, WrongCount},
		"one point of IC more":       {func(o object) { ic := o["IC"].([]any); o["IC"] = append(ic, ic[0]) }, WrongCount},
		"no IC":                      {func(o object) { o["IC"] = []any{} }, WrongCount},
		"no inputs":                  {func(o object) { o["IC"], o["nPublic"] = o["IC"].([]any)[:1], 0 }, WrongCount},
		"nPublic is 3":               {func(o object) { o["nPublic"] = 3 }, WrongCount},
		"nPublic is text":            {func(o object) { o["nPublic"] = "2" }, Malformed},
		"nPublic is 2.0":             {func(o object) { o["nPublic"] = json.RawMessage("2.0") }, NotCanonical},
		"nPublic is 2e0":             {func(o object) { o["nPublic"] = json.RawMessage("2e0") }, NotCanonical},
		"nPublic is -2":              {func(o object) { o["nPublic"] = -2 }, NotCanonical},
		"nPublic is 1000":            {func(o object) { o["nPublic"] = 1000 }, ImpossibleLength},
		"nPublic is enormous":        {func(o object) { o["nPublic"] = json.RawMessage("99999999999999999999") }, NotCanonical},
		"IC at infinity":             {func(o object) { at(o["IC"], []any{"0", "0", "1"}, 2) }, Infinity},
		"IC off the curve":           {func(o object) { at(o["IC"], "1", 1, 0) }, NotOnCurve},
		"alpha at infinity":          {func(o object) { o["vk_alpha_1"] = []any{"0", "0", "1"} }, Infinity},
		"alpha off the curve":        {func(o object) { at(o["vk_alpha_1"], "1", 1) }, NotOnCurve},
		"alpha with z 2":             {func(o object) { at(o["vk_alpha_1"], "2", 2) }, NotNormalised},
		"alpha plus q":               {func(o object) { at(o["vk_alpha_1"], plus(number(t, o["vk_alpha_1"], 0), q), 0) }, OutOfRange},
		"beta of another order":      {func(o object) { o["vk_beta_2"] = strange }, WrongSubgroup},
		"gamma of another order":     {func(o object) { o["vk_gamma_2"] = strange }, WrongSubgroup},
		"delta of another order":     {func(o object) { o["vk_delta_2"] = strange }, WrongSubgroup},
		"alphabeta is short":         {func(o object) { o["vk_alphabeta_12"] = []any{} }, WrongCount},
		"alphabeta in hexadecimal":   {func(o object) { at(o["vk_alphabeta_12"], "0x1", 0, 0, 0) }, NotCanonical},
		"another protocol":           {func(o object) { o["protocol"] = "fflonk" }, WrongProtocol},
		"another curve":              {func(o object) { o["curve"] = "bls12381" }, WrongCurve},
		"IC is missing":              {func(o object) { delete(o, "IC") }, MissingMember},
		"nPublic is missing":         {func(o object) { delete(o, "nPublic") }, MissingMember},
		"name of another convention": {func(o object) { o["vk_gammma_2"] = o["vk_gamma_2"] }, UnknownMember},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKey(changed(t, "verification_key.json", tt.change))
			if got := reasonOf(err); got != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct {
		text string
		want Reason
	}{
		"empty":     {"", Malformed},
		"too large": {strings.Repeat(" ", maxKeyBytes+1), TooLarge},
		"trailing":  {string(vector(t, "verification_key.json")) + "x", TrailingData},
		"twice":     {strings.Replace(string(vector(t, "verification_key.json")), "{", `{"nPublic":2,`, 1), DuplicateMember},
	} {
		if _, err := ParseKey([]byte(tt.text)); reasonOf(err) != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// Keys for other circuits are read too, up to a bound, and what they need fits.
func TestKeyWithManyInputs(t *testing.T) {
	grow := func(n int) []byte {
		return changed(t, "verification_key.json", func(o object) {
			ic := o["IC"].([]any)
			for len(ic) < n+1 {
				ic = append(ic, ic[0])
			}
			o["IC"], o["nPublic"] = ic, n
		})
	}
	for _, n := range []int{42, MaxInputs} {
		k, err := ParseKey(grow(n))
		if err != nil || k.Inputs() != n {
			t.Errorf("%d inputs: %v", n, err)
		}
	}
	if _, err := ParseKey(grow(MaxInputs + 1)); err == nil {
		t.Error("more inputs than the bound")
	}
	greatest := new(big.Int).Sub(fr.Modulus(), big.NewInt(1)).String()
	text := "[\n" + strings.Repeat(` "`+greatest+`",`+"\n", MaxInputs-1) + ` "` + greatest + "\"\n]"
	if inputs, err := ParsePublic([]byte(text)); err != nil || len(inputs) != MaxInputs {
		t.Errorf("public.json of %d bytes: %v", len(text), err)
	}
}

// A key as snarkjs leaves it before the first contribution to the second phase.
func TestKeyWithoutContributionIsRefused(t *testing.T) {
	if _, err := ParseKey(vector(t, "verification_key_no_contribution.json")); !errors.Is(err, &Error{Reason: UnsafeKey}) {
		t.Errorf("got %v", err)
	}
}

// Why: with gamma for delta, C makes up for any inputs.
func TestForgeryUnderUnsafeKey(t *testing.T) {
	key, _, _ := vectors(t)
	weak := &Key{parts: key.Parts(), alpha: key.alpha}
	inputs := []fr.Element{fr.NewElement(7), fr.NewElement(8)}
	forge := func() Proof {
		var sum bn254.G1Jac
		sum.FromAffine(&weak.parts.IC[0])
		for i := range inputs {
			var term bn254.G1Jac
			term.FromAffine(&weak.parts.IC[i+1])
			sum.AddAssign(term.ScalarMultiplication(&term, inputs[i].BigInt(new(big.Int))))
		}
		var c bn254.G1Affine
		c.FromJacobian(sum.Neg(&sum))
		p, err := NewProof(weak.parts.Alpha, weak.parts.Beta, c)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := weak.Verify(forge(), inputs); reasonOf(err) != InvalidProof {
		t.Fatalf("forged under the sound key: %v", err)
	}
	weak.parts.Delta = weak.parts.Gamma
	if err := weak.Verify(forge(), inputs); err != nil {
		t.Errorf("the forgery does not work, so the rule has no reason: %v", err)
	}
}

// Other proofs of the same statement are as valid: nothing may be keyed on the
// bytes of a proof.
func TestMalleableProofsStayValid(t *testing.T) {
	key, p, inputs := vectors(t)
	scalar, inverse := fr.NewElement(12345), fr.NewElement(12345)
	inverse.Inverse(&inverse)
	var negated, scaled, moved Proof
	negated.a.Neg(&p.a)
	negated.b.Neg(&p.b)
	negated.c = p.c
	scaled.a.ScalarMultiplication(&p.a, scalar.BigInt(new(big.Int)))
	scaled.b.ScalarMultiplication(&p.b, inverse.BigInt(new(big.Int)))
	scaled.c = p.c
	// (A, B + x·delta, C + x·A)
	var shift bn254.G2Affine
	var more bn254.G1Affine
	shift.ScalarMultiplication(&key.parts.Delta, scalar.BigInt(new(big.Int)))
	more.ScalarMultiplication(&p.a, scalar.BigInt(new(big.Int)))
	moved.a = p.a
	moved.b.Add(&p.b, &shift)
	moved.c.Add(&p.c, &more)
	for name, m := range map[string]Proof{"negated": negated, "scaled": scaled, "moved": moved} {
		if m == p {
			t.Errorf("%s: the same proof", name)
		}
		if err := key.Verify(m, inputs); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other := []fr.Element{inputs[0], fr.NewElement(43)}
		if err := key.Verify(m, other); reasonOf(err) != InvalidProof {
			t.Errorf("%s: for another challenge: %v", name, err)
		}
	}
}

func TestZeroValuesVerifyNothing(t *testing.T) {
	key, proof, inputs := vectors(t)
	for name, err := range map[string]error{
		"no key":     (*Key)(nil).Verify(proof, inputs),
		"zero key":   new(Key).Verify(proof, nil),
		"zero proof": key.Verify(Proof{}, inputs),
	} {
		if reasonOf(err) != NotInitialised {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := key.Verify(proof, nil); reasonOf(err) != WrongCount {
		t.Errorf("no inputs: %v", err)
	}
	if _, err := json.Marshal(Proof{}); err == nil {
		t.Error("a zero proof was written")
	}
	if _, err := new(Key).MarshalJSON(); err == nil {
		t.Error("a zero key was written")
	}
	if _, err := NewKey(Parts{}); err == nil {
		t.Error("a key without points was made")
	}
	if _, err := NewProof(bn254.G1Affine{}, bn254.G2Affine{}, bn254.G1Affine{}); err == nil {
		t.Error("a proof without points was made")
	}
}
