package jwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/challenge"
)

const resourceURL = "https://mcp.example.test/mcp"

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// issuer is an authorization server that says what a test wants it to say.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	raw     string // JWKS instead of keys
	status  int
	hits    map[string]int
	answers map[string]map[string]any // by opaque token
	meta    map[string]any
	last    http.Header
	gate    chan struct{} // when set, jwks waits for it
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{status: http.StatusOK, hits: map[string]int{}, answers: map[string]map[string]any{}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	i.meta = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks", "introspection_endpoint": i.URL + "/introspect"}
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	gate := i.gate
	i.hits[r.URL.Path]++
	i.mu.Unlock()
	if gate != nil && r.URL.Path == "/jwks" {
		<-gate
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = r.Header.Clone()
	w.Header().Set("Content-Type", "application/json")
	if i.status != http.StatusOK {
		w.WriteHeader(i.status)
		return
	}
	var doc any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		doc = i.meta
	case "/jwks":
		if i.raw != "" {
			_, _ = w.Write([]byte(i.raw))
			return
		}
		doc = jose.JSONWebKeySet{Keys: i.keys}
	case "/introspect":
		if a := i.answers[r.PostFormValue("token")]; a != nil {
			doc = a
		} else {
			doc = map[string]any{"active": false}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(doc)
}

func (i *issuer) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *issuer) count(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits[path]
}

// signer is a private key with a kid.
type signer struct {
	kid, alg string
	priv     any
}

func newSigner(t testing.TB, kid, alg string) signer {
	t.Helper()
	var priv any
	var err error
	switch alg {
	case "EdDSA":
		_, priv, err = ed25519.GenerateKey(rand.Reader)
	case "ES256":
		priv, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		priv, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		priv, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		priv, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, alg, priv}
}

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.priv.(interface{ Public() crypto.PublicKey }).Public(), KeyID: s.kid, Algorithm: s.alg, Use: "sig"}
}

// sign makes a token; head adds to the header or, with nil, takes away.
func (s signer) sign(t testing.TB, head map[string]any, payload any) string {
	t.Helper()
	h := map[string]any{"alg": s.alg, "typ": "at+jwt", "kid": s.kid}
	for k, v := range head {
		if h[k] = v; v == nil {
			delete(h, k)
		}
	}
	rawHead, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	body, ok := payload.(string)
	if !ok {
		b, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	return s.signRaw(t, string(rawHead), body)
}

// signRaw signs header and payload as they are written.
func (s signer) signRaw(t testing.TB, head, body string) string {
	t.Helper()
	input := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[s.alg[2:]]
	digest := []byte(input)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	var sig []byte
	var err error
	switch k := s.priv.(type) {
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, digest)
	case *ecdsa.PrivateKey:
		r, ss, serr := ecdsa.Sign(rand.Reader, k, digest)
		err = serr
		n := (k.Params().BitSize + 7) / 8
		sig = append(r.FillBytes(make([]byte, n)), ss.FillBytes(make([]byte, n))...)
	case *rsa.PrivateKey:
		if s.alg[0] == 'P' {
			sig, err = rsa.SignPSS(rand.Reader, k, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, k, hash, digest)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// fixture is an issuer, its service and the guard of a route.
type fixture struct {
	t     testing.TB
	clock *clock
	iss   *issuer
	key   signer
	svc   *Service
	guard *Authenticator
}

func newFixture(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: newClock(), iss: newIssuer(t), key: newSigner(t, "k1", "EdDSA")}
	f.iss.keys = []jose.JSONWebKey{f.key.public()}
	cfg := Default(MethodOIDC)
	cfg.Issuer = f.iss.URL
	if change != nil {
		change(&cfg)
	}
	var err error
	f.svc, err = New(cfg, f.iss.Client(), slog.New(slog.DiscardHandler), f.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	res, err := challenge.New(challenge.Options{URL: resourceURL, Issuers: []string{f.iss.URL}, Scopes: []string{"tools:*"}, DPoPAlgs: PublicAlgorithms(), Ask: cfg.Ask})
	if err != nil {
		t.Fatal(err)
	}
	f.guard = NewAuthenticator(Options{Services: []*Service{f.svc}, Resource: res, Name: MethodOIDC, KeyPrefix: "mcp_"})
	return f
}

// claims are those of a good token; changes replace or, with nil, remove.
func (f *fixture) claims(changes map[string]any) map[string]any {
	now := f.clock.now().Unix()
	c := map[string]any{
		"iss": f.iss.URL, "sub": "alice", "aud": resourceURL, "exp": now + 600, "iat": now, "jti": "j1",
		"scope": "tools:echo read", "roles": []string{"viewer"},
	}
	for k, v := range changes {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func (f *fixture) token(changes map[string]any) string {
	return f.key.sign(f.t, nil, f.claims(changes))
}

// conn is a request with a header of names and values.
func (f *fixture) conn(fields ...string) *portcullis.Conn {
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	u, err := url.Parse("/mcp")
	if err != nil {
		f.t.Fatal(err)
	}
	return &portcullis.Conn{
		RequestID: rand.Text(), Received: f.clock.now(), Client: netip.MustParseAddr("192.0.2.1"),
		HTTP: &http.Request{Method: http.MethodPost, URL: u, Header: h},
	}
}

func (f *fixture) try(token string) (portcullis.Principal, error) {
	return f.guard.Authenticate(context.Background(), f.conn("Authorization", "Bearer "+token))
}

// refused checks that an error is the one refusal of tokens, for a reason that
// only the log has.
func refused(t *testing.T, err error, why string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if e.Kind.Status() != http.StatusUnauthorized || e.Public != publicInvalid || e.Event != portcullis.EventAuthFailure || e.Reason != "unauthenticated" {
		t.Errorf("status %d, %q, event %s", e.Kind.Status(), e.Public, e.Event)
	}
	if !strings.Contains(e.Detail, why) {
		t.Errorf("detail %q, want %q", e.Detail, why)
	}
	h := strings.Join(e.Header.Values(challenge.Header), ", ")
	for _, want := range []string{`Bearer realm="portcullis"`, `resource_metadata="https://mcp.example.test/.well-known/oauth-protected-resource/mcp"`, `scope="tools:*"`} {
		if !strings.Contains(h, want) {
			t.Errorf("challenge %q lacks %q", h, want)
		}
	}
}
