package keytext

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func grammar(t testing.TB) Grammar {
	t.Helper()
	g, err := NewGrammar(DefaultPrefix)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// sample is a key of 44 known bytes; its checksum was computed elsewhere.
const sample = "mcp_000102030405060708090a0b0c0d0e0f.EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqK7w_X00"

func sampleKey(t testing.TB) Key {
	t.Helper()
	b := make([]byte, 44)
	for i := range b {
		b[i] = byte(i)
	}
	k, err := grammar(t).Generate(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGenerateKnownKey(t *testing.T) {
	k := sampleKey(t)
	if k.Reveal() != sample || k.ID() != sample[4:36] {
		t.Errorf("got  %s\nwant %s", k.Reveal(), sample)
	}
	if _, err := grammar(t).Generate(io.LimitReader(rand.Reader, 43)); err == nil {
		t.Error("a key was made from too little randomness")
	}
	if _, err := (Grammar{}).Generate(rand.Reader); err == nil {
		t.Error("the zero grammar made a key")
	}
}

func TestGenerateParse(t *testing.T) {
	g := grammar(t)
	found := regexp.MustCompile(g.Pattern())
	seen := map[string]bool{}
	for range 1000 {
		k, err := g.Generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := k.Reveal()
		p, err := g.Parse(text)
		if err != nil || p.Reveal() != text || p.ID() != k.ID() {
			t.Fatalf("%s: %v", text, err)
		}
		if seen[text] || len(text) != 80 || found.FindString("key="+text+"\n") != text {
			t.Fatalf("%s: seen, wrong length or not found by the pattern", text)
		}
		seen[text] = true
	}
}

func TestParseRefuses(t *testing.T) {
	g := grammar(t)
	swap := func(i int, c byte) string {
		b := []byte(sample)
		b[i] = c
		return string(b)
	}
	other, err := g.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"prefix only":        "mcp_",
		"no prefix":          sample[4:],
		"other prefix":       "mcq_" + sample[4:],
		"upper-case prefix":  "MCP_" + sample[4:],
		"short":              sample[:79],
		"long":               sample + "A",
		"padded":             sample + "=",
		"leading space":      " " + sample,
		"trailing newline":   sample + "\n",
		"no dot":             swap(36, '_'),
		"two dots":           swap(37, '.'),
		"dot in the id":      swap(10, '.'),
		"upper-case id":      swap(14, 'A'),
		"not hex":            swap(10, 'g'),
		"standard alphabet":  swap(50, '+'),
		"slash":              swap(50, '/'),
		"newline inside":     swap(50, '\n'),
		"carriage return":    swap(50, '\r'),
		"NUL":                swap(50, 0),
		"not ASCII":          swap(50, 0xc3),
		"spare bits":         swap(79, nextChar(sample[79])),
		"one bit of secret":  swap(60, nextChar(sample[60])),
		"one digit of id":    swap(20, 'f'),
		"swapped id":         "mcp_" + other.ID() + sample[36:],
		"swapped secret":     sample[:36] + other.Reveal()[36:],
		"three parts":        "mcp_" + sample[4:20] + "." + sample[21:36] + "." + sample[37:],
		"Cyrillic look-like": "mсp_" + sample[4:],
	} {
		k, err := g.Parse(text)
		if !errors.Is(err, ErrMalformed) || k.ID() != "" || k.Reveal() != "" {
			t.Errorf("%s: got %v, key %q", name, err, k.ID())
		}
		if err != nil && len(text) > 40 && strings.Contains(err.Error(), text[37:]) {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
	if _, err := (Grammar{}).Parse(sample[4:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("the zero grammar read a key: %v", err)
	}
}

// nextChar returns the character that follows in the base64url alphabet, which
// differs in the lowest bit at least.
func nextChar(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[(strings.IndexByte(alphabet, c)+1)%64]
}

func TestChecksumCoversPrefix(t *testing.T) {
	g, err := NewGrammar("acme_")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Parse("acme_" + sample[4:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a key moved to another prefix: %v", err)
	}
}

func TestNewGrammar(t *testing.T) {
	for _, p := range []string{"mcp_", "a_", "acme_prod_", "a1_", "abcdefghijklmno_"} {
		if g, err := NewGrammar(p); err != nil || g.Prefix() != p {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "_", "mcp", "mcp-", "Mcp_", "1a_", "a b_", "a._", "é_", "abcdefghijklmnop_", "__"} {
		if _, err := NewGrammar(p); err == nil {
			t.Errorf("%q was taken", p)
		}
	}
}

// TestKeyIsNeverPrinted prints a key in every way Go has, alone and hidden in
// other values.
func TestKeyIsNeverPrinted(t *testing.T) {
	k := sampleKey(t)
	type holder struct {
		Public  Key
		private Key
	}
	c := struct{ Key Key }{k}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%p"} {
		for _, v := range []any{k, &k, holder{k, k}, &holder{k, k}, []Key{k}, map[string]Key{"k": k}, c, &c} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "key", k, "created", c, "holder", holder{k, k})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k, "created", c, "holder", holder{k, k})
	if err := json.NewEncoder(&out).Encode([]any{k, c, holder{k, k}, map[string]any{"k": &k}}); err != nil {
		t.Fatal(err)
	}
	out.WriteString(k.String() + k.GoString())
	text := strings.ToLower(out.String())
	for _, leak := range []string{
		strings.ToLower(sample[37:]), fmt.Sprintf("%x", k.Secret()[:4]), "16 17 18", "0x10, 0x11", "[16, 17",
	} {
		if strings.Contains(text, leak) {
			t.Errorf("the secret shows as %q in\n%s", leak, text)
		}
	}
	if n := strings.Count(text, redactText); n < 50 {
		t.Errorf("redacted only %d times", n)
	}
	if c.Key.Reveal() != sample {
		t.Error("Reveal does not show the key")
	}
}

// FuzzParse checks that what is read writes back the same text, and that the
// quick cut of the hot path accepts everything the full reading does.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("mcp_" + strings.Repeat("0", 32) + "." + strings.Repeat("A", 43))
	f.Add("mcp_")
	f.Add("mcp_0001.a.b")
	g := grammar(f)
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, ok := g.Split(text)
		k, err := g.Parse(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || k.Reveal() != "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !ok || k.Reveal() != text || k.ID() != id || text[37:] != secret || !g.occurs(text) {
			t.Fatalf("%q: read as %q %q", text, k.ID(), k.Reveal())
		}
	})
}
