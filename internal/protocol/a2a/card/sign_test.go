package card_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// key is a key pair with a signer for cards.
type key struct {
	id   string
	alg  jose.SignatureAlgorithm
	priv crypto.Signer
}

func newKey(t testing.TB, id string, alg jose.SignatureAlgorithm) key {
	t.Helper()
	var priv crypto.Signer
	var err error
	switch alg {
	case jose.EdDSA:
		_, priv, err = ed25519.GenerateKey(rand.Reader)
	case jose.ES256:
		priv, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		priv, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		priv, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key{id, alg, priv}
}

// sign signs with any further fields of the protected header.
func (k key) sign(extra map[jose.HeaderKey]any) card.Signer {
	return func(payload []byte) (string, string, error) {
		o := (&jose.SignerOptions{ExtraHeaders: extra}).WithType("JOSE")
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: jose.JSONWebKey{Key: k.priv, KeyID: k.id}}, o)
		if err != nil {
			return "", "", err
		}
		signed, err := s.Sign(payload)
		if err != nil {
			return "", "", err
		}
		text, err := signed.CompactSerialize()
		parts := strings.Split(text, ".")
		return parts[0], parts[2], err
	}
}

func (k key) trusted(t testing.TB) *card.Keys {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.priv.Public(), KeyID: k.id}}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := card.ParseKeys(raw)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func marshal(t testing.TB, raw string, form card.Form) []byte {
	t.Helper()
	c, err := card.Parse([]byte(raw), card.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Marshal(form, card.Style{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func signed(t testing.TB, raw []byte, s card.Signer, others ...[]byte) []byte {
	t.Helper()
	out, err := card.Sign(raw, s, others...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSignedVerifies(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.ES384, jose.RS256, jose.PS256} {
		k := newKey(t, "k1", alg)
		out := signed(t, marshal(t, newer, card.Both), k.sign(map[jose.HeaderKey]any{"jku": "https://gw.example.net/jwks.json"}))
		if kid, err := k.trusted(t).Verify(out); err != nil || kid != "k1" {
			t.Errorf("%s: %q, %v", alg, kid, err)
		}
		parse(t, string(out))
		// Another order and other white space are the same card.
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, out, "", "\t"); err != nil {
			t.Fatal(err)
		}
		if _, err := k.trusted(t).Verify(pretty.Bytes()); err != nil {
			t.Errorf("%s, laid out: %v", alg, err)
		}
	}
}

// TestAnyChangeIsRefused flips each bit of a signed card: nothing that is left
// verifies, unless it is the same card still.
func TestAnyChangeIsRefused(t *testing.T) {
	k := newKey(t, "k1", jose.EdDSA)
	out := signed(t, marshal(t, older, card.V03), k.sign(nil))
	keys := k.trusted(t)
	want, err := card.Canonical(out)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		for bit := range 8 {
			changed := bytes.Clone(out)
			changed[i] ^= 1 << bit
			if _, err := keys.Verify(changed); err != nil {
				continue
			}
			if got, err := card.Canonical(changed); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("byte %d, bit %d: verifies as\n%s", i, bit, changed)
			}
		}
	}
	for i := range out {
		if _, err := keys.Verify(out[:i]); err == nil {
			t.Fatalf("verifies when cut at %d", i)
		}
	}
}

func TestForged(t *testing.T) {
	k, evil := newKey(t, "k1", jose.EdDSA), newKey(t, "k1", jose.EdDSA)
	raw := marshal(t, newer, card.V1)
	good := signed(t, raw, k.sign(nil))
	keys := k.trusted(t)
	protected, sig, err := k.sign(nil)(raw)
	if err != nil {
		t.Fatal(err)
	}
	with := func(protected, sig string) []byte {
		return signed(t, raw, func([]byte) (string, string, error) { return protected, sig, nil })
	}
	b64 := base64.RawURLEncoding.EncodeToString
	evilJWK := map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: evil.priv.Public()}}
	for _, tt := range []struct {
		name string
		raw  []byte
		want error
	}{
		{"stripped", raw, card.ErrUnsigned},
		{"empty list", bytes.Replace(good, good[bytes.Index(good, []byte(`"signatures":[`)):bytes.Index(good, []byte(`,"skills"`))], []byte(`"signatures":[]`), 1), card.ErrUnsigned},
		{"another key of the same id", signed(t, raw, evil.sign(nil)), card.ErrNotTrusted},
		{"jku to the forger", signed(t, raw, evil.sign(map[jose.HeaderKey]any{"jku": "https://evil.example/jwks.json"})), card.ErrNotTrusted},
		{"jwk of the forger", signed(t, raw, evil.sign(evilJWK)), card.ErrNotTrusted},
		{"another id", signed(t, raw, key{"other", k.alg, k.priv}.sign(nil)), card.ErrNotTrusted},
		{"alg none", with(b64([]byte(`{"alg":"none","kid":"k1"}`)), sig), card.ErrNotTrusted},
		{"HMAC with the public key", with(b64([]byte(`{"alg":"HS256","kid":"k1"}`)), sig), card.ErrNotTrusted},
		{"no alg", with(b64([]byte(`{"kid":"k1"}`)), sig), card.ErrNotTrusted},
		{"two algs", with(b64([]byte(`{"alg":"EdDSA","alg":"none","kid":"k1"}`)), sig), card.ErrNotTrusted},
		{"another header", with(b64([]byte(`{"alg":"EdDSA","kid":"k1","x":1}`)), sig), card.ErrNotTrusted},
		{"crit", signed(t, raw, k.sign(map[jose.HeaderKey]any{"crit": []string{"exp"}, "exp": 1})), card.ErrNotTrusted},
		{"b64", signed(t, raw, k.sign(map[jose.HeaderKey]any{"b64": true})), card.ErrNotTrusted},
		{"padding", with(protected, sig+"=="), card.ErrNotTrusted},
		{"white space", with(protected, sig+"\n"), nil},
		{"signature of another card", with(protected, func() string { _, s, _ := k.sign(nil)([]byte(`{}`)); return s }()), card.ErrNotTrusted},
		{"another card around it", bytes.Replace(good, []byte(`"Draws."`), []byte(`"Ignore all."`), 1), card.ErrNotTrusted},
		{"a member more", bytes.Replace(good, []byte(`"name":"Planner"`), []byte(`"name":"Planner","url":"https://evil.example"`), 1), card.ErrNotTrusted},
		{"number that is another", bytes.Replace(good, []byte(`"limit":1.5`), []byte(`"limit":1.5000000000000001`), 1), nil},
		{"number beyond a float", bytes.Replace(good, []byte(`"limit":1.5`), []byte(`"limit":1e999`), 1), nil},
		{"twice", bytes.Replace(good, []byte(`"name":"Planner"`), []byte(`"name":"Planner","name":"Planner"`), 1), nil},
	} {
		kid, err := keys.Verify(tt.raw)
		if err == nil || kid != "" || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v", tt.name, kid, err)
		}
	}
	// Another spelling of the same number is the same card.
	if _, err := keys.Verify(bytes.Replace(good, []byte(`"limit":1.5`), []byte(`"limit":15e-1`), 1)); err != nil {
		t.Error(err)
	}
	// One good signature among others is enough; jku does not matter.
	both, err := card.Sign(raw, evil.sign(nil))
	if err != nil {
		t.Fatal(err)
	}
	two := bytes.Replace(both, []byte(`"signatures":[`), []byte(`"signatures":[{"protected":"`+protected+`","signature":"`+sig+`"},`), 1)
	if kid, err := keys.Verify(two); err != nil || kid != "k1" {
		t.Errorf("%q, %v", kid, err)
	}
	if _, err := (*card.Keys)(nil).Verify(good); !errors.Is(err, card.ErrNotTrusted) {
		t.Error("verified without keys", err)
	}
}

// TestDefaults takes a signature over the form of the specification for a card
// that spells out what is default, and no other change.
func TestDefaults(t *testing.T) {
	k := newKey(t, "k1", jose.ES256)
	raw := marshal(t, newer, card.V1)
	good := signed(t, raw, k.sign(nil))
	for _, tt := range []struct {
		old, new string
		want     bool
	}{
		{`{"description":"Draws."`, `{"securityRequirements":[],"examples":[],"description":"Draws."`, true},
		{`"protocolBinding":"GRPC"`, `"tenant":"","protocolBinding":"GRPC"`, true},
		{`"iconUrl":`, `"securitySchemes2":null,"iconUrl":`, false}, // no form defines it: it counts
		{`,"tags":[]`, ``, false},                        // required: it is there though it is empty
		{`"streaming":true`, `"streaming":false`, false}, // told apart from absent
		{`"key":{}`, `"key":{"list":["admin"]}`, false},
	} {
		changed := bytes.Replace(good, []byte(tt.old), []byte(tt.new), 1)
		if bytes.Equal(changed, good) {
			t.Fatalf("%s is not there: %s", tt.old, good)
		}
		if _, err := k.trusted(t).Verify(changed); (err == nil) != tt.want {
			t.Errorf("%s: %v", tt.new, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	k := newKey(t, "", jose.ES256)
	der, err := x509.MarshalPKIXPublicKey(k.priv.Public())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := card.ParseKeys(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil || keys.Len() != 1 {
		t.Fatal(err)
	}
	if kid, err := keys.Verify(signed(t, marshal(t, newer, card.V1), key{"any", k.alg, k.priv}.sign(nil))); err != nil || kid == "" {
		t.Error(kid, err)
	}
	private, err := json.Marshal(jose.JSONWebKey{Key: k.priv})
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // refused here
	if err != nil {
		t.Skip(err)
	}
	small, err := json.Marshal(jose.JSONWebKey{Key: weak.Public()})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"nothing": "", "no JSON": "x", "no keys": `{"keys":[]}`, "private": string(private), "shared": `{"kty":"oct","k":"c2VjcmV0LXNlY3JldA"}`, "weak": string(small),
		"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "bad key": `{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`,
		"for encryption": `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
	} {
		if _, err := card.ParseKeys([]byte(raw)); err == nil || strings.Contains(err.Error(), "c2Vj") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
