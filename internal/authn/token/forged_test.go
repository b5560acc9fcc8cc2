package token_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	if s, ok := v.(string); ok {
		return []byte(s)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hs256(t testing.TB, secret []byte, head, body any) string {
	t.Helper()
	input := b64(encoded(t, head)) + "." + b64(encoded(t, body))
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(input))
	return input + "." + b64(m.Sum(nil))
}

// by signs with a key of the test's.
func by(t testing.TB, private ed25519.PrivateKey, head, body any) string {
	t.Helper()
	input := b64(encoded(t, head)) + "." + b64(encoded(t, body))
	return input + "." + b64(ed25519.Sign(private, []byte(input)))
}

// published returns the first public key of the key set.
func published(t testing.TB, r *signing.Ring) (set []byte, kid string, pub ed25519.PublicKey) {
	t.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, signing.JWKSPath, nil))
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &keys); err != nil {
		t.Fatal(err)
	}
	pub, ok := keys.Keys[0].Key.(ed25519.PublicKey)
	if !ok {
		t.Fatalf("%T", keys.Keys[0].Key)
	}
	return w.Body.Bytes(), keys.Keys[0].KeyID, pub
}

// TestForged sends tokens that must not open the door. Those that say "signed"
// have a good signature by the gateway's own key: a mistake in the claims has
// to be found for itself.
func TestForged(t *testing.T) {
	w := newWorld(t)
	good := w.login()
	w.accepted("the good token", good.AccessToken)
	part := strings.Split(good.AccessToken, ".")
	_, claims := claimsOf(t, good.AccessToken)
	set, kid, pub := published(t, w.ring)
	head := map[string]any{"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	with := func(m map[string]any, changes map[string]any) map[string]any {
		m = maps.Clone(m)
		for k, v := range changes {
			if m[k] = v; v == nil {
				delete(m, k)
			}
		}
		return m
	}
	signed := func(changes map[string]any) string {
		text, err := w.ring.Sign(encoded(t, with(claims, changes)))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	raw := func(body string) string {
		text, err := w.ring.Sign([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	body := string(encoded(t, claims))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaSigner, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: rsaKey, KeyID: kid}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsaSigner.Sign(encoded(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	rs256, err := rs.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	other, dead := newWorld(t), w.login()
	if err := w.RevokeByHolder(t.Context(), dead.AccessToken, alice().By); err != nil {
		t.Fatal(err)
	}
	now := float64(w.clock.now().Unix())
	id := map[string]any{"sid": strings.Repeat("0", 32)}

	for _, c := range []struct{ name, token, why string }{
		{"alg none, no signature", b64([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + part[1] + ".", "empty header or signature"},
		{"alg none, old signature", b64([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + part[1] + "." + part[2], "algorithm is not allowed"},
		{"alg NoNe", b64([]byte(`{"alg":"NoNe","typ":"at+jwt"}`)) + "." + part[1] + "." + part[2], "algorithm is not allowed"},
		{"HS256 with the public key", hs256(t, pub, with(head, map[string]any{"alg": "HS256"}), claims), "algorithm is not allowed"},
		{"HS256 with the public key in base64url", hs256(t, []byte(b64(pub)), with(head, map[string]any{"alg": "HS256"}), claims), "algorithm is not allowed"},
		{"HS256 with the public key in DER", hs256(t, spki, with(head, map[string]any{"alg": "HS256"}), claims), "algorithm is not allowed"},
		{"HS256 with the public key in PEM", hs256(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), with(head, map[string]any{"alg": "HS256"}), claims), "algorithm is not allowed"},
		{"HS256 with the key set", hs256(t, set, with(head, map[string]any{"alg": "HS256"}), claims), "algorithm is not allowed"},
		{"HS256 with no secret", hs256(t, nil, with(head, map[string]any{"alg": "HS256"}), claims), "algorithm is not allowed"},
		{"RS256 under our kid", rs256, "algorithm is not allowed"},
		{"another key, our kid", by(t, stranger, head, claims), "bad signature"},
		{"another key, its own kid", by(t, stranger, with(head, map[string]any{"kid": "mine"}), claims), "unknown key"},
		{"another key, no kid", by(t, stranger, with(head, map[string]any{"kid": nil}), claims), "unknown key"},
		{"another key, kid a path", by(t, stranger, with(head, map[string]any{"kid": "../root.key"}), claims), "unknown key"},
		{"a key in the header", by(t, stranger, with(head, map[string]any{"jwk": map[string]any{"kty": "OKP"}}), claims), "header brings a key"},
		{"a key by URL", by(t, stranger, with(head, map[string]any{"jku": "https://evil.example/jwks.json"}), claims), "header brings a key"},
		{"crit", by(t, stranger, with(head, map[string]any{"crit": []string{"exp"}}), claims), "demands an extension"},
		{"another gateway's token", other.login().AccessToken, "unknown key"},
		{"typ JWT", by(t, stranger, with(head, map[string]any{"typ": "JWT"}), claims), "not an access token"},
		{"no typ", by(t, stranger, with(head, map[string]any{"typ": nil}), claims), "not an access token"},
		{"kid twice", by(t, stranger, `{"alg":"EdDSA","typ":"at+jwt","kid":"`+kid+`","kid":"x"}`, claims), "not one reading"},
		{"claims of another token", part[0] + "." + b64(encoded(t, with(claims, map[string]any{"sub": "root"}))) + "." + part[2], "bad signature"},
		{"signature cut", part[0] + "." + part[1] + "." + part[2][:84], "bad signature"},
		{"signature of another token", part[0] + "." + part[1] + "." + strings.Split(dead.AccessToken, ".")[2], "bad signature"},
		{"signature padded", good.AccessToken + "==", "canonical"},
		{"a stray bit", good.AccessToken[:len(good.AccessToken)-1] + next(good.AccessToken), "canonical"},
		{"four parts", good.AccessToken + ".x", "not a JWT"},
		{"two parts", part[0] + "." + part[1], "not a JWT"},
		{"oversize", good.AccessToken + strings.Repeat("A", 9000), "longer than 8 KiB"},
		{"refresh token as access token", good.RefreshToken, "not a JWT"},
		{"signed: wrong iss", signed(map[string]any{"iss": "https://evil.example"}), "unknown issuer"},
		{"signed: iss with a slash", signed(map[string]any{"iss": "https://mcp.example.com/"}), "unknown issuer"},
		{"signed: no iss", signed(map[string]any{"iss": nil}), "unknown issuer"},
		{"signed: wrong aud", signed(map[string]any{"aud": []string{"https://other.example.com"}}), "another audience"},
		{"signed: no aud", signed(map[string]any{"aud": nil}), "no aud"},
		{"signed: empty aud", signed(map[string]any{"aud": []string{}}), "no aud"},
		{"signed: expired", signed(map[string]any{"exp": now - 6}), "expired"},
		{"signed: no exp", signed(map[string]any{"exp": nil}), "no exp"},
		{"signed: exp a text", signed(map[string]any{"exp": "9999999999"}), "not a number"},
		{"signed: exp far away", signed(map[string]any{"exp": now + 90000}), "lives longer"},
		{"signed: not yet", signed(map[string]any{"nbf": now + 60}), "not valid yet"},
		{"signed: of the future", signed(map[string]any{"iat": now + 60}), "issued in the future"},
		{"signed: exp before iat", signed(map[string]any{"iat": now + 4, "nbf": now, "exp": now + 2}), "ends before it begins"},
		{"signed: sub twice", raw(strings.Replace(body, `"sub":"alice"`, `"sub":"alice","sub":"root"`, 1)), "not one reading"},
		{"signed: Sub beside sub", raw(strings.Replace(body, `"sub":"alice"`, `"sub":"alice","Sub":"root"`, 1)), "misspelled"},
		{"signed: escaped second sub", raw(strings.Replace(body, `"sub":"alice"`, `"sub":"alice","\u0073ub":"root"`, 1)), "not one reading"},
		{"signed: bytes after the claims", raw(body + "{}"), "bytes after"},
		{"signed: no sub", signed(map[string]any{"sub": nil}), "no sub"},
		{"signed: another's sub", signed(map[string]any{"sub": "root"}), "of another's session"},
		{"signed: no sid", signed(map[string]any{"sid": nil}), "no sid"},
		{"signed: sid a list", signed(map[string]any{"sid": []string{good.SessionID}}), "no sid"},
		{"signed: no such session", signed(id), "of no session"},
		{"signed: no jti", signed(map[string]any{"jti": nil}), "no jti"},
		{"signed: no amr", signed(map[string]any{"amr": nil}), "not one method"},
		{"signed: two amr", signed(map[string]any{"amr": []string{"basic", "zkp"}}), "not one method"},
		{"signed: another amr", signed(map[string]any{"amr": []string{"zkp"}}), "method the route does not take"},
		{"signed: an ID token", signed(map[string]any{"at_hash": "x"}), "ID token"},
		{"signed: bound to a key", signed(map[string]any{"cnf": map[string]any{"jkt": b64(bytes.Repeat([]byte{1}, 32))}}), "binding"},
		{"signed: bound in an unknown way", signed(map[string]any{"cnf": map[string]any{"x": "y"}}), "not supported"},
		{"signed: no object", raw(`["sub"]`), "not a JSON object"},
		{"revoked", dead.AccessToken, "revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			w.refused("first", c.token, c.why)
			w.refused("again", c.token, c.why)
		})
	}
	w.t = t
	w.accepted("the good token", good.AccessToken)
	for _, access := range []string{good.AccessToken, dead.AccessToken} {
		if _, err := w.refresh(access); err == nil {
			t.Error("an access token was taken for a refresh token")
		}
	}
	if _, err := w.refresh(good.RefreshToken); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// next is another last character of base64url that differs in a bit which
// nobody reads.
func next(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, text[len(text)-1])^1])
}

func FuzzRefresh(f *testing.F) {
	w := newWorld(f)
	g := w.login()
	used := w.login()
	if _, err := w.refresh(used.RefreshToken); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "mcprt_", g.RefreshToken[:20], g.AccessToken, "mcprt_" + g.SessionID + ".", strings.Repeat("_", 200), "a_b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == g.RefreshToken || text == used.RefreshToken {
			t.Skip("guessed 256 bits")
		}
		if got, err := w.refresh(text); err == nil || got != (token.Grant{}) {
			t.Errorf("%q was accepted", text)
		}
		if _, err := w.call(g.AccessToken); err != nil {
			t.Errorf("%q ended a session: %v", text, err)
		}
	})
}
