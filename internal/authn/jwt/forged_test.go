package jwt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func hs256(secret []byte, head, body string) string {
	input := b64(head) + "." + b64(body)
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// TestForged sends tokens that must not open the door.
func TestForged(t *testing.T) {
	f := newFixture(t, nil)
	rsaKey, es := newSigner(t, "rsa", "RS256"), newSigner(t, "es", "ES256")
	ps := signer{"rsa", "PS256", rsaKey.priv}
	f.iss.keys = append(f.iss.keys, rsaKey.public(), es.public())
	stranger := newSigner(t, "k1", "EdDSA")
	good := f.token(nil)
	part := strings.Split(good, ".")
	body := func(changes map[string]any) string {
		b, err := json.Marshal(f.claims(changes))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	spki, err := x509.MarshalPKIXPublicKey(rsaKey.public().Key)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := json.Marshal(rsaKey.public())
	if err != nil {
		t.Fatal(err)
	}
	now := f.clock.now().Unix()
	head := func(h map[string]any) string { return f.key.sign(t, h, f.claims(nil)) }
	with := func(c map[string]any) string { return f.token(c) }
	raw := func(h, b string) string { return f.key.signRaw(t, h, b) }
	const okHead = `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`
	edited := func(old, new string) string { return raw(okHead, strings.Replace(body(nil), old, new, 1)) }

	for _, c := range []struct{ name, token, why string }{
		{"alg none, no signature", b64(`{"alg":"none","typ":"at+jwt"}`) + "." + part[1] + ".", "empty header or signature"},
		{"alg none, with signature", b64(`{"alg":"none","kid":"k1"}`) + "." + part[1] + "." + part[2], "algorithm is not allowed"},
		{"alg nOnE", b64(`{"alg":"nOnE","kid":"k1"}`) + "." + part[1] + "." + part[2], "algorithm is not allowed"},
		{"alg NONE", b64(`{"alg":"NONE","kid":"k1"}`) + "." + part[1] + "." + part[2], "algorithm is not allowed"},
		{"alg empty", b64(`{"alg":"","kid":"k1"}`) + "." + part[1] + "." + part[2], "no algorithm"},
		{"alg missing", raw(`{"kid":"k1"}`, body(nil)), "no algorithm"},
		{"alg a number", raw(`{"alg":1,"kid":"k1"}`, body(nil)), "not a string"},
		{"alg a list", raw(`{"alg":["EdDSA"],"kid":"k1"}`, body(nil)), "not a string"},
		{"alg in lower case", raw(`{"alg":"eddsa","kid":"k1"}`, body(nil)), "algorithm is not allowed"},
		{"public key as HMAC secret, DER", hs256(spki, `{"alg":"HS256","kid":"rsa"}`, body(nil)), "algorithm is not allowed"},
		{"public key as HMAC secret, JWK", hs256(pub, `{"alg":"HS256","kid":"rsa"}`, body(nil)), "algorithm is not allowed"},
		{"empty HMAC secret", hs256(nil, `{"alg":"HS256","kid":"k1"}`, body(nil)), "algorithm is not allowed"},
		{"PS256 with an RS256 key", ps.sign(t, nil, f.claims(nil)), "does not fit the key"},
		{"EdDSA token, kid of an EC key", head(map[string]any{"kid": "es"}), "does not fit the key"},
		{"ES256 header, EdDSA signature", raw(`{"alg":"ES256","kid":"es"}`, body(nil)), "bad signature"},
		{"other key, same kid", stranger.sign(t, nil, f.claims(nil)), "bad signature"},
		{"unknown kid", head(map[string]any{"kid": "k9"}), "unknown key"},
		{"no kid among several keys", head(map[string]any{"kid": nil}), "unknown key"},
		{"kid empty", head(map[string]any{"kid": ""}), "empty kid"},
		{"kid a path", head(map[string]any{"kid": "../../dev/null"}), "unknown key"},
		{"kid SQL", head(map[string]any{"kid": "k1' OR '1'='1"}), "unknown key"},
		{"kid with a NUL", head(map[string]any{"kid": "k1\x00"}), "control characters"},
		{"kid a number", head(map[string]any{"kid": 1}), "not a string"},
		{"kid too long", head(map[string]any{"kid": strings.Repeat("k", 300)}), "too long"},
		{"jwk header", head(map[string]any{"jwk": stranger.public()}), "brings a key"},
		{"jku header", head(map[string]any{"jku": "https://evil.example/jwks"}), "brings a key"},
		{"x5u header", head(map[string]any{"x5u": "https://evil.example/x"}), "brings a key"},
		{"x5c header", head(map[string]any{"x5c": []string{"AAAA"}}), "brings a key"},
		{"crit", head(map[string]any{"crit": []string{"exp"}}), "demands an extension"},
		{"b64 false", head(map[string]any{"b64": false, "crit": []string{"b64"}}), "demands an extension"},
		{"zip", head(map[string]any{"zip": "DEF"}), "demands an extension"},
		{"typ of an ID token by name", head(map[string]any{"typ": "id_token+jwt"}), "typ"},
		{"typ of a DPoP proof", head(map[string]any{"typ": "dpop+jwt"}), "typ"},
		{"typ of a logout token", head(map[string]any{"typ": "logout+jwt"}), "typ"},
		{"duplicate alg", raw(`{"alg":"none","alg":"EdDSA","kid":"k1"}`, body(nil)), "one reading"},
		{"duplicate kid, one escaped", raw(`{"alg":"EdDSA","kid":"k1","k\u0069d":"k2"}`, body(nil)), "one reading"},
		{"Alg beside alg", raw(`{"alg":"EdDSA","Alg":"none","kid":"k1"}`, body(nil)), "misspelled"},
		{"header an array", raw(`["alg"]`, body(nil)), "not a JSON object"},
		{"header with trailing bytes", raw(okHead+"{}", body(nil)), "bytes after"},
		{"duplicate sub", edited(`"sub":"alice"`, `"sub":"alice","sub":"root"`), "one reading"},
		{"duplicate exp, escaped", edited(`"sub":"alice"`, `"sub":"alice","\u0065xp":99999999999`), "one reading"},
		{"Sub beside sub", edited(`"sub":"alice"`, `"sub":"alice","Sub":"root"`), "misspelled"},
		{"duplicate in a nested object", edited(`"sub":"alice"`, `"sub":"alice","x":{"a":1,"a":2}`), "one reading"},
		{"invalid UTF-8", edited("alice", "al\xffice"), "one reading"},
		{"deep nesting", edited(`"sub":"alice"`, `"sub":"alice","x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)), "one reading"},
		{"payload with trailing bytes", raw(okHead, body(nil)+`{"sub":"root"}`), "bytes after"},
		{"payload null", raw(okHead, "null"), "not a JSON object"},
		{"payload empty", raw(okHead, ""), "not a JSON object"},
		{"wrong iss", with(map[string]any{"iss": "https://evil.example"}), "unknown issuer"},
		{"iss with a slash more", with(map[string]any{"iss": f.iss.URL + "/"}), "unknown issuer"},
		{"iss in other case", with(map[string]any{"iss": strings.ToUpper(f.iss.URL)}), "unknown issuer"},
		{"iss missing", with(map[string]any{"iss": nil}), "unknown issuer"},
		{"iss a list", with(map[string]any{"iss": []string{f.iss.URL}}), "not a string"},
		{"wrong aud", with(map[string]any{"aud": "https://other.example/mcp"}), "for another audience"},
		{"aud a prefix of the route", with(map[string]any{"aud": "https://mcp.example.test/"}), "for another audience"},
		{"aud beyond the route", with(map[string]any{"aud": resourceURL + "/admin"}), "for another audience"},
		{"aud missing", with(map[string]any{"aud": nil}), "no aud"},
		{"aud empty list", with(map[string]any{"aud": []string{}}), "no aud"},
		{"aud an object", with(map[string]any{"aud": map[string]any{"a": 1}}), "neither a string nor an array"},
		{"expired", with(map[string]any{"exp": now - 31}), "expired"},
		{"exp missing", with(map[string]any{"exp": nil}), "no exp"},
		{"exp a string", with(map[string]any{"exp": "9999999999"}), "not a number"},
		{"exp beyond all bounds", edited(`"exp":`, `"exp":1e400,"x":`), "out of range"},
		{"exp negative", with(map[string]any{"exp": -1}), "out of range"},
		{"exp far away", with(map[string]any{"exp": now + 10*365*86400}), "lives longer"},
		{"nbf ahead", with(map[string]any{"nbf": now + 31}), "not valid yet"},
		{"iat ahead", with(map[string]any{"iat": now + 31}), "issued in the future"},
		{"nbf after exp", with(map[string]any{"exp": now + 1, "nbf": now + 20}), "ends before it begins"},
		{"sub missing", with(map[string]any{"sub": nil}), "no sub"},
		{"sub with a line break", with(map[string]any{"sub": "a\nb"}), "control characters"},
		{"sub a number", with(map[string]any{"sub": 1}), "not a string"},
		{"sub too long", with(map[string]any{"sub": strings.Repeat("a", 256)}), "too long"},
		{"ID token", with(map[string]any{"at_hash": "x"}), "ID token"},
		{"scope an object", with(map[string]any{"scope": map[string]any{}}), "neither a string nor an array"},
		{"bound in an unknown way", with(map[string]any{"cnf": map[string]any{"kid": "x"}}), "not supported"},
		{"empty binding", with(map[string]any{"cnf": map[string]any{}}), "not supported"},
		{"binding no object", with(map[string]any{"cnf": "x"}), "not a JSON object"},
		{"binding to a short thumbprint", with(map[string]any{"cnf": map[string]any{"jkt": "AAAA"}}), "not a SHA-256"},
		{"oversize", with(map[string]any{"x": strings.Repeat("a", 8<<10)}), "longer than 8 KiB"},
		{"padded base64url", good + "=", "base64url"},
		{"base64 of the other alphabet", part[0] + "." + part[1] + ".+" + part[2][1:], "base64url"},
		{"stray bits in the signature", good[:len(good)-1] + string(nextIn(good[len(good)-1])), "base64url"},
		{"line break in the payload", part[0] + "." + part[1][:4] + "\n" + part[1][4:] + "." + part[2], "base64url"},
		{"no signature", part[0] + "." + part[1] + ".", "empty header or signature"},
		{"truncated signature", good[:len(good)-2], "bad signature"},
		{"changed payload", part[0] + "." + strings.Replace(part[1], part[1][8:12], "AAAA", 1) + "." + part[2], ""},
		{"four parts", good + ".x", "not a JWT"},
		{"one part", "abc", "not a JWT"},
		{"JSON serialization", `{"payload":"` + part[1] + `","signatures":[]}`, "not a JWT"},
		{"an encrypted token", "a.b.c.d.e", "not a JWT"},
		{"only dots", "..", "empty header"},
		{"empty", "", "not a JWT"},
		{"leading space", " " + good, "not a JWT"},
		{"two tokens", good + "," + good, "not a JWT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := f.try(c.token)
			if !who.IsZero() {
				t.Errorf("accepted as %q", who.ID)
			}
			refused(t, err, c.why)
			for _, secret := range []string{part[2][:20], "evil.example", "al\xff"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats the token: %v", err)
				}
			}
		})
	}
	if who, err := f.try(good); err != nil || who.ID != "oidc|alice" { // the fixture itself is sound
		t.Fatalf("%+v, %v", who, err)
	}
}

// nextIn returns the base64url letter after c: its last bits differ.
func nextIn(c byte) byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)|1]
}

// TestWeakKeys publishes sets of keys that no token may be verified with.
func TestWeakKeys(t *testing.T) {
	secret := `{"kty":"oct","kid":"s","k":"` + b64(strings.Repeat("s", 32)) + `"}`
	for _, c := range []struct {
		name string
		set  func(pub string) string
		ok   bool
	}{
		{"the key alone", func(p string) string { return `{"keys":[` + p + `]}` }, true},
		{"a secret beside it", func(p string) string { return `{"keys":[` + p + `,` + secret + `]}` }, false},
		{"the same kid twice", func(p string) string { return `{"keys":[` + p + `,` + p + `]}` }, false},
		{"another kind beside it", func(p string) string { return `{"keys":[{"kty":"OKP","crv":"X25519","x":"AAAA","kid":"x"},` + p + `]}` }, true},
		{"for encryption", func(p string) string { return `{"keys":[` + strings.Replace(p, `"sig"`, `"enc"`, 1) + `]}` }, false},
		{"only for signing", func(p string) string {
			return `{"keys":[` + strings.Replace(p, `"kid"`, `"key_ops":["sign"],"kid"`, 1) + `]}`
		}, false},
		{"labelled ES256", func(p string) string { return `{"keys":[` + strings.Replace(p, `"EdDSA"`, `"ES256"`, 1) + `]}` }, false},
		{"private", func(p string) string { return `{"keys":[` + strings.Replace(p, `"kid"`, `"d":"AAAA","kid"`, 1) + `]}` }, false},
		{"duplicate member", func(p string) string { return `{"keys":[` + strings.Replace(p, `"kid"`, `"kid":"k1","kid"`, 1) + `]}` }, false},
		{"duplicate keys", func(p string) string { return `{"keys":[],"keys":[` + p + `]}` }, false},
		{"low order point", func(string) string {
			return `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"` + strings.Repeat("A", 43) + `"}]}`
		}, false},
		{"no keys", func(string) string { return `{"keys":[]}` }, false},
		{"no list", func(string) string { return `{"keys":{}}` }, false},
		{"not JSON", func(string) string { return `<html>` }, false},
		{"101 keys", func(p string) string { return `{"keys":[` + strings.Repeat(`{},`, 100) + p + `]}` }, false},
		{"over the size limit", func(p string) string { return `{"x":"` + strings.Repeat("x", maxAnswer) + `","keys":[` + p + `]}` }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, nil)
			pub, err := json.Marshal(f.key.public())
			if err != nil {
				t.Fatal(err)
			}
			f.iss.raw = c.set(string(pub))
			if _, err := f.try(f.token(nil)); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPrincipal(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Alias, c.ScopePrefix, c.RolesClaim = "acme", "mcp:", "realm_access.roles"
		c.ScopeMap = map[string][]string{"mcp.read": {"tools:read_*", "resources:*"}}
	})
	who, err := f.try(f.key.sign(t, map[string]any{"typ": "application/AT+JWT"}, f.claims(map[string]any{
		"scope": "mcp:tools:echo mcp.read other", "scp": []string{"mcp:x", "mcp:tools:echo"}, "role": "admin", "roles": []string{"admin"},
		"realm_access": map[string]any{"roles": []string{"editor", "viewer"}}, "name": "Alice", "aud": []string{"x", resourceURL},
	})))
	if err != nil {
		t.Fatal(err)
	}
	want := portcullis.Principal{
		ID: "acme|alice", Name: "Alice", Method: "oidc", KeyID: JTIHash("j1"),
		Scopes: []string{"tools:echo", "tools:read_*", "resources:*", "x"}, Roles: []string{"editor", "viewer"},
		Expires: who.Expires,
	}
	if !reflect.DeepEqual(who, want) {
		t.Errorf("got %+v\nwant %+v", who, want)
	}
	if left := who.Expires.Sub(f.clock.now()).Seconds(); left != 630 {
		t.Errorf("ends in %v s", left)
	}
	who, err = f.try(f.token(map[string]any{"sub": nil, "client_id": "robot", "jti": nil}))
	if err != nil || who.ID != "acme#robot" || who.KeyID != "k1" {
		t.Errorf("%+v, %v", who, err)
	}
	if got := f.svc.cfg.Ask("resources:*"); got != "mcp.read" {
		t.Errorf("ask for %q", got)
	}
	if got := f.svc.cfg.Ask("tools:write"); got != "mcp:tools:write" {
		t.Errorf("ask for %q", got)
	}
}

// TestAlgorithms verifies a token of every algorithm with a key of its kind.
func TestAlgorithms(t *testing.T) {
	for _, alg := range publicAlgorithms {
		f := newFixture(t, nil)
		f.key = newSigner(t, "k1", alg)
		f.iss.keys = []jose.JSONWebKey{f.key.public()}
		if _, err := f.try(f.token(nil)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		f = newFixture(t, func(c *Config) { c.Algorithms = []string{"ES256"} })
		f.key = newSigner(t, "k1", alg)
		f.iss.keys = []jose.JSONWebKey{f.key.public()}
		if _, err := f.try(f.token(nil)); (err == nil) != (alg == "ES256") {
			t.Errorf("%s, only ES256 allowed: %v", alg, err)
		}
	}
}

func TestSharedSecret(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 2)
	c := Default(MethodJWT)
	c.Issuer, c.Secret, c.Audience = "https://issuer.example", secret, []string{"api"}
	clock := newClock()
	s, err := New(c, nil, slog.New(slog.DiscardHandler), clock.now)
	if err != nil {
		t.Fatal(err)
	}
	guard := NewAuthenticator(Options{Services: []*Service{s}, Name: MethodJWT})
	f := &fixture{t: t, clock: clock, iss: newIssuer(t)}
	try := func(token string) (portcullis.Principal, error) {
		return guard.Authenticate(context.Background(), f.conn("Authorization", "Bearer "+token))
	}
	body, err := json.Marshal(f.claims(map[string]any{"iss": c.Issuer, "aud": "api"}))
	if err != nil {
		t.Fatal(err)
	}
	who, err := try(hs256([]byte(secret), `{"alg":"HS256","typ":"JWT"}`, string(body)))
	if err != nil || who.ID != "jwt|alice" || who.Method != "jwt" {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := try(hs256([]byte(secret+"x"), `{"alg":"HS256"}`, string(body))); err == nil {
		t.Error("another secret was accepted")
	}
	if _, err := try(hs256([]byte(secret), `{"alg":"HS512"}`, string(body))); err == nil {
		t.Error("an algorithm that is not allowed was accepted")
	}
	es := newSigner(t, "k", "ES256")
	if _, err := try(es.sign(t, nil, string(body))); err == nil {
		t.Error("a public-key signature was accepted")
	}
}
