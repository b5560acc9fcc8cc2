package jwt

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
)

func thumbprintOf(t testing.TB, s signer) string {
	t.Helper()
	raw, err := json.Marshal(s.public())
	if err != nil {
		t.Fatal(err)
	}
	k, err := jws.ParseKey(raw, false)
	if err != nil {
		t.Fatal(err)
	}
	jkt, err := k.Thumbprint()
	if err != nil {
		t.Fatal(err)
	}
	return jkt
}

// prove makes a DPoP proof; changes replace or, with nil, remove.
func (f *fixture) prove(s signer, token string, head, changes map[string]any) string {
	f.t.Helper()
	sum := sha256.Sum256([]byte(token))
	c := map[string]any{
		"jti": rand.Text(), "htm": "POST", "htu": resourceURL, "iat": f.clock.now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
	for k, v := range changes {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	pub := s.public()
	pub.KeyID, pub.Use, pub.Algorithm = "", "", ""
	h := map[string]any{"typ": "dpop+jwt", "kid": nil, "jwk": pub}
	for k, v := range head {
		h[k] = v
	}
	return s.sign(f.t, h, c)
}

// TestDPoPOfThePathCalled: with an address of the gateway a proof is for the
// path that is called, character by character, and not for that of the route.
func TestDPoPOfThePathCalled(t *testing.T) {
	f := newFixture(t, nil)
	holder := newSigner(t, "", "ES256")
	token := f.token(map[string]any{"cnf": map[string]any{"jkt": thumbprintOf(t, holder)}})
	guard := NewAuthenticator(Options{Services: f.guard.services, Resource: f.guard.resource, Base: "https://mcp.example.test", Name: MethodOIDC})
	for _, c := range []struct {
		target, htu string
		good        bool
	}{
		{"/mcp", resourceURL, true},
		{"/mcp?a=b", resourceURL, true},
		{"/mcp", resourceURL + "?a=b#c", true},
		{"/mcp", "HTTPS://MCP.example.test:443/mcp", true},
		{"/api/v1/user/consents", "https://mcp.example.test/api/v1/user/consents", true},
		{"/api/v1/user/consents", resourceURL, false},
		{"/agent/v1/message:send", "https://mcp.example.test/agent/v1/message:send", true},
		{"/agent/v1/message:send", "https://mcp.example.test/agent", false},
		{"/a%2Fb", "https://mcp.example.test/a%2Fb", true},
		{"/a%2Fb", "https://mcp.example.test/a/b", false},
		{"/a/b", "https://mcp.example.test/a%2Fb", false},
		{"/mcp/", resourceURL, false},
		{"//mcp", resourceURL, false},
		{"/", "https://mcp.example.test", true},
		{"/mcp", "http://mcp.example.test/mcp", false},
		{"/mcp", "https://mcp.example.test:8443/mcp", false},
		{"/mcp", "https://u@mcp.example.test/mcp", false},
	} {
		conn := f.conn("Authorization", "DPoP "+token, "DPoP", f.prove(holder, token, nil, map[string]any{"htu": c.htu}))
		u, err := url.ParseRequestURI(c.target)
		if err != nil {
			t.Fatal(err)
		}
		conn.HTTP.URL = u
		if _, err := guard.Authenticate(context.Background(), conn); (err == nil) != c.good {
			t.Errorf("%s with a proof for %s: %v", c.target, c.htu, err)
		}
	}
}

func TestDPoP(t *testing.T) {
	f := newFixture(t, nil)
	holder, thief := newSigner(t, "", "ES256"), newSigner(t, "", "ES256")
	token := f.token(map[string]any{"cnf": map[string]any{"jkt": thumbprintOf(t, holder)}})
	send := func(fields ...string) (*portcullis.Conn, error) {
		c := f.conn(fields...)
		_, err := f.guard.Authenticate(context.Background(), c)
		return c, err
	}
	good := f.prove(holder, token, nil, nil)
	c, err := send("Authorization", "DPoP "+token, "DPoP", good)
	if err != nil {
		t.Fatal(err)
	}
	f.clock.add(10 * time.Minute) // the request's own stream asks again, much later
	if _, err := f.guard.Authenticate(context.Background(), c); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	f.clock.add(-10 * time.Minute)
	private := map[string]any{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "d": "AAAA"}
	for _, c := range []struct{ name, scheme, proof, why string }{
		{"used twice", "DPoP", good, "used twice"},
		{"no proof", "DPoP", "", "without one DPoP proof"},
		{"as bearer", "Bearer", f.prove(holder, token, nil, nil), "scheme does not fit"},
		{"as bearer without proof", "Bearer", "", "scheme does not fit"},
		{"another key", "DPoP", f.prove(thief, token, nil, nil), "another key"},
		{"key of the token, signature of another", "DPoP", f.prove(thief, token, map[string]any{"jwk": holder.public()}, nil), "bad signature"},
		{"another method", "DPoP", f.prove(holder, token, nil, map[string]any{"htm": "GET"}), "another method"},
		{"another URL", "DPoP", f.prove(holder, token, nil, map[string]any{"htu": "https://mcp.example.test/other"}), "another URL"},
		{"another host", "DPoP", f.prove(holder, token, nil, map[string]any{"htu": "https://evil.example/mcp"}), "another URL"},
		{"without TLS", "DPoP", f.prove(holder, token, nil, map[string]any{"htu": "http://mcp.example.test/mcp"}), "another URL"},
		{"another token", "DPoP", f.prove(holder, token+"x", nil, nil), "another token"},
		{"no ath", "DPoP", f.prove(holder, token, nil, map[string]any{"ath": nil}), "another token"},
		{"no jti", "DPoP", f.prove(holder, token, nil, map[string]any{"jti": nil}), "without jti"},
		{"no iat", "DPoP", f.prove(holder, token, nil, map[string]any{"iat": nil}), "too old"},
		{"too old", "DPoP", f.prove(holder, token, nil, map[string]any{"iat": f.clock.now().Unix() - 61}), "too old"},
		{"from the future", "DPoP", f.prove(holder, token, nil, map[string]any{"iat": f.clock.now().Unix() + 31}), "future"},
		{"wrong typ", "DPoP", f.prove(holder, token, map[string]any{"typ": "JWT"}, nil), "without its type"},
		{"no key", "DPoP", f.prove(holder, token, map[string]any{"jwk": nil}, nil), "without its type"},
		{"private key", "DPoP", f.prove(holder, token, map[string]any{"jwk": private}, nil), "private"},
		{"secret key", "DPoP", f.prove(holder, token, map[string]any{"jwk": map[string]any{"kty": "oct", "k": b64(strings.Repeat("k", 32))}}, nil), "secret among"},
		{"alg none", "DPoP", f.prove(holder, token, map[string]any{"alg": "none"}, nil), "another algorithm"},
		{"jku", "DPoP", f.prove(holder, token, map[string]any{"jku": "https://evil.example"}, nil), "brings a key"},
		{"not a JWT", "DPoP", "abc", "not three parts"},
		{"oversize", "DPoP", f.prove(holder, token, nil, map[string]any{"x": strings.Repeat("x", 8<<10)}), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := []string{"Authorization", c.scheme + " " + token}
			if c.proof != "" {
				fields = append(fields, "DPoP", c.proof)
			}
			_, err := send(fields...)
			refused(t, err, c.why)
			var e *portcullis.Error
			if errors.As(err, &e) && !strings.Contains(fmt.Sprint(e.Header), `DPoP realm="portcullis", error="invalid_dpop_proof", algs="EdDSA ES256`) {
				t.Errorf("challenge %v", e.Header)
			}
		})
	}
	_, err = send("Authorization", "DPoP "+token, "DPoP", f.prove(holder, token, nil, nil), "DPoP", f.prove(holder, token, nil, nil))
	refused(t, err, "without one DPoP proof")
	_, err = send("Authorization", "DPoP "+f.token(nil), "DPoP", f.prove(holder, f.token(nil), nil, nil))
	refused(t, err, "scheme does not fit")
	if _, err = send("Authorization", "dpop "+token, "DPoP", f.prove(holder, token, nil, map[string]any{"htu": "HTTPS://MCP.example.test:443/mcp?x=1#y"})); err != nil {
		t.Errorf("another spelling of the same URL: %v", err)
	}
	f.svc.proofs.limit = len(f.svc.proofs.names)
	_, err = send("Authorization", "DPoP "+token, "DPoP", f.prove(holder, token, nil, nil))
	refused(t, err, "too many DPoP proofs")
	f.clock.add(3 * time.Minute)
	if _, err = send("Authorization", "DPoP "+token, "DPoP", f.prove(holder, token, nil, nil)); err != nil {
		t.Errorf("after old proofs were forgotten: %v", err)
	}
}

func TestDPoPRequired(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.DPoPRequired = true })
	_, err := f.try(f.token(nil))
	refused(t, err, "not bound")
}

func TestCertificateBound(t *testing.T) {
	f := newFixture(t, nil)
	cert := &x509.Certificate{Raw: []byte("certificate")}
	sum := sha256.Sum256(cert.Raw)
	token := f.token(map[string]any{"cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		ok    bool
	}{
		{"no certificate", nil, false},
		{"another certificate", []*x509.Certificate{{Raw: []byte("x")}, cert}, false},
		{"its certificate", []*x509.Certificate{cert}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := f.conn("Authorization", "Bearer "+token)
			conn.Cert.Chain = c.chain
			_, err := f.guard.Authenticate(context.Background(), conn)
			if c.ok && err != nil {
				t.Error(err)
			} else if !c.ok {
				refused(t, err, "without the client certificate")
			}
		})
	}
}

func TestWhoseCredential(t *testing.T) {
	f := newFixture(t, nil)
	try := func(fields ...string) error {
		_, err := f.guard.Authenticate(context.Background(), f.conn(fields...))
		return err
	}
	for _, fields := range [][]string{
		{}, {"X-Api-Key", "mcp_x"}, {"Authorization", "Basic YTpi"}, {"Authorization", "Bearer mcp_abc.def"}, {"Authorization", "Bearerx y"},
	} {
		if err := try(fields...); !errors.Is(err, portcullis.ErrNoCredentials) {
			t.Errorf("%v: got %v", fields, err)
		}
	}
	if _, err := f.guard.Authenticate(context.Background(), &portcullis.Conn{}); !errors.Is(err, portcullis.ErrNoCredentials) {
		t.Errorf("got %v", err)
	}
	for _, field := range []string{"Bearer", "Bearer ", "bearer  " + f.token(nil), "DPoP", "Bearer a b"} {
		refused(t, try("Authorization", field), "not a JWT")
	}
	if err := try("authorization", "bEaReR "+f.token(nil)); err != nil {
		t.Errorf("scheme in another case: %v", err)
	}
	for _, fields := range [][]string{
		{"Authorization", "Bearer " + f.token(nil), "Authorization", "Bearer " + f.token(nil)},
		{"Authorization", "Bearer " + f.token(nil), "X-Api-Key", "mcp_x"},
	} {
		var e *portcullis.Error
		if err := try(fields...); !errors.As(err, &e) || e.Kind != portcullis.KindUnauthenticated || e.Detail != "more than one credential" {
			t.Errorf("got %v", err)
		}
	}
	for _, query := range []string{"access_token=x", "a=1&access%5Ftoken=x", "ACCESS_TOKEN"} {
		c := f.conn("Authorization", "Bearer "+f.token(nil))
		c.HTTP.URL.RawQuery = query
		var e *portcullis.Error
		if _, err := f.guard.Authenticate(context.Background(), c); !errors.As(err, &e) || e.Kind.Status() != http.StatusBadRequest || e.Event != portcullis.EventInputRejected {
			t.Errorf("%s: got %v", query, err)
		}
	}
}

// TestTwoIssuers routes a token by its iss and lets neither speak for the
// other.
func TestTwoIssuers(t *testing.T) {
	a, b := newFixture(t, nil), newFixture(t, withIntrospection)
	b.iss.answers["opaque"] = b.claims(map[string]any{"active": true})
	guard := NewAuthenticator(Options{Services: []*Service{a.svc, b.svc}, Resource: a.guard.resource, Name: "jwt+oidc"})
	try := func(token string) error {
		_, err := guard.Authenticate(context.Background(), a.conn("Authorization", "Bearer "+token))
		return err
	}
	for _, token := range []string{a.token(nil), b.token(nil), "opaque"} {
		for range 2 {
			if err := try(token); err != nil {
				t.Error(err)
			}
		}
	}
	refused(t, try(a.token(map[string]any{"iss": b.iss.URL})), "bad signature")
	refused(t, try(b.token(map[string]any{"iss": "https://c.example"})), "unknown issuer")
	refused(t, try("opaque2"), "not active")
}
