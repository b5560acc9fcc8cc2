package card_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// FuzzParse: what is read is written so that it is read again, and written the
// same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{newer, older, "{}", "", strings.Replace(newer, "1.50", "-0.0", 1), strings.Replace(older, "Plans", "\\ud83d\\ude00<\\u2028", 1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := card.Parse(raw, card.Options{})
		if err != nil {
			return
		}
		if err := card.Inspect(raw, func(string, string) error { return nil }); err != nil {
			t.Error(err)
		}
		for _, form := range []card.Form{card.V1, card.V03, card.Both} {
			out, err := c.Marshal(form, card.Style{})
			if err != nil {
				continue // no interface of that version
			}
			again, err := card.Parse(out, card.Options{})
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			twice, err := again.Marshal(again.Form, card.Style{})
			if err != nil || !bytes.Equal(out, twice) {
				t.Fatalf("%v\n%s\n%s", err, out, twice)
			}
		}
	})
}

// FuzzCanonical: one form, which says to a common reader what the original
// says.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{newer, older, `{"a":1e2,"b":[0.1,-0,1E+2,100,4.50],"":{}}`, `{"n":9007199254740993}`, `{"n":123456789012345678901234567890}`, `{"n":1e-400}`, `{"\u0061":"\/\u00e9"}`, `{"😀":1,"":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := card.Canonical(raw)
		if err != nil {
			return
		}
		twice, err := card.Canonical(out)
		if err != nil || !bytes.Equal(out, twice) {
			t.Fatalf("%v\n%s\n%s", err, out, twice)
		}
		var a, b map[string]any
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &b); err != nil {
			t.Fatal(err)
		}
		delete(a, "signatures")
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s\nis not\n%s", raw, out)
		}
		forms, err := card.Forms(raw)
		if err != nil || len(forms) > 2 {
			t.Fatal(err)
		}
	})
}

// FuzzVerify: nobody without the key makes a card that verifies.
func FuzzVerify(f *testing.F) {
	k := newKey(f, "k1", jose.EdDSA)
	good := signed(f, marshal(f, older, card.V03), k.sign(nil))
	keys := k.trusted(f)
	f.Add(good)
	f.Add([]byte(older))
	want, err := card.Canonical(good)
	if err != nil {
		f.Fatal(err)
	}
	forms, err := card.Forms(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := keys.Verify(raw); err != nil {
			return
		}
		got, err := card.Forms(raw)
		if err != nil || !bytes.Equal(got[0], want) && !bytes.Equal(got[len(got)-1], forms[len(forms)-1]) {
			t.Fatalf("%v: verifies: %s", err, raw)
		}
	})
}

// TestNumbers: spellings of one number have one form, and a number that a
// float64 cannot hold has none.
func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "1.0": "1", "1e0": "1", "10e-1": "1", "100": "100", "1E2": "100", "-0": "0", "-0.0": "0", "0e5": "0", "0.1": "0.1", "4.50": "4.5", "2e-3": "0.002",
		"1e21": "1e+21", "1e-7": "1e-7", "0.000001": "0.000001", "9007199254740991": "9007199254740991", "9007199254740992": "9007199254740992",
		"9007199254740993": "", "123456789012345678901234567890": "", "0.10000000000000000555": "", "1e400": "", "1e-400": "", "5e-324": "5e-324", "4e-324": "",
		"1.7976931348623157e308": "1.7976931348623157e+308", "333333333.33333329": "",
	} {
		out, err := card.Canonical([]byte(`{"n":` + in + `}`))
		if want == "" && err == nil || want != "" && (err != nil || string(out) != `{"n":`+want+`}`) {
			t.Errorf("%s: %s, %v; want %q", in, out, err, want)
		}
	}
	if _, err := card.Canonical([]byte(`{"n":` + "1" + strings.Repeat("0", 600) + `}`)); err == nil {
		t.Errorf("a number beyond %g has a form", math.MaxFloat64)
	}
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(newer)))
	for b.Loop() {
		if _, err := card.Parse([]byte(newer), card.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := newKey(b, "k1", jose.EdDSA)
	out, keys := signed(b, marshal(b, newer, card.V1), k.sign(nil)), k.trusted(b)
	for b.Loop() {
		if _, err := keys.Verify(out); err != nil {
			b.Fatal(err)
		}
	}
}
